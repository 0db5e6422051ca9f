import assert from "node:assert/strict";
import { test } from "node:test";

import { conditionsSince, healthOf, shareOf } from "../../static/js/core/health.js";

const NOW = 10_000_000;
const all = (from, to) => to - from;
const allButHundredSeconds = (from, to) => Math.max(to - from - 100_000, 0);
const SILENCE = "lost heartbeat 120;late heartbeat 30";
// A row's data are texts; `beat` and `step` in seconds before now.
const row = (beat, step = 0, limits = `${SILENCE};no_progress progress 600`) => ({
  heartbeat: String(NOW - beat * 1000),
  progress: String(NOW - step * 1000),
  late: "30",
  limits,
});

test("a session is late and lost from the second of its limit on", () => {
  const found = [29.9, 30, 119.9, 120].map((beat) => healthOf(row(beat), NOW, all));
  assert.deepEqual(found, ["on_time", "late", "late", "lost"]);
});

test("a session without a heartbeat is lost", () => {
  assert.equal(healthOf({ ...row(0), heartbeat: "" }, NOW, all), "lost");
  assert.equal(healthOf({ ...row(0), heartbeat: "" }, 1000, all), "lost");
});

test("a session that beats and gets nothing done makes no progress", () => {
  const found = [599.9, 600].map((step) => healthOf(row(1, step), NOW, all));
  assert.deepEqual(found, ["on_time", "no_progress"]);
});

test("silence weighs more than standing still", () => {
  assert.equal(healthOf(row(30, 900), NOW, all), "late");
});

test("where the server gives no limit for progress, standing still is in order", () => {
  assert.equal(healthOf(row(1, 900, SILENCE), NOW, all), "on_time");
});

test("time in which nothing could be heard counts for nobody", () => {
  assert.equal(healthOf(row(125), NOW, allButHundredSeconds), "on_time");
  assert.equal(healthOf(row(135), NOW, allButHundredSeconds), "late");
});

test("the ring fills until the session is late, and no further", () => {
  const found = [-5, 0, 15, 30, 300].map((beat) => shareOf(row(beat), NOW, all));
  assert.deepEqual(found, [0, 0, 0.5, 1, 1]);
});

test("what a clock alone has brought is told in order, each until the next begins", () => {
  const found = (seconds, limits = `${SILENCE};no_progress progress 600`) =>
    conditionsSince(limits, "heartbeat", NOW, NOW + seconds * 1000);
  assert.deepEqual(found(30), []);
  assert.deepEqual(found(31), [{ condition: "late", from: NOW + 30_000, to: NOW + 31_000 }]);
  assert.deepEqual(found(500), [
    { condition: "late", from: NOW + 30_000, to: NOW + 120_000 },
    { condition: "lost", from: NOW + 120_000, to: NOW + 500_000 },
  ]);
  assert.deepEqual(found(500, ""), []);
});
