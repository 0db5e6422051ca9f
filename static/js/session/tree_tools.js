// Tools for context and conversation: search, fold, copy, and a list that stays at its end.

import { parse } from "../core/patch.js";
import { request, sayUnreachable } from "../core/requests.js";
import { copy } from "../core/toast.js";

const WAIT = 200;
const NEAR_END = 40;
let searching = null;
let latest = 0;

async function search(form) {
  const mine = ++latest;
  const found = form.querySelector("#found");
  const query = new URLSearchParams(new FormData(form));
  if (!query.get("find").trim()) return found.replaceChildren();
  try {
    const response = await request(`${form.action}?${query}`, {
      headers: { "X-Requested-With": "fetch" },
    });
    if (mine === latest && response.ok) found.replaceChildren(parse(await response.text()));
  } catch {
    // the connection status reports it
  }
}

function typed(event) {
  const form = event.target.closest("[data-tree-search]");
  if (!form) return;
  clearTimeout(searching);
  searching = setTimeout(() => search(form), WAIT);
}

function submitted(event) {
  if (!event.target.matches("[data-tree-search]")) return;
  event.preventDefault();
  search(event.target);
}

function fold(part) {
  const branches = [...document.querySelectorAll(`#tree-${part} details.node:not([data-lazy])`)];
  const open = !branches.some((branch) => branch.open);
  for (const branch of branches) branch.open = open;
}

// c copies the path, v the value of the focused line; buttons do the same.
function address(line) {
  const tree = line.closest(".tree");
  return { path: line.dataset.path, value: line.dataset.value, tree };
}

async function copyValue(line) {
  const response = await request(address(line).value);
  if (response.ok) copy(await response.text());
}

function act(line, name) {
  if (name === "path") copy(address(line).path);
  else copyValue(line).catch(sayUnreachable);
}

let reached = null; // the line that has the tools
const tools = document.createElement("span");
tools.className = "line-tools";
for (const [name, words] of [
  ["path", gettext("Copy path")],
  ["value", gettext("Copy value")],
]) {
  tools.append(
    Object.assign(document.createElement("button"), {
      type: "button",
      className: "button small",
      textContent: words,
      onclick: (event) => {
        event.preventDefault();
        act(reached, name);
      },
    }),
  );
}

function reach(event) {
  const line = event.target.closest?.(".tree [data-path]");
  if (!line || (line === reached && tools.isConnected)) return;
  reached = line;
  // a summary must not contain buttons
  if (line.localName === "summary") line.closest("li").prepend(tools);
  else line.append(tools);
}

function keys(event) {
  if (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    event.target.closest("input, textarea, button")
  ) {
    return;
  }
  const line = event.target.closest(".tree [data-path]");
  if (!line) return;
  if (event.key === "c" || event.key === "v") act(line, event.key === "c" ? "path" : "value");
  const lines = [...line.closest(".tree").querySelectorAll("[data-path]")].filter(
    (one) => one.offsetParent,
  );
  const next = lines[lines.indexOf(line) + { ArrowDown: 1, ArrowUp: -1 }[event.key]];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

// Shows a match in place and unfolds the branches above it; a match that is not on the page has a page of its own.
function showFound(event) {
  const link = event.target.closest("#found a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const line = [...document.querySelectorAll("#tree-context [data-path]")].find(
    (one) => one.dataset.path === link.dataset.found,
  );
  if (!line) return;
  event.preventDefault();
  for (
    let branch = line.parentElement.closest("details");
    branch;
    branch = branch.parentElement.closest("details")
  ) {
    branch.open = true;
  }
  line.focus();
  line.scrollIntoView({ block: "center" });
}

// Whether the list was scrolled to its end before the update.
export function stuck() {
  const list = document.querySelector("[data-stick]");
  return !list || list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END;
}

export function stick() {
  const list = document.querySelector("[data-stick]");
  if (list) list.scrollTop = list.scrollHeight;
}

export function filterCheckpoints() {
  const wanted = document.getElementById("flag-filter")?.value.trim().toLowerCase() ?? "";
  for (const flag of document.querySelectorAll(".flags > .flag")) {
    flag.hidden = !flag.dataset.name.toLowerCase().includes(wanted);
  }
}

// A link to an older history entry opens the page with that entry.
function openLinked() {
  const version = Number(/^#v(\d{1,15})$/.exec(location.hash)?.[1]);
  if (!version || document.getElementById(`v${version}`)) return;
  const wanted = `?history=${version + 1}`;
  if (location.search !== wanted) location.replace(wanted + location.hash);
}

export function start(panels) {
  panels.addEventListener("input", typed);
  panels.addEventListener("submit", submitted);
  panels.addEventListener("click", (event) => {
    const button = event.target.closest("[data-fold]");
    if (button) fold(button.dataset.fold);
  });
  panels.addEventListener("click", showFound);
  panels.addEventListener(
    "input",
    (event) => event.target.id === "flag-filter" && filterCheckpoints(),
  );
  panels.addEventListener("pointerover", reach);
  panels.addEventListener("focusin", reach);
  panels.addEventListener("keydown", keys);
  stick();
  openLinked();
}
