// Ticked rows and the bar of bulk actions.

import { addresses } from "../core/addresses.js";
import { request } from "../core/requests.js";

const ticks = () => [...document.querySelectorAll("#rows .c-tick input")];
const form = document.getElementById("bulk");
let last = null;
let everything = null; // {n, more} if the reader selected all matches

export function show() {
  if (!form) return;
  const n = ticks().filter((tick) => tick.checked).length;
  form.classList.toggle("on", n > 0);
  const all = document.getElementById("tick-all");
  if (all) {
    all.checked = n > 0 && n === ticks().length;
    all.indeterminate = n > 0 && n < ticks().length;
  }
  if (n < ticks().length || !n) everything = null;
  document.getElementById("bulk-count").textContent = n ? words(n) : "";
  const meant = document.getElementById("all");
  meant.value = everything ? "yes" : "";
  meant.disabled = !everything;
  offerAll(n > 0 && n === ticks().length && !everything && morePages());
}

function words(n) {
  const shown =
    (everything?.n ?? n).toLocaleString(document.documentElement.lang) +
    (everything?.more ? "+" : "");
  return interpolate(ngettext("%s selected", "%s selected", n), [shown]);
}

const morePages = () => document.querySelector(".pager [rel]") !== null;

async function offerAll(offered) {
  const button = document.getElementById("take-all");
  if (!offered) return void (button.hidden = true);
  if (!button.hidden) return;
  button.hidden = false;
  button.textContent = gettext("Select all that match");
  const response = await request(addresses.matching + location.search).catch(() => null);
  const found = response?.ok ? await response.json() : null;
  if (button.hidden || !found?.n) return;
  const n = found.n.toLocaleString(document.documentElement.lang) + (found.more ? "+" : "");
  button.found = found;
  button.textContent = interpolate(gettext("Select all %s that match"), [n]);
}

export function has(row) {
  return Boolean(everything) || Boolean(row.querySelector(".c-tick input")?.checked);
}

export function clear() {
  everything = null;
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

// Shift ticks everything between this row and the last ticked one.
function range(event) {
  const tick = event.target;
  if (!tick.matches?.(".c-tick input[name=id]")) return;
  const all = ticks();
  if (event.shiftKey && last && all.includes(last)) {
    const [from, to] = [all.indexOf(last), all.indexOf(tick)].toSorted((a, b) => a - b);
    for (const between of all.slice(from, to + 1)) between.checked = tick.checked;
  }
  last = tick;
}

export function start(submit) {
  if (!form) return;
  const list = document.getElementById("list");
  list.addEventListener("click", range);
  list.addEventListener("change", (event) => {
    if (event.target.id === "tick-all") {
      for (const tick of ticks()) tick.checked = event.target.checked;
    }
    show();
  });
  document.getElementById("take-all").addEventListener("click", (event) => {
    everything = event.currentTarget.found ?? {};
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
