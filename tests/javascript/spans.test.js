import assert from "node:assert/strict";
import { test } from "node:test";

import { ago, long, short } from "../../static/js/core/spans.js";
import { speak } from "./texts.js";

test("a span has one unit, the largest that it fills", () => {
  speak("en");
  assert.deepEqual([0, 59, 60, 3599, 3600, 86_399, 86_400].map(short), [
    "0 s",
    "59 s",
    "1 min",
    "59 min",
    "1 h",
    "23 h",
    "1 d",
  ]);
});

test("a running span has two units, the smaller one with two digits", () => {
  speak("en");
  assert.deepEqual([7, 65, 3_660, 90_000].map(long), [
    "7 s",
    "1 min 05 s",
    "1 h 01 min",
    "1 d 1 h",
  ]);
});

test("a time to come, by a clock that is ahead, is no negative span", () => {
  speak("en");
  assert.equal(short(-3), "0 s");
  assert.equal(long(-3), "0 s");
});

test("words are those of the page's language", () => {
  speak("de");
  assert.equal(ago(7_200), "vor 2 h");
});
