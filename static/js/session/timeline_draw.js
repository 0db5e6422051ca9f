// Draws the axis as SVG: flags of checkpoints, the band of states, orders, turns, signs of life, the time below.

import { conditionsSince } from "../core/health.js";
import { short } from "../core/spans.js";
import { ticks } from "./timeline_scale.js";

const NS = "http://www.w3.org/2000/svg";
const FLAG = { top: 9, foot: 42 };
const BAND = { y: 34, height: 16 };
const TURNS = 57;
const LIFE = 66;
const LABELS = 88;
export const HEIGHT = 94;
const CLOSE = 13;
const LETTER = 6.1;

export function element(name, attributes = {}, text = "") {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) {
    node.setAttribute(key, typeof value === "number" ? Math.round(value * 10) / 10 : value);
  }
  if (text) node.textContent = text;
  return node;
}

export function draw(svg, data, scale, format) {
  const now = data.end ?? data.now;
  const parts = [
    patterns(),
    group("axis-times", times(scale, format)),
    group("axis-bands", bands(data, scale, now)),
    group("axis-life", life(data, scale, now)),
    group("axis-turns", turns(data, scale)),
    group("axis-folds", folds(scale)),
    group("axis-flags", flags(data, scale)),
    group("axis-marks", marks(data, scale)),
  ];
  svg.replaceChildren(...parts);
}

function group(name, children) {
  const node = element("g", { class: name });
  node.append(...children);
  return node;
}

function patterns() {
  const defs = element("defs");
  const hatch = element("pattern", {
    id: "axis-hatch",
    width: 6,
    height: 6,
    patternUnits: "userSpaceOnUse",
    patternTransform: "rotate(45)",
  });
  hatch.append(element("line", { x1: 0, y1: 0, x2: 0, y2: 6, class: "hatch" }));
  defs.append(hatch);
  return defs;
}

function times(scale, format) {
  let day = "";
  return ticks(scale).flatMap(({ t, x, step }) => {
    const date = format.day(t);
    const text = day !== "" && date !== day ? date : format.tick(t, step);
    day = date;
    const anchor = x < 24 ? "start" : x > scale.pieces.at(-1).x1 - 24 ? "end" : "middle";
    return [
      element("line", { x1: x, x2: x, y1: FLAG.top, y2: LABELS - 14, class: "grid" }),
      element("text", { x, y: LABELS, "text-anchor": anchor }, text),
    ];
  });
}

function bands(data, scale, now) {
  return data.states.flatMap((band) => {
    const x0 = scale.x(band.from);
    const width = Math.max(scale.x(band.to ?? now) - x0, 1.5);
    const shape = { x: x0, y: BAND.y, width, height: BAND.height, rx: Math.min(4, width / 2) };
    const drawn = [element("rect", { ...shape, class: "band", "data-tone": band.state })];
    if (band.halted) {
      drawn.push(element("rect", { ...shape, class: "band-hatch" }));
    }
    if (width > band.word.length * LETTER + 12) {
      drawn.push(
        element(
          "text",
          { x: x0 + 7, y: BAND.y + 11.8, class: "band-word", "data-tone": band.state },
          band.word,
        ),
      );
    }
    return drawn;
  });
}

// The newest heartbeat is all that is kept of heartbeats; what the agent stored shows that it lived then.
function life(data, scale, now) {
  const line = (from, to, name) =>
    element("line", { x1: scale.x(from), x2: scale.x(to), y1: LIFE, y2: LIFE, class: name });
  const drawn = [line(data.start, now, "life-track")];
  let last = -2;
  for (const [, at, bits] of data.moments) {
    const x = scale.x(at);
    if (!(bits & 1) || x - last < 1.5) continue;
    drawn.push(element("line", { x1: x, x2: x, y1: LIFE - 3, y2: LIFE + 3, class: "life-sign" }));
    last = x;
  }
  for (const stretch of data.silences) drawn.push(line(stretch.from, stretch.to, "life-lost"));
  for (const { from, to } of data.blind) {
    const x = scale.x(from);
    drawn.push(
      element("rect", {
        x,
        y: LIFE - 5,
        width: Math.max(scale.x(to ?? now) - x, 2),
        height: 10,
        class: "life-blind",
      }),
    );
  }
  drawn.push(...newestBeat(data, line, scale));
  return drawn;
}

