// Replaces HTML in place and keeps the reader's state: folds, ticks, focus.

import { Idiomorph } from "../../vendor/idiomorph/idiomorph.esm.js";

const KEPT = new Set(["open", "aria-expanded"]);

const callbacks = {
  beforeAttributeUpdated: (name, node) => !(KEPT.has(name) && node.localName === "details"),
  beforeNodeRemoved: (node) => !node.classList?.contains("line-tools"),
  beforeNodeMorphed: (old, fresh) => !isTick(old) && !isKept(old) && !isFetched(old, fresh),
};

// Elements with content of scripts or typed text, such as the time axis.
function isKept(node) {
  return node.dataset?.kept !== undefined;
}

function isTick(node) {
  return node.localName === "input" && node.type === "checkbox";
}

// Fetched branches and lists stay until their tree has another version.
function isFetched(old, fresh) {
  if (old.dataset?.fetched === undefined) return false;
  const isSame = old.localName === "ul" || fresh.dataset?.lazy === old.dataset.fetched;
  if (isSame && old.dataset.version === treeVersion(old)) return true;
  delete old.dataset.fetched;
  return false;
}

export function treeVersion(node) {
  return node.closest("[data-context-version]")?.dataset.contextVersion;
}

export function morph(node, html, options = {}) {
  return Idiomorph.morph(node, html, { morphStyle: "outerHTML", callbacks, ...options });
}

export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

const CELLS = [".c-state", ".c-checkpoint", ".c-user"];

// Returns the row in the page. Changed cells flash; nothing moves.
export function patchRow(row, html) {
  const before = CELLS.map((cell) => row.querySelector(cell)?.textContent);
  morph(row, html);
  const now = document.getElementById(row.id);
  CELLS.forEach((cell, i) => {
    const node = now.querySelector(cell);
    if (node && node.textContent !== before[i]) flash(node);
  });
  return now;
}

function flash(cell) {
  cell.classList.remove("flash");
  requestAnimationFrame(() => cell.classList.add("flash"));
  cell.addEventListener("animationend", () => cell.classList.remove("flash"), { once: true });
}
