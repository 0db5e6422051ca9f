// Title and favicon carry the worst state of the list; a list that stops being empty can say so.

import { listed } from "../core/rules.js";
import { toast } from "../core/toast.js";

// The filters of conditions, the most urgent first; which that is, the server says.
const conditions = [...document.querySelectorAll("#rail [data-urgency]")].toSorted(
  (a, b) => a.dataset.urgency - b.dataset.urgency,
);
const title = document.title;
const icon = document.querySelector("link[rel=icon]");
const plain = icon.href;
let shown = "";
let told = false;

const nameOf = (item) => item.dataset.count.slice("state:".length);

export function counts(states) {
  const item = conditions.find((one) => states[nameOf(one)] > 0);
  const worst = item ? nameOf(item) : "";
  const text = worst
    ? `(${states[worst].toLocaleString(document.documentElement.lang)} ${item.querySelector(".truncate").textContent}) ${title}`
    : title;
  if (document.title !== text) document.title = text;
  if (shown === worst) return;
  shown = worst;
  icon.href = item ? marked(getComputedStyle(item).getPropertyValue("--tab")) : plain;
}

function marked(colour) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#4a4ad6"/><path d="M6 17h5l3-8 4 14 3-6h5" fill="none" stroke="#fff" stroke-width="2.600" stroke-linecap="round" stroke-linejoin="round"/><circle cx="23.500" cy="23.500" r="8.500" fill="${colour}" stroke="#fff" stroke-width="2"/></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

// Which list is meant does not depend on the page that is open.
function key() {
  const query = new URLSearchParams(location.search);
  for (const name of listed("places")) query.delete(name);
  return `notify ${query}`;
}

const wanted = () => localStorage.getItem(key()) === "yes";

export function newcomers(n) {
  const rows = document.querySelectorAll("#rows > .row:not(.left)").length;
  if (rows || !n) told = false;
  if (rows || !n || told || !wanted() || Notification.permission !== "granted") return;
  told = true;
  const note = new Notification(title, {
    body: interpolate(
      ngettext("%s session is in this list now.", "%s sessions are in this list now.", n),
      [n.toLocaleString(document.documentElement.lang)],
    ),
    tag: key(),
  });
  note.onclick = () => window.focus();
}

async function choose(event) {
  const button = event.currentTarget;
  if (wanted()) localStorage.removeItem(key());
  else if ("Notification" in window && (await Notification.requestPermission()) === "granted") {
    localStorage.setItem(key(), "yes");
  } else {
    toast(
      gettext(
        "This browser does not let the page send notifications. You can change that in its settings for this site.",
      ),
      { error: true },
    );
  }
  button.setAttribute("aria-pressed", String(wanted()));
}

export function start() {
  const button = document.getElementById("notify");
  button.setAttribute("aria-pressed", String(wanted()));
  button.addEventListener("click", choose);
  const states = {};
  for (const item of document.querySelectorAll("[data-count^='state:']")) {
    states[nameOf(item)] =
      item.dataset.zero === "true"
        ? 0
        : Number(item.querySelector(".n").textContent.replace(/\D/g, ""));
  }
  counts(states);
}
