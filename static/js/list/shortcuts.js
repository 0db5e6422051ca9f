// Keyboard shortcuts of the list, disabled while typing and in dialogs.

const rows = () => [...document.querySelectorAll("#rows > .row")];
let current = null;

function go(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(document.getElementById(current));
  const next =
    all[
      at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)
    ];
  document.getElementById(current)?.classList.remove("current");
  current = next.id;
  next.classList.add("current");
  next.querySelector(".session-link").focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function help() {
  document.getElementById("help").showModal();
}

function search(event) {
  event.preventDefault();
  const field = document.getElementById("q");
  field.focus();
  field.select();
}

function open() {
  document.getElementById(current)?.querySelector(".session-link").click();
}

export function start({ refresh, hold, tick, clear }) {
  const acts = {
    "/": search,
    "?": help,
    j: () => go(1),
    k: () => go(-1),
    x: () => tick(document.getElementById(current)),
    p: hold,
    r: refresh,
    Escape: clear,
    Enter: open,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) {
      return;
    }
    if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "Enter" && event.target.closest("a, button, summary, input")) return;
    acts[event.key]?.(event);
  });
}
