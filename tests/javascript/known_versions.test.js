import assert from "node:assert/strict";
import { test } from "node:test";

import { KnownVersions } from "../../static/js/core/known_versions.js";

const shown = () => new KnownVersions({ a: 3, b: 5 });

test("a row is let through when it is newer than what is shown, and once", () => {
  const known = shown();
  const frame = { rows: { a: { version: 4 }, b: { version: 5 }, other: { version: 9 } } };
  assert.deepEqual(Object.keys(known.newer(frame, false).rows), ["a"]);
  assert.deepEqual(Object.keys(known.newer(frame, false).rows), []);
});

test("a change that builds on another version than the one shown is asked for anew", () => {
  const known = shown();
  const touched = { a: { after: 3, version: 4 }, b: { after: 6, version: 7 } };
  assert.deepEqual(Object.keys(known.newer({ touched }, false).touched), ["a"]);
  assert.ok(known.lacks);
  assert.equal(known.versions.get("b"), 5);
});

test("a session that was restored from nothing may come again with any version", () => {
  const known = shown();
  known.newer({ rows: { a: { version: 4, gone: true } } }, false);
  assert.ok(known.takes("a", { version: 1 }));
});

test("heartbeats are let through in order, for sessions that are shown", () => {
  const known = shown();
  assert.deepEqual(known.newer({ beats: { a: 20, other: 20 } }, false).beats, { a: 20 });
  assert.deepEqual(known.newer({ beats: { a: 20, b: 10 } }, false).beats, { b: 10 });
});

test("an overtaken frame may bring rows, and never totals, members or the feed's word", () => {
  const frame = {
    rows: { a: { version: 4 } },
    members: { a: true },
    counts: { all: 1 },
    new: 2,
    feed: { status: "live" },
  };
  const late = shown().newer(frame, true);
  assert.deepEqual(late, { rows: { a: { version: 4 } }, members: {} });
  const current = shown().newer(frame, false);
  assert.deepEqual(current, frame);
});

test("of a session's page only what is newer comes through", () => {
  const known = shown();
  const first = { session: { id: "a", version: 4, beat: 10, now: 1 } };
  assert.deepEqual(known.newer(first, false).session, first.session);
  assert.deepEqual(known.newer(first, false).session, { id: "a", now: 1 });
  assert.equal(known.newer({ session: { id: "other", version: 9 } }, false).session, undefined);
});
