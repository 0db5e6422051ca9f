// The chart: stacked bars of events and a line of received heartbeats, refreshed every ten seconds.

import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { request } from "../core/requests.js";
import { listed } from "../core/rules.js";

const EVERY = 10_000;
const TYPE_COLOURS = [
  "--series-1",
  "--series-2",
  "--series-3",
  "--series-4",
  "--series-5",
  "--series-6",
  "--series-7",
  "--series-8",
];
const by = (id) => document.getElementById(id);
const box = by("chart");
const language = document.documentElement.lang;
const whole = new Intl.NumberFormat(language);
const timeZone = box?.dataset.timeZone; // as in the table below
const clock = new Intl.DateTimeFormat(language, {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
  timeZone,
});
const exact = new Intl.DateTimeFormat(language, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
  timeZone,
});
const pressed = (name) => box.querySelector(`[data-${name}][aria-pressed=true]`).dataset[name];
let shown = {
  minutes: pressed("minutes"),
  by: pressed("by"),
  ...JSON.parse(localStorage.getItem("chart") ?? "{}"),
};
let numbers = null;
let plot = null;

// light-dark() resolves only where the colour is used
function resolved(name) {
  const probe = by("chart-now");
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.style.color = "";
  return found;
}

function colourOf(series, i) {
  return resolved(shown.by === "state" ? `--${series.key}` : TYPE_COLOURS[i % TYPE_COLOURS.length]);
}

async function load() {
  if (!box.open || document.hidden) return;
  try {
    const response = await request(
      `${box.dataset.href}?${new URLSearchParams({ minutes: shown.minutes, by: shown.by })}`,
    );
    if (!response.ok) throw new Error(response.status);
    numbers = await response.json();
    by("chart-now").textContent = "";
    draw();
  } catch {
    by("chart-now").textContent = gettext("The numbers cannot be loaded; what you see may be old.");
  }
}

// Cumulative values, the highest series first: each is drawn over the ones above it.
function stacked() {
  const sums = [];
  let below = numbers.slots.map(() => 0);
  for (const series of numbers.series) {
    below = below.map((sum, i) => sum + series.values[i]);
    sums.unshift(below);
  }
  return sums;
}

function draw() {
  const upside = numbers.series.toReversed();
  const data = [numbers.slots, ...stacked()];
  if (numbers.beats) data.push(numbers.beats);
  const bars = uPlot.paths.bars({ size: [0.86, 40], radius: 0.15 });
  const series = upside.map((one) => {
    const tint = colourOf(one, numbers.series.indexOf(one));
    return {
      label: one.label,
      fill: tint,
      stroke: tint,
      width: 0,
      paths: bars,
      points: { show: false },
    };
  });
  if (numbers.beats) {
    series.push({
      label: gettext("Heartbeats"),
      scale: "beats",
      stroke: resolved("--ink-3"),
      width: 1.5,
      dash: [3, 3],
      points: { show: false },
    });
  }
  plot?.destroy();
  plot = new uPlot(options([{}, ...series]), data, by("chart-plot"));
  describe(null);
}

const step = () => numbers.slots[1] - numbers.slots[0];

const plain = (_, values) =>
  values.map((value) => (Number.isInteger(value) ? whole.format(value) : ""));

function options(series) {
  const axis = {
    stroke: resolved("--ink-3"),
    font: "11px Inter, sans-serif",
    ticks: { show: false },
    grid: { stroke: resolved("--line"), width: 1 },
  };
  return {
    width: by("chart-plot").clientWidth - 16,
    height: by("chart-plot").clientHeight - 8,
    series,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { range: (_, first, last) => [first - step() / 2, last + step() / 2] },
      y: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] },
      beats: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 70,
        size: 26,
        values: (_, values) => values.map((value) => clock.format(value * 1000)),
      },
      { ...axis, size: 44, space: 28, values: plain },
      {
        ...axis,
        scale: "beats",
        side: 1,
        size: 44,
        space: 28,
        grid: { show: false },
        values: plain,
      },
    ],
    hooks: { setCursor: [(drawn) => describe(drawn.cursor.idx ?? null)] },
  };
}

