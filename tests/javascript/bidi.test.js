import assert from "node:assert/strict";
import { test } from "node:test";

import { closed, isolated } from "../../static/js/bidi.js";

const [LRI, FSI, PDI] = ["\u2066", "\u2068", "\u2069"];

test("a text cannot end an isolation that it did not begin", () => {
  assert.equal(closed(`a${PDI}b`), "ab");
  assert.equal(closed(`${LRI}a${PDI}${PDI}b`), `${LRI}a${PDI}b`);
});

test("a text keeps the isolation of its own", () => {
  const text = `a ${LRI}b ${FSI}c${PDI}${PDI} d`;
  assert.equal(closed(text), text);
  assert.equal(closed(`${PDI}${text}`), text);
});

test("signs of more than one unit stay whole", () => {
  assert.equal(closed("a😀b"), "a😀b");
});

test("an isolated text is closed between the signs of the isolation", () => {
  assert.equal(isolated(`a${PDI}`), `${FSI}a${PDI}`);
});
