// Saved views' counts, and the look of the list: both follow without a reload.

const SOON = 2000;
const EVERY = 20_000;
let asked = null;

async function count() {
  clearTimeout(asked);
  asked = null;
  if (document.hidden || !document.querySelector("[data-view-count]")) return;
  const response = await fetch("/views/counts/").catch(() => null);
  if (!response?.ok) return;
  const counts = await response.json();
  for (const item of document.querySelectorAll("[data-view-count]")) {
    const found = counts[item.dataset.viewCount];
    const node = item.querySelector(".n");
    if (found && node.textContent !== found.shown) node.textContent = found.shown;
    item.dataset.zero = String(found?.n === 0);
  }
}

// The counts beside the states have changed: those of the views will have, too.
export function stale() {
  asked ??= setTimeout(count, SOON);
}

function look(event) {
  const form = event.currentTarget;
  const boxes = [...form.querySelectorAll("[name=column]")];
  const list = document.getElementById("list");
  list.dataset.hidden = boxes.filter((box) => !box.checked).map((box) => box.value).join(" ");
  list.dataset.density = new FormData(form).get("density");
  fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" }).catch(() => {});
}

export function start() {
  document.querySelector(".look").addEventListener("change", look);
  document.addEventListener("visibilitychange", count);
  setInterval(count, EVERY);
  count();
}
