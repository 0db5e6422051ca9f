// The command palette: everything the page can do, found by typing. It reads the page; it knows nothing itself.

import { isolate, isolated } from "../bidi.js";
import { addresses, sessionAddress } from "../core/addresses.js";
import { isId, looksLikeId } from "../core/rules.js";

const dialog = document.getElementById("palette");
const field = document.getElementById("palette-text");
const list = document.getElementById("palette-list");
let commands = [];
let shown = [];
let at = 0;

const searchAddress = (text) => `${addresses.list}?q=${encodeURIComponent(text)}`;
const clean = (node) => node.textContent.replace(/\s+/g, " ").trim();

function collect(acts) {
  const ticked = document.querySelector("#bulk.on");
  const orders = [...(ticked?.querySelectorAll("button[name=verb]") ?? [])].map((button) =>
    command(gettext("On what is ticked"), clean(button), () => button.click(), button),
  );
  const links = [...document.querySelectorAll("#rail .rail-item")].map((item) => {
    const title = clean(item.closest(".rail-group").querySelector("h2"));
    return command(
      title,
      clean(item.querySelector(".truncate")),
      () => location.assign(item.href),
      item,
      clean(item.querySelector(".n")),
    );
  });
  const page = acts.map(([name, act]) => command(gettext("This page"), name, act));
  const themes = [...document.querySelectorAll("[data-theme-form] button")].map((button) =>
    command(gettext("Appearance"), clean(button), () => button.click(), button),
  );
  return [...orders, ...links, ...page, ...themes];
}

function command(group, name, act, source, note = "") {
  return { group, name, act, note, icon: source?.querySelector("svg") };
}

function typed(text) {
  const found = [];
  if (looksLikeId(text)) {
    const id = text.toLowerCase();
    const address = isId(id) ? sessionAddress(id) : searchAddress(`id:${text}`);
    found.push(
      command(gettext("Session"), interpolate(gettext("Session %s"), [isolated(text)]), () =>
        location.assign(address),
      ),
    );
  }
  if (text) {
    found.push(
      command(gettext("Search"), interpolate(gettext("Search for %s"), [isolated(text)]), () =>
        location.assign(searchAddress(text)),
      ),
    );
  }
  return found;
}

// Every typed word must be there; within a group, names that begin with the text come first.
function matching(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const named = commands.filter((one) =>
    words.every((word) => `${one.group} ${one.name}`.toLowerCase().includes(word)),
  );
  const groups = [...new Set(named.map((one) => one.group))];
  const rank = (one) =>
    groups.indexOf(one.group) * 2 + (one.name.toLowerCase().startsWith(text.toLowerCase()) ? 0 : 1);
  named.sort((one, other) => rank(one) - rank(other));
  const [search, ...id] = typed(text).toReversed();
  return [...id, ...named, ...(search ? [search] : [])];
}

function draw() {
  shown = matching(field.value.trim());
  at = 0;
  const nodes = [];
  shown.forEach((one, i) => {
    if (one.group !== shown[i - 1]?.group) nodes.push(heading(one.group));
    nodes.push(option(one, i));
  });
  list.replaceChildren(...nodes);
  point();
}

function heading(text) {
  const item = document.createElement("li");
  item.role = "presentation";
  item.textContent = text;
  return item;
}

function option({ name, note, icon }, i) {
  const item = document.createElement("li");
  item.role = "option";
  item.id = `command-${i}`;
  item.dataset.i = i;
  if (icon) item.append(icon.cloneNode(true));
  item.append(isolate(name));
  const hint = document.createElement("span");
  hint.className = "quiet";
  hint.textContent = note;
  item.append(hint);
  return item;
}

function point() {
  for (const item of list.querySelectorAll("[role=option]")) {
    item.setAttribute("aria-selected", String(Number(item.dataset.i) === at));
  }
  const current = document.getElementById(`command-${at}`);
  current?.scrollIntoView({ block: "nearest" });
  if (current) field.setAttribute("aria-activedescendant", current.id);
  else field.removeAttribute("aria-activedescendant");
}

function press(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && shown.length) {
    event.preventDefault();
    at = (at + step + shown.length) % shown.length;
    return point();
  }
  if (event.key === "Enter") {
    event.preventDefault();
    run(shown[at]);
  }
}

function run(one) {
  if (!one) return;
  dialog.close();
  one.act();
}

export function start(acts) {
  document.addEventListener("keydown", (event) => {
    if (
      event.key.toLowerCase() !== "k" ||
      !(event.ctrlKey || event.metaKey) ||
      event.altKey ||
      event.shiftKey
    ) {
      return;
    }
    event.preventDefault();
    if (dialog.open) return dialog.close();
    if (document.querySelector("dialog[open]")) return;
    commands = collect(acts());
    field.value = "";
    draw();
    dialog.showModal();
    field.focus();
  });
  field.addEventListener("input", draw);
  field.addEventListener("keydown", press);
  list.addEventListener("click", (event) =>
    run(shown[event.target.closest("[role=option]")?.dataset.i]),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}
