// Completes the word before the caret of the search box; the server provides the suggestions.

import { closed } from "../bidi.js";
import { addresses } from "../core/addresses.js";
import { request } from "../core/requests.js";
import { rules } from "../core/rules.js";

const WAIT = 90;
const LAST_WORD = new RegExp(rules.lastWord);
const field = document.getElementById("q");
const list = document.getElementById("completions");
let waiting = null;
let asked = 0;
let at = -1;
let offered = [];

const options = () => [...list.children];

// The word before the caret; a quoted value with spaces belongs to it.
function word() {
  const before = field.value.slice(0, field.selectionStart);
  const from = before.search(LAST_WORD);
  return { from, to: field.selectionStart, text: before.slice(from) };
}

async function ask() {
  const mine = ++asked;
  const { text } = word();
  const response = await request(
    `${addresses.completions}?${new URLSearchParams({ word: text })}`,
  ).catch(() => null);
  const found = response?.ok ? (await response.json()).suggestions : [];
  if (mine !== asked || document.activeElement !== field || word().text !== text) return;
  show(found.filter((one) => one.text !== text));
}

// Removes outdated suggestions immediately, so that Escape leaves the field instead of closing them.
function narrow() {
  const text = word().text.toLowerCase();
  const fitting = offered.filter((one) => one.text.toLowerCase().includes(text));
  if (fitting.length < offered.length) show(fitting);
}

function show(found) {
  at = -1;
  offered = found;
  list.replaceChildren(...found.map(option));
  list.hidden = !found.length;
  field.setAttribute("aria-expanded", String(!list.hidden));
  field.removeAttribute("aria-activedescendant");
}

function option({ text, hint, goes_on: goesOn }, i) {
  const item = document.createElement("li");
  item.id = `completion-${i}`;
  item.role = "option";
  item.ariaSelected = "false";
  item.dataset.text = text;
  item.toggleAttribute("data-goes-on", goesOn);
  const code = document.createElement("code");
  code.textContent = closed(text);
  const note = document.createElement("span");
  note.className = "quiet";
  note.textContent = hint;
  item.append(code, note);
  return item;
}

function move(step) {
  const all = options();
  all[at]?.setAttribute("aria-selected", "false");
  at = (at + step + all.length + (at < 0 && step < 0 ? 1 : 0)) % all.length;
  all[at].setAttribute("aria-selected", "true");
  all[at].scrollIntoView({ block: "nearest" });
  field.setAttribute("aria-activedescendant", all[at].id);
}

function take(item) {
  const { from, to } = word();
  const text = item.dataset.text;
  const goesOn = item.hasAttribute("data-goes-on");
  field.setRangeText(goesOn ? text : `${text} `, from, to, "end");
  field.focus();
  if (goesOn) ask();
  else show([]);
}

function press(event) {
  if (list.hidden) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    return move(event.key === "ArrowDown" ? 1 : -1);
  }
  if (event.key === "Escape") {
    event.preventDefault(); // by default the browser clears the field
    event.stopPropagation();
    return show([]);
  }
  const chosen = options()[at] ?? (event.key === "Tab" ? options()[0] : null);
  if (!chosen || (event.key !== "Enter" && event.key !== "Tab")) return;
  event.preventDefault();
  take(chosen);
}

function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(ask, WAIT);
}

export function start() {
  if (document.activeElement === field) soon(); // typed before this script was loaded
  field.addEventListener("input", narrow);
  field.addEventListener("input", soon);
  field.addEventListener("focus", soon);
  field.addEventListener("keydown", press);
  field.addEventListener("blur", () => setTimeout(() => show([]), 150));
  list.addEventListener("mousedown", (event) => {
    event.preventDefault();
    const item = event.target.closest("li");
    if (item) take(item);
  });
}
