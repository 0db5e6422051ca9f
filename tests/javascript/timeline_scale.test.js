import assert from "node:assert/strict";
import { test } from "node:test";

import { clusters } from "../../static/js/session/timeline_draw.js";
import { idleStretches, makeScale, ticks } from "../../static/js/session/timeline_scale.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
// Ten minutes of work, three quiet hours, ten minutes of work.
const busy = Array.from({ length: 11 }, (_, i) => i * MINUTE);
const DAY = {
  from: 0,
  to: 3 * HOUR + 20 * MINUTE,
  stops: [...busy, ...busy.map((t) => t + 3 * HOUR + 10 * MINUTE)],
  width: 820,
  left: 8,
  right: 12,
};

test("unfolded, time and place are in proportion, from edge to edge", () => {
  const scale = makeScale({ ...DAY, fold: false });
  assert.equal(scale.x(0), 8);
  assert.equal(scale.x(DAY.to), 808);
  assert.equal(scale.x(DAY.to / 2), 408);
});

test("folded, a long quiet stretch is a strip and the work has the room", () => {
  const scale = makeScale({ ...DAY, fold: true });
  const idle = scale.pieces.filter((piece) => piece.idle);
  assert.equal(idle.length, 1);
  assert.equal(Math.round(idle[0].x1 - idle[0].x0), 44);
  assert.ok(scale.x(10 * MINUTE) - scale.x(0) > 200);
});

test("from time to place and back is the same time, folded or not", () => {
  for (const fold of [false, true]) {
    const scale = makeScale({ ...DAY, fold });
    for (const t of [0, MINUTE, HOUR, 2 * HOUR, DAY.to]) {
      assert.ok(Math.abs(scale.t(scale.x(t)) - t) < 1, `${t} of ${fold}`);
    }
  }
});

test("what lies outside the axis is at its ends", () => {
  const scale = makeScale({ ...DAY, fold: true });
  assert.equal(scale.x(-HOUR), 8);
  assert.equal(Math.round(scale.x(DAY.to + HOUR)), 808);
  assert.equal(scale.t(-50), 0);
});

test("a pause of less than two minutes is never folded", () => {
  assert.deepEqual(idleStretches(0, 10 * MINUTE, [0, 1.9 * MINUTE, 3.8 * MINUTE]), [
    { from: 3.8 * MINUTE, to: 10 * MINUTE },
  ]);
  assert.deepEqual(idleStretches(0, 1.9 * MINUTE, []), []);
});

test("a session of no length has an axis all the same", () => {
  const scale = makeScale({ from: 5, to: 5, stops: [5], width: 100, fold: true });
  assert.ok(Number.isFinite(scale.x(5)));
  assert.ok(Number.isFinite(scale.t(50)));
});

test("labels stand at round times and never closer than the room they need", () => {
  for (const [fold, room] of [
    [false, 74],
    [true, 74],
    [true, 200],
  ]) {
    const found = ticks(makeScale({ ...DAY, fold }), room);
    assert.ok(found.length > 2);
    for (const [i, { t, x, step }] of found.entries()) {
      assert.equal(t % step, 0);
      if (i) assert.ok(x - found[i - 1].x >= room);
    }
  }
});

test("flags that would cover each other are one, and those apart are not", () => {
  const data = { flags: [0, 10, 20, 40].map((at, n) => [n, `step ${n}`, at, false]) };
  const found = clusters(data, { x: (t) => t });
  assert.deepEqual(
    found.map((one) => one.flags.length),
    [3, 1],
  );
  assert.deepEqual([found[0].x0, found[0].x1], [0, 20]);
});
