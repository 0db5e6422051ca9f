// Ticked rows and the bar of bulk actions.

const ticks = () => [...document.querySelectorAll("#rows .c-tick input")];
const form = document.getElementById("bulk");
let last = null;

export function show() {
  if (!form) return;
  const n = ticks().filter((tick) => tick.checked).length;
  form.classList.toggle("on", n > 0);
  const all = document.getElementById("tick-all");
  if (all) {
    all.checked = n > 0 && n === ticks().length;
    all.indeterminate = n > 0 && n < ticks().length;
  }
  const text = n ? interpolate(ngettext("%s selected", "%s selected", n), [n]) : "";
  document.getElementById("bulk-count").textContent = text;
}

export function clear() {
  for (const tick of ticks()) tick.checked = false;
  show();
}

export function toggle(row) {
  const tick = form && row?.querySelector(".c-tick input");
  if (!tick) return;
  tick.checked = !tick.checked;
  last = tick;
  show();
}

// Shift ticks everything between this row and the one ticked last.
function range(event) {
  const tick = event.target;
  if (!tick.matches?.(".c-tick input[name=id]")) return;
  const all = ticks();
  if (event.shiftKey && last && all.includes(last)) {
    const [from, to] = [all.indexOf(last), all.indexOf(tick)].sort((a, b) => a - b);
    for (const between of all.slice(from, to + 1)) between.checked = tick.checked;
  }
  last = tick;
}

export function start(submit) {
  if (!form) return;
  const list = document.getElementById("list");
  list.addEventListener("click", range);
  list.addEventListener("change", (event) => {
    if (event.target.id === "tick-all") for (const tick of ticks()) tick.checked = event.target.checked;
    show();
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    clear();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(form, event.submitter);
  });
  show();
  addEventListener("pageshow", show);
}
