// Counts of saved views and the look of the list, updated without a reload.

import { addresses } from "../core/addresses.js";
import { request } from "../core/requests.js";

const SOON = 2000;
const EVERY = 20_000;
let asked = null;

async function count() {
  clearTimeout(asked);
  asked = null;
  if (document.hidden || !document.querySelector("[data-view-count]")) return;
  const response = await request(addresses.viewCounts).catch(() => null);
  if (!response?.ok) return;
  const counts = await response.json();
  for (const item of document.querySelectorAll("[data-view-count]")) {
    const found = counts[item.dataset.viewCount];
    const node = item.querySelector(".n");
    if (found && node.textContent !== found.shown) node.textContent = found.shown;
    item.dataset.zero = String(found?.n === 0);
  }
}

// When the counts of the states change, those of the views are fetched again.
export function stale() {
  asked ??= setTimeout(count, SOON);
}

// Puts the look into the URL, so that shared links show it, and updates the links with columns.
function sayInAddress(boxes) {
  const shown = boxes.every((box) => box.checked)
    ? null
    : boxes
        .filter((box) => box.checked)
        .map((box) => box.value)
        .join(".");
  history.replaceState(history.state, "", withColumns(location.search, shown) + location.hash);
  for (const link of document.querySelectorAll('a[href*="columns="]')) {
    link.setAttribute("href", withColumns(link.getAttribute("href"), shown));
  }
  for (const field of document.querySelectorAll("input[type=hidden][name=columns]")) {
    field.disabled = shown === null || ((field.value = shown), false);
  }
}

function withColumns(search, shown) {
  const kept = search
    .replace(/^\?/, "")
    .split("&")
    .filter((part) => part && !part.startsWith("columns="));
  if (shown !== null) kept.push(`columns=${shown}`);
  if (kept.length) return `?${kept.join("&")}`;
  return search ? "?all" : location.pathname; // without a query the default view would open
}

function look(event) {
  const form = event.currentTarget;
  const boxes = [...form.querySelectorAll("[name=column]")];
  const list = document.getElementById("list");
  list.dataset.hidden = boxes
    .filter((box) => !box.checked)
    .map((box) => box.value)
    .join(" ");
  list.dataset.density = new FormData(form).get("density");
  sayInAddress(boxes);
  fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" }).catch(
    () => {},
  );
}

export function start() {
  const form = document.querySelector(".look");
  form.addEventListener("change", look);
  sayInAddress([...form.querySelectorAll("[name=column]")]);
  document.addEventListener("visibilitychange", count);
  setInterval(count, EVERY);
  count();
}