// The legend shows the values under the pointer, or the sums; each entry filters the list.
function describe(i) {
  const value = (values) => (i === null ? values.reduce((sum, n) => sum + n, 0) : values[i]);
  const entries = numbers.series.map((one, n) =>
    entry(one.label, value(one.values), colourOf(one, n), address(one.key)),
  );
  if (numbers.beats) {
    const counted =
      i === null && numbers.beats.every((n) => n === null) ? null : value(numbers.beats);
    entries.push(entry(beatsLabel(), counted, resolved("--ink-3"), null));
  }
  by("chart-legend").replaceChildren(...entries);
  by("chart-now").textContent = i === null ? "" : exact.format(numbers.slots[i] * 1000);
  if (i === null) {
    const words = numbers.series.map((one) => `${one.label}: ${whole.format(value(one.values))}`);
    by("chart-words").textContent = words.join(", ") || gettext("Nothing happened in this period.");
  }
}

// Valkey counts heartbeats; after it lost its data it counts anew.
function beatsLabel() {
  const first = numbers.beats.findIndex((n) => n !== null);
  if (first <= 0) return gettext("Heartbeats");
  const since = clock.format(numbers.slots[first] * 1000);
  return interpolate(gettext("Heartbeats, counted since %(since)s"), { since }, true);
}

function address(key) {
  const query = new URLSearchParams(location.search);
  for (const name of [shown.by, ...listed("places")]) query.delete(name);
  query.append(shown.by, key);
  return `${location.pathname}?${query}`;
}

function entry(label, value, tint, href) {
  const item = document.createElement("li");
  const inner = document.createElement(href ? "a" : "span");
  if (href) inner.href = href;
  else inner.className = "entry";
  const square = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  square.setAttribute("viewBox", "0 0 10 10");
  square.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, of] of Object.entries({ width: 10, height: 10, rx: 2, fill: tint })) {
    shape.setAttribute(name, of);
  }
  square.append(shape);
  const number = document.createElement("b");
  number.textContent = value === null ? "–" : whole.format(value);
  inner.append(square, ` ${label} `, number);
  item.append(inner);
  return item;
}

// A click on a bar filters by the series under the pointer.
function choose() {
  const i = plot?.cursor.idx;
  if (i === null || i === undefined) return;
  const y = plot.posToVal(plot.cursor.top, "y");
  let sum = 0;
  for (const one of numbers.series) {
    sum += one.values[i];
    if (y <= sum && one.values[i]) return void (location.href = address(one.key));
  }
}

function press() {
  for (const button of box.querySelectorAll("[data-minutes]")) {
    button.setAttribute("aria-pressed", String(button.dataset.minutes === shown.minutes));
  }
  for (const button of box.querySelectorAll("[data-by]")) {
    button.setAttribute("aria-pressed", String(button.dataset.by === shown.by));
  }
}

export function start() {
  if (!box) return;
  if (localStorage.getItem("chart-open") === "false") box.open = false;
  box.addEventListener("toggle", () => {
    localStorage.setItem("chart-open", String(box.open));
    load();
  });
  box.addEventListener("click", (event) => {
    const button = event.target.closest("[data-minutes], [data-by]");
    if (!button) return;
    shown = { ...shown, ...button.dataset };
    localStorage.setItem("chart", JSON.stringify(shown));
    press();
    load();
  });
  by("chart-plot").addEventListener("click", choose);
  by("chart-plot").addEventListener("mouseleave", () => numbers && describe(null));
  new ResizeObserver(() =>
    plot?.setSize({
      width: by("chart-plot").clientWidth - 16,
      height: by("chart-plot").clientHeight - 8,
    }),
  ).observe(by("chart-plot"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => numbers && draw());
  document.addEventListener("visibilitychange", load);
  setInterval(load, EVERY);
  press();
  load();
}
