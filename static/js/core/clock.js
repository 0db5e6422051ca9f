// One timer for all relative times, by the server's clock. Says the same as sessions_app/rendering/time_format.py.

import { heard } from "./blind_gaps.js";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const full = new Intl.DateTimeFormat(document.documentElement.lang, {
  dateStyle: "medium",
  timeStyle: "medium",
  hourCycle: "h23",
});
const two = (n) => String(n).padStart(2, "0");
const fill = (text, values) => interpolate(text, values, true);

// What the server's clock shows, minus ours; renewed by every frame of the feed.
let offset = Number(document.body.dataset.now || Date.now()) - Date.now();

export function setServerTime(ms) {
  offset = ms - Date.now();
}

export function serverNow() {
  return Date.now() + offset;
}

export function short(seconds) {
  const s = Math.max(Math.trunc(seconds), 0);
  if (s < MINUTE) return fill(gettext("%(s)s s"), { s });
  if (s < HOUR) return fill(gettext("%(min)s min"), { min: Math.trunc(s / MINUTE) });
  if (s < DAY) return fill(gettext("%(h)s h"), { h: Math.trunc(s / HOUR) });
  return fill(gettext("%(d)s d"), { d: Math.trunc(s / DAY) });
}

export function long(seconds) {
  const s = Math.max(Math.trunc(seconds), 0);
  if (s < MINUTE) return short(s);
  if (s < HOUR) {
    return fill(gettext("%(min)s min %(s)s s"), {
      min: Math.trunc(s / MINUTE),
      s: two(s % MINUTE),
    });
  }
  if (s < DAY) {
    return fill(gettext("%(h)s h %(min)s min"), {
      h: Math.trunc(s / HOUR),
      min: two(Math.trunc((s % HOUR) / MINUTE)),
    });
  }
  return fill(gettext("%(d)s d %(h)s h"), {
    d: Math.trunc(s / DAY),
    h: Math.trunc((s % DAY) / HOUR),
  });
}

export function ago(seconds) {
  return fill(gettext("%(span)s ago"), { span: short(seconds) });
}

const FORMS = { ago, age: short, running: long };

// Only the text itself changes: no node comes or goes, so that no more is laid out than it.
function set(node, text) {
  if (node.textContent === text) return;
  if (node.firstChild && node.firstChild === node.lastChild) node.firstChild.nodeValue = text;
  else node.textContent = text;
}

export function tickTime(time, now = serverNow()) {
  time.since ??= Date.parse(time.dateTime);
  set(time, FORMS[time.dataset.relative]((now - time.since) / 1000));
}

// Health flips by the clock alone; the rule is the server's (sessions_app/health.py), its limits come with the row.
function healthOf({ heartbeat, progress, late, lost, stuck, state }, now) {
  const silence = heard(Number(heartbeat), now) / 1000;
  if (!heartbeat || silence >= lost) return "lost";
  if (silence >= late) return "late";
  return state === "active" && heard(Number(progress), now) / 1000 >= stuck
    ? "no_progress"
    : "on_time";
}

export function tickRow(row, now = serverNow()) {
  const data = row.dataset;
  if (!data.late) return;
  const health = healthOf(data, now);
  if (data.health !== health) data.health = health;
  const share = Math.min(Math.max(heard(Number(data.heartbeat), now) / 1000 / data.late, 0), 1);
  const dashes = `${Math.round(share * 100)} 100`;
  const ring = row.ring?.isConnected ? row.ring : (row.ring = row.querySelector(".ring-fill"));
  if (ring && ring.getAttribute("stroke-dasharray") !== dashes) {
    ring.setAttribute("stroke-dasharray", dashes);
  }
}

// A heartbeat that came over the feed, without a new row.
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

// A change that the row shows nowhere else: its version, and since when it does what it does.
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

// Each second everything once, in slices from the top down: no single task has to draw the whole list anew.
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
