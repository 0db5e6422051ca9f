// Parts of every page: closing menus, the theme, copy buttons.

import { addresses } from "./addresses.js";
import { copy } from "./toast.js";
import * as watchdogStatus from "./watchdog_status.js";

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(except)) menu.open = false;
  }
}

function chooseTheme(event) {
  if (event.submitter?.name !== "theme") return;
  const chosen = event.submitter.value;
  event.preventDefault();
  document.cookie = `${addresses.themeCookie}=${chosen}; path=${addresses.cookiePath}; max-age=31536000; samesite=lax`;
  document.documentElement.dataset.theme = chosen;
  for (const button of event.target.querySelectorAll("[name=theme]")) {
    button.setAttribute("aria-pressed", String(button.value === chosen));
  }
  const shown = event.target.closest("details").querySelector("summary use");
  shown.setAttribute("href", event.submitter.querySelector("use").getAttribute("href"));
  closeMenus();
}

export function start() {
  watchdogStatus.start();
  document.addEventListener("click", (event) => {
    closeMenus(event.target);
    const source = event.target.closest("[data-copy]");
    if (source?.dataset.copy) copy(source.dataset.copy);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details.menu[open]");
    closeMenus();
    open?.querySelector("summary").focus();
  });
  document.querySelector("[data-theme-form]")?.addEventListener("submit", chooseTheme);
}
