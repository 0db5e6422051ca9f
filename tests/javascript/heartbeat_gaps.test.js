import assert from "node:assert/strict";
import { test } from "node:test";

import { Gaps } from "../../static/js/core/heartbeat_gaps.js";

function gaps(...pairs) {
  const made = new Gaps();
  for (const [from, to] of pairs) {
    made.open(from);
    if (to !== undefined) made.close(to);
  }
  return made;
}

test("what lies in a gap was not heard, whichever side it sticks out of", () => {
  const made = gaps([100, 200]);
  assert.equal(made.heard(0, 300), 200);
  assert.equal(made.heard(150, 300), 100);
  assert.equal(made.heard(0, 150), 100);
  assert.equal(made.heard(120, 180), 0);
  assert.equal(made.heard(200, 300), 100);
});

test("an open gap lasts until now", () => {
  const made = gaps([100]);
  assert.ok(made.isOpen);
  assert.equal(made.heard(50, 400), 50);
});

test("gaps add up, and none is counted twice", () => {
  const made = gaps([100, 200], [150, 300]);
  assert.equal(made.heard(0, 400), 200);
});

test("old gaps are forgotten", () => {
  const made = gaps(...Array.from({ length: 60 }, (_, i) => [i * 10, i * 10 + 5]));
  assert.equal(made.all.length, 50);
  assert.equal(made.heard(0, 50), 50);
});
