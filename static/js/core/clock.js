// One timer for all relative times, by the server's clock.

import { heard } from "./blind_gaps.js";
import { healthOf, shareOf } from "./health.js";
import { ago, long, short } from "./spans.js";

const full = new Intl.DateTimeFormat(document.documentElement.lang, {
  dateStyle: "medium",
  timeStyle: "medium",
  hourCycle: "h23",
});

// The server's clock minus the browser's, in milliseconds; every frame updates it.
let offset = Number(document.body.dataset.now || Date.now()) - Date.now();

export function setServerTime(ms) {
  offset = ms - Date.now();
}

export function serverNow() {
  return Date.now() + offset;
}

const FORMS = { ago, age: short, running: long };

// Only text nodes change, which keeps the layout work small.
function set(node, text) {
  if (node.textContent === text) return;
  if (node.firstChild && node.firstChild === node.lastChild) node.firstChild.nodeValue = text;
  else node.textContent = text;
}

export function tickTime(time, now = serverNow()) {
  time.since ??= Date.parse(time.dateTime);
  set(time, FORMS[time.dataset.relative]((now - time.since) / 1000));
}

export function tickRow(row, now = serverNow()) {
  const data = row.dataset;
  if (!data.late) return;
  const health = healthOf(data, now, heard);
  if (data.health !== health) data.health = health;
  const share = shareOf(data, now, heard);
  const dashes = `${Math.round(share * 100)} 100`;
  const ring = row.ring?.isConnected ? row.ring : (row.ring = row.querySelector(".ring-fill"));
  if (ring && ring.getAttribute("stroke-dasharray") !== dashes) {
    ring.setAttribute("stroke-dasharray", dashes);
  }
}

// Applies a heartbeat that came without a new row.
export function beat(row, ms) {
  if (!row.dataset.late || ms <= Number(row.dataset.heartbeat)) return;
  row.dataset.heartbeat = ms;
  const time = row.querySelector(".beat time");
  if (time) since(time, ms);
  tickRow(row);
}

function since(time, ms) {
  time.dateTime = new Date(ms).toISOString();
  time.since = ms;
  time.title = full.format(ms);
  tickTime(time);
}

// Applies a version bump: a change that shows only in the row's version and progress time.
export function applyVersionBump(row, { version, heartbeat, progress }) {
  if (version <= Number(row.dataset.version)) return;
  row.dataset.version = version;
  beat(row, heartbeat);
  if (!row.dataset.late || progress === null) return;
  row.dataset.progress = progress;
  const time = row.querySelector(".c-progress time");
  if (time) since(time, progress);
  tickRow(row);
}

export function tick(root = document) {
  const now = serverNow();
  for (const time of root.querySelectorAll("time[data-relative]")) tickTime(time, now);
  for (const row of root.querySelectorAll(".row[data-late]")) tickRow(row, now);
}

// Updates everything once a second, in slices from the top: one task for the whole list would block the page.
const SLICES = 5;
let turn = 0;

function tickSlice() {
  if (document.hidden) return;
  const now = serverNow();
  turn = (turn + 1) % SLICES;
  for (const time of slice("time[data-relative]")) tickTime(time, now);
  for (const row of slice(".row[data-late]")) tickRow(row, now);
}

function slice(selector) {
  const all = [...document.querySelectorAll(selector)];
  return all.slice((turn * all.length) / SLICES, ((turn + 1) * all.length) / SLICES);
}

export function start() {
  tick();
  setInterval(tickSlice, 1000 / SLICES);
  document.addEventListener("visibilitychange", () => document.hidden || tick());
}
