// The wall board, which refreshes itself when rows appear, disappear or change state.

import { showStatus } from "../core/connection_status.js";
import * as clock from "../core/clock.js";
import { connect } from "../core/feed.js";
import { morph, patchRow } from "../core/patch.js";
import { request } from "../core/requests.js";
import * as blindGaps from "../core/blind_gaps.js";

const SOON = 1500;
const AT_LEAST_EVERY = 30_000;
const by = (id) => document.getElementById(id);
let asked = null;

const feed = connect({ hello, onFrame, onStatus });

function onStatus(said) {
  blindGaps.tell(said, clock.serverNow());
  showStatus(said);
}

function hello() {
  const rows = {};
  for (const row of document.querySelectorAll("#rows > .row")) {
    rows[row.dataset.id] = Number(row.dataset.version);
  }
  return {
    page: "list",
    query: document.body.dataset.query,
    rows,
    since: Number(document.body.dataset.now),
  };
}

function onFrame(frame) {
  clock.setServerTime(frame.now);
  let stale =
    Boolean(frame.counts) || frame.new > 0 || Object.values(frame.members ?? {}).includes(false);
  for (const [id, { html, matches }] of Object.entries(frame.rows ?? {})) {
    const row = by(`row-${id}`);
    if (row && html) clock.tick(patchRow(row, html));
    stale ||= matches === false;
  }
  for (const [id, touch] of Object.entries(frame.touched ?? {})) {
    if (by(`row-${id}`)) clock.applyVersionBump(by(`row-${id}`), touch);
  }
  for (const [id, ms] of Object.entries(frame.beats ?? {})) {
    clock.beat(by(`row-${id}`) ?? document.body, ms);
  }
  if (stale) asked ??= setTimeout(refresh, SOON);
}

async function refresh() {
  try {
    const response = await request(location.href);
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    document.body.dataset.now = page.body.dataset.now;
    morph(by("wall"), page.getElementById("wall"));
    clock.tick();
    feed.hello();
  } catch {
    // the connection status reports it
  } finally {
    clearTimeout(asked);
    asked = null;
  }
}

function showTime() {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  by("wall-clock").textContent = new Date(clock.serverNow()).toLocaleTimeString(
    document.documentElement.lang,
    options,
  );
}

clock.start();
showTime();
setInterval(showTime, 1000);
setInterval(refresh, AT_LEAST_EVERY);
