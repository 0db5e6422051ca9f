// The time axis: shows the session's whole life, and opens the page at any past time.

import { isolated } from "../bidi.js";
import { serverNow } from "../core/clock.js";
import { request } from "../core/requests.js";
import { ago } from "../core/spans.js";
import { HEIGHT, draw, element } from "./timeline_draw.js";
import { idleStretches, makeScale } from "./timeline_scale.js";

const NEAR = 5;
const REFRESH_AFTER = 1000;
const SHOW_AFTER = 90;
const box = document.getElementById("axis");
const part = (name) => box.querySelector(`[data-axis="${name}"]`);
const zone = { timeZone: box.dataset.timeZone };
const language = document.documentElement.lang;
const written = (options) => new Intl.DateTimeFormat(language, { ...options, ...zone });
const exact = written({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const minutes = written({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
// German dates are numeric on the whole page
const days = written(
  language === "de" ? { day: "2-digit", month: "2-digit" } : { day: "numeric", month: "short" },
);
const format = {
  day: (t) => days.format(t),
  tick: (t, gap) => (gap >= 86_400_000 ? days : gap < 60_000 ? exact : minutes).format(t),
};
let data = null;
let scale = null;
let at = null; // null means now
let show = () => {};
let fold = localStorage.getItem("axis-fold") !== "false";
let waiting = null;
let fetching = null;

export const moment = () => at;

// The time of the page, which the server has read from the URL, or null.
function asked() {
  const { moment: shown } = document.body.dataset;
  return shown === undefined ? null : Number(shown);
}

export function refresh() {
  fetching ??= setTimeout(load, data ? REFRESH_AFTER : 0);
}

export function beat(ms) {
  if (data) data.beat = Math.max(data.beat ?? 0, ms);
}

async function load() {
  try {
    const response = await request(box.dataset.href);
    if (!response.ok) return;
    data = await response.json();
    redraw();
  } catch {
    // the connection status reports it
  } finally {
    fetching = null;
  }
}

function redraw() {
  if (!data || document.hidden) return;
  data.now = Math.max(data.now, serverNow());
  const svg = part("drawing");
  const width = part("plot").clientWidth;
  if (width < 60) return;
  const to = end();
  const stops = [...data.moments.map(([, t]) => t), ...data.flags.map(([, , t]) => t)].toSorted(
    (a, b) => a - b,
  );
  scale = makeScale({ from: data.start, to, stops, width, left: 8, right: 12, fold });
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  draw(svg, data, scale, format);
  part("fold").hidden = !idleStretches(data.start, to, stops).length;
  place();
}

const end = () =>
  data.end && data.end > data.start ? Math.max(data.end, data.moments.at(-1)?.[1] ?? 0) : data.now;

function place() {
  const x = scale.x(at ?? end());
  const shade = element("rect", {
    x,
    y: 0,
    width: Math.max(part("plot").clientWidth - x, 0),
    height: HEIGHT,
    class: "axis-later",
  });
  const cursor = element("g", { class: at === null ? "axis-cursor live" : "axis-cursor" });
  cursor.append(
    element("line", { x1: x, x2: x, y1: 2, y2: HEIGHT - 18 }),
    element("circle", { cx: x, cy: 4, r: 4 }),
  );
  part("drawing")
    .querySelectorAll(".axis-later, .axis-cursor")
    .forEach((old) => old.remove());
  part("drawing").append(...(at === null ? [] : [shade]), cursor);
  say();
}

function say() {
  const slider = part("plot");
  const [from, to] = [data.start, end()];
  slider.setAttribute("aria-valuemax", Math.round((to - from) / 1000));
  slider.setAttribute("aria-valuenow", Math.round(((at ?? to) - from) / 1000));
  slider.setAttribute(
    "aria-valuetext",
    at === null ? gettext("Now, live") : [...describe(at)].join(", "),
  );
  part("live").setAttribute("aria-pressed", String(at === null));
  part("when").textContent =
    at === null
      ? ""
      : `${days.format(at)}, ${exact.format(at)} · ${ago((serverNow() - at) / 1000)}`;
  part("fold").setAttribute("aria-pressed", String(fold));
}

// Time, state, and the last checkpoint before.
function* describe(t) {
  yield exact.format(t);
  const band = data.states.find((one) => t >= one.from && t < (one.to ?? Infinity));
  if (band) yield band.word;
  const flag = data.flags.findLast(([, , time]) => time <= t);
  if (flag) {
    yield interpolate(
      gettext("after checkpoint %(n)s, %(name)s"),
      { n: flag[0], name: isolated(flag[1]) },
      true,
    );
  }
}

function go(to) {
  at = to === null || to >= end() ? null : Math.max(Math.round(to), data.start);
  const query = new URLSearchParams(location.search);
  if (at === null) query.delete("at");
  else query.set("at", new Date(at).toISOString());
  query.delete("history");
  history.replaceState(
    history.state,
    "",
    `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`,
  );
  place();
  clearTimeout(waiting);
  waiting = setTimeout(() => show(at), SHOW_AFTER);
}

export function live() {
  if (at !== null) go(null);
}

// Recorded times; with Shift those of the checkpoints.
function step(direction, byCheckpoint) {
  const times = byCheckpoint ? data.flags.map(([, , t]) => t) : data.moments.map(([, t]) => t);
  const from = at ?? end();
  const next = direction < 0 ? times.findLast((t) => t < from) : times.find((t) => t > from);
  go(next ?? (direction < 0 ? data.start : null));
}

function press(event) {
  if (!data || event.ctrlKey || event.metaKey || event.altKey) return;
  const tenth = (end() - data.start) / 10;
  const keys = {
    ArrowLeft: () => step(-1, event.shiftKey),
    ArrowDown: () => step(-1, event.shiftKey),
    ArrowRight: () => step(1, event.shiftKey),
    ArrowUp: () => step(1, event.shiftKey),
    PageDown: () => go((at ?? end()) - tenth),
    PageUp: () => go((at ?? end()) + tenth),
    Home: () => go(data.start),
    End: () => go(null),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
}

// The pointer snaps to checkpoints and marks near it.
function under(event) {
  const x = event.clientX - part("plot").getBoundingClientRect().left;
  const t = scale.t(x);
  const near = [...data.flags.map(([, , time]) => time), ...data.marks.map((mark) => mark.at)];
  const best = near.reduce(
    (one, other) => (Math.abs(other - t) < Math.abs(one - t) ? other : one),
    Infinity,
  );
  return Math.abs(scale.x(best) - x) <= NEAR ? best : t;
}

function drag(event) {
  if (!scale || event.button > 0) return;
  part("plot").setPointerCapture(event.pointerId);
  go(under(event));
}

function hover(event) {
  if (!scale) return;
  const x = event.clientX - part("plot").getBoundingClientRect().left;
  if (event.buttons & 1 && part("plot").hasPointerCapture(event.pointerId)) go(under(event));
  hint(x, scale.t(x));
}

function hint(x, t) {
  const node = part("hint");
  const close = (time) => Math.abs(scale.x(time) - x) <= 8;
  const flags = data.flags
    .filter(([, , time]) => close(time))
    .map(([n, name]) => `${n} ${isolated(name)}`);
  const marks = data.marks
    .filter((mark) => close(mark.at))
    .map((mark) =>
      [`${mark.words} · ${isolated(mark.by ?? "–")}`, mark.why && `„${isolated(mark.why)}“`]
        .filter(Boolean)
        .join(" "),
    );
  const more =
    flags.length > 4
      ? [interpolate(gettext("… and %(n)s more"), { n: flags.length - 4 }, true)]
      : [];
  const band = data.states.find((one) => t >= one.from && t < (one.to ?? Infinity));
  const lines = [
    [exact.format(t), band?.word].filter(Boolean).join(" · "),
    ...marks.slice(0, 3),
    ...flags.slice(0, 4),
    ...more,
  ];
  node.replaceChildren(
    ...lines.map((text) => Object.assign(document.createElement("span"), { textContent: text })),
  );
  node.hidden = false;
  const width = node.offsetWidth;
  node.style.left = `${Math.min(Math.max(x - width / 2, 0), part("plot").clientWidth - width)}px`;
}

// `shown(at)` shows that time; null is now.
export function start(shown) {
  show = shown;
  at = asked();
  const plot = part("plot");
  plot.addEventListener("keydown", press);
  plot.addEventListener("pointerdown", drag);
  plot.addEventListener("pointermove", hover);
  plot.addEventListener("pointerleave", () => (part("hint").hidden = true));
  part("live").addEventListener("click", live);
  part("fold").addEventListener("click", () => {
    fold = !fold;
    localStorage.setItem("axis-fold", String(fold));
    redraw();
  });
  new ResizeObserver(redraw).observe(plot);
  setInterval(() => data && !data.end && redraw(), 1000);
  document.addEventListener("visibilitychange", redraw);
  refresh();
}
