// One menu for all rows, outside of the table, so that updates of a row do not close it.

import { sessionAddress } from "../core/addresses.js";

const menu = document.getElementById("row-menu");
let opener = null;

function items() {
  return [...menu.querySelectorAll(".menu-item:not([hidden])")];
}

function open(button) {
  const { id, state } = button.closest(".row").dataset;
  const address = sessionAddress(id);
  menu.querySelector("[data-open]").href = address;
  menu.querySelector("[data-copy]").dataset.copy = id;
  for (const item of menu.querySelectorAll("[data-noun]")) {
    item.hidden = !item.dataset.states.split(" ").includes(state);
    item.href = `${address}${item.dataset.noun}/`;
  }
  opener = button;
  menu.hidden = false;
  place(button.getBoundingClientRect());
  items()[0].focus();
}

function place(at) {
  const { width, height } = menu.getBoundingClientRect();
  const below = at.bottom + height + 8 < innerHeight;
  menu.style.setProperty("left", `${Math.max(8, at.right - width)}px`);
  menu.style.setProperty("top", `${below ? at.bottom + 4 : Math.max(8, at.top - height - 4)}px`);
}

function close() {
  if (menu.hidden) return;
  menu.hidden = true;
  opener?.focus();
}

function move(event) {
  if (event.key === "Escape") return close();
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const all = items();
  all.at((all.indexOf(document.activeElement) + step) % all.length).focus();
}

export function start(order) {
  if (!menu) return;
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".row-more");
    if (button) return button === opener && !menu.hidden ? close() : open(button);
    if (!menu.contains(event.target)) menu.hidden = true;
  });
  menu.addEventListener("click", (event) => {
    const item = event.target.closest("[data-noun]");
    if (item) {
      event.preventDefault();
      order(item.href);
    }
    if (event.target.closest(".menu-item")) close();
  });
  menu.addEventListener("keydown", move);
  addEventListener("scroll", () => (menu.hidden = true), { passive: true });
}