function newestBeat({ beat, limits, now }, line, scale) {
  if (!beat || !limits) return [];
  let from = beat;
  const drawn = conditionsSince(limits, "heartbeat", beat, now).map(({ condition, to }) => {
    const silence = line(from, to, "life-silence");
    silence.dataset.condition = condition;
    from = to;
    return silence;
  });
  drawn.push(element("circle", { cx: scale.x(beat), cy: LIFE, r: 3.5, class: "life-beat" }));
  return drawn;
}

function turns(data, scale) {
  let last = -4;
  return data.moments.flatMap(([, at, bits]) => {
    const x = scale.x(at);
    if (!(bits & 2) || x - last < 3.5) return [];
    last = x;
    return [element("circle", { cx: x, cy: TURNS, r: 1.9, class: "turn-dot" })];
  });
}

function folds(scale) {
  return scale.pieces
    .filter((piece) => piece.idle)
    .flatMap((piece) => {
      const middle = (piece.x0 + piece.x1) / 2;
      const box = element("rect", {
        x: piece.x0,
        y: FLAG.top,
        width: piece.x1 - piece.x0,
        height: LABELS - 22,
        class: "fold",
      });
      const label = element(
        "text",
        { x: middle, y: 24, "text-anchor": "middle", class: "fold-word" },
        short((piece.to - piece.from) / 1000),
      );
      const wave = (x) =>
        element("path", {
          d: `M${x} ${FLAG.top}${" l2.5 5 l-5 5 l2.5 5".repeat(4)}`,
          class: "fold-edge",
        });
      return [box, wave(piece.x0), wave(piece.x1), label];
    });
}

// Flags that would cover each other become one with their number.
export function clusters(data, scale) {
  const found = [];
  for (const flag of data.flags) {
    const x = scale.x(flag[2]);
    const last = found.at(-1);
    if (last && x - last.x1 < CLOSE) Object.assign(last, { x1: x, flags: [...last.flags, flag] });
    else found.push({ x0: x, x1: x, flags: [flag] });
  }
  return found;
}

function flags(data, scale) {
  const all = clusters(data, scale);
  const end = scale.pieces.at(-1).x1;
  return all.flatMap((cluster, i) => {
    if (cluster.flags.length > 1) return many(cluster);
    const room = (all[i + 1]?.x0 ?? end) - cluster.x0 - 16;
    return one(cluster, room);
  });
}

function one({ x0: x, flags: [[, name, , automatic]] }, room) {
  const pole = element("line", { x1: x, x2: x, y1: FLAG.top, y2: FLAG.foot, class: "pole" });
  if (automatic) {
    return [pole, element("circle", { cx: x, cy: FLAG.top + 3, r: 3, class: "flag-automatic" })];
  }
  const cloth = element("path", {
    d: `M${x} ${FLAG.top} h9 l-2.5 4 l2.5 4 h-9 z`,
    class: "flag-cloth",
  });
  const letters = Math.floor(room / LETTER);
  const fitting = name.length > letters ? `${name.slice(0, letters - 1)}…` : name;
  return letters < Math.min(name.length, 10)
    ? [pole, cloth]
    : [pole, cloth, element("text", { x: x + 13, y: FLAG.top + 8, class: "flag-word" }, fitting)];
}

function many({ x0, x1, flags: [...inside] }) {
  const middle = (x0 + x1) / 2;
  const text = String(inside.length);
  const width = Math.max(text.length * 7 + 9, x1 - x0 + 4);
  return [
    element("line", { x1: middle, x2: middle, y1: FLAG.top + 12, y2: FLAG.foot, class: "pole" }),
    element("rect", {
      x: middle - width / 2,
      y: FLAG.top - 2,
      width,
      height: 15,
      rx: 7.5,
      class: "flag-many",
    }),
    element(
      "text",
      { x: middle, y: FLAG.top + 9.2, "text-anchor": "middle", class: "flag-number" },
      text,
    ),
  ];
}

function marks(data, scale) {
  const y = BAND.y + BAND.height / 2;
  return data.marks.map((mark) => {
    const x = scale.x(mark.at);
    return element("path", {
      d: `M${x} ${y - 6} l6 6 l-6 6 l-6 -6 z`,
      class: "mark",
      "data-kind": mark.kind,
    });
  });
}
