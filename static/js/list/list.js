// The live list: cells change in place, rows never move, new rows wait until the reader wants them.

import { addresses } from "../core/addresses.js";
import * as titleBadge from "./title_badge.js";
import * as chart from "./chart.js";
import { showHeld, showStatus } from "../core/connection_status.js";
import * as clock from "../core/clock.js";
import * as complete from "./complete.js";
import { connect } from "../core/feed.js";
import * as dialog from "../core/dialog.js";
import * as shortcuts from "./shortcuts.js";
import * as menu from "./rowmenu.js";
import * as palette from "./palette.js";
import { morph, parse, patchRow } from "../core/patch.js";
import * as selection from "./selection.js";
import * as shell from "../core/shell.js";
import * as blindGaps from "../core/blind_gaps.js";
import { request, sayUnreachable } from "../core/requests.js";
import * as savedViews from "./saved_views.js";

const by = (id) => document.getElementById(id);
const rowOf = (id) => by(`row-${id}`);
let held = false;
let waiting = new Map(); // rows received while updates are paused: id -> the frame's row
let status = { state: "reconnecting", since: null };
let ticked = []; // ids of the last bulk order

const feed = connect({ hello, onFrame, onStatus });

function hello() {
  const rows = {};
  for (const row of document.querySelectorAll("#rows > .row")) {
    rows[row.dataset.id] = Number(row.dataset.version);
  }
  return {
    page: "list",
    query: location.search.slice(1),
    rows,
    since: Number(document.body.dataset.now),
  };
}

function onStatus(said) {
  status = said;
  blindGaps.tell(said, clock.serverNow());
  if (held && said.state === "live") showHeld();
  else showStatus(said);
}

function onFrame(frame) {
  clock.setServerTime(frame.now);
  for (const [id, row] of Object.entries(frame.rows ?? {})) {
    take(id, row);
  }
  for (const [id, matches] of Object.entries(frame.members ?? {})) {
    take(id, { ...(held && waiting.get(id)), matches });
  }
  for (const [id, touch] of Object.entries(frame.touched ?? {})) {
    take(id, { ...(held && waiting.get(id)), touch });
  }
  for (const [id, ms] of Object.entries(frame.beats ?? {})) {
    if (!held) clock.beat(rowOf(id) ?? document.body, ms);
  }
  if (frame.counts) showCounts(frame.counts);
  if (frame.new !== undefined) showNewcomers(frame.new);
  if (held) showWaiting();
}

function take(id, news) {
  if (held) waiting.set(id, news);
  else show(id, news);
}

function show(id, { html, matches, gone, touch }) {
  let row = rowOf(id);
  if (!row) return;
  if (html) row = patchRow(row, html);
  if (touch) clock.applyVersionBump(row, touch);
  if (matches === undefined) return;
  clock.tick(row);
  row.classList.toggle("left", matches === false || gone === true);
  row.title = row.classList.contains("left")
    ? gettext("No longer in this list; gone with the next refresh.")
    : "";
}

function showCounts({ states, types }) {
  titleBadge.counts(states);
  savedViews.stale();
  const counts = {};
  for (const [name, n] of Object.entries(states)) counts[`state:${name}`] = n;
  for (const [name, n] of Object.entries(types)) counts[`type:${name}`] = n;
  for (const item of document.querySelectorAll("[data-count]")) {
    const n = counts[item.dataset.count] ?? 0;
    const text = n.toLocaleString(document.documentElement.lang);
    const node = item.querySelector(".n");
    if (node.textContent !== text) node.textContent = text;
    item.dataset.zero = String(n === 0);
  }
}

function showNewcomers(n) {
  titleBadge.newcomers(n);
  const pill = by("newcomers");
  pill.hidden = n === 0;
  const text = interpolate(ngettext("%s new", "%s new", n), [
    n.toLocaleString(document.documentElement.lang),
  ]);
  pill.querySelector("span").textContent = text;
}

function showWaiting() {
  const n = waiting.size;
  by("waiting").hidden = n === 0;
  by("waiting").textContent = interpolate(ngettext("%s change waiting", "%s changes waiting", n), [
    n.toLocaleString(document.documentElement.lang),
  ]);
}

function toggleHold() {
  held = !held;
  by("hold").setAttribute("aria-pressed", String(held));
  by("hold").querySelector("span").textContent = held ? gettext("Back to live") : gettext("Freeze");
  if (!held) {
    for (const [id, row] of waiting) show(id, row);
    waiting = new Map();
  }
  showWaiting();
  onStatus(status);
}

// Reorders and adds rows, only on the reader's request.
async function refresh() {
  by("refresh").setAttribute("aria-busy", "true");
  try {
    const response = await request(location.href);
    if (!response.ok) throw new Error(response.status);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    document.body.dataset.now = page.body.dataset.now;
    clock.setServerTime(Number(page.body.dataset.now));
    morph(by("list"), page.getElementById("list"));
    morph(by("rail"), page.getElementById("rail"));
    for (const row of document.querySelectorAll(".row.left")) row.classList.remove("left");
    showNewcomers(0);
    waiting.clear();
    showWaiting();
    selection.show();
    clock.tick();
    feed.hello();
  } catch (error) {
    sayUnreachable(error, gettext("The list could not be refreshed. What you see may be old."));
  } finally {
    by("refresh").removeAttribute("aria-busy");
  }
}

// After an order of this page its rows are fetched at once, so that they are right without the feed, too.
async function afterOrder({ ids = ticked }) {
  selection.clear();
  const response = await request(location.href).catch(() => null);
  if (!response?.ok) return;
  const page = parse(await response.text());
  for (const id of ids) {
    const fresh = page.getElementById(`row-${id}`);
    const row = rowOf(id);
    if (row && fresh) {
      if (Number(fresh.dataset.version) >= Number(row.dataset.version)) {
        show(id, { html: fresh.outerHTML, matches: true });
      }
    } else if (row) row.classList.add("left");
  }
}

function openRow(event) {
  const row = event.target.closest("#rows > .row");
  if (!row || event.target.closest("a, button, input, label") || String(getSelection())) return;
  if (event.target.closest(".c-tick")) return row.querySelector(".c-tick input")?.click();
  row.querySelector(".session-link").click();
}

function listen() {
  by("hold").addEventListener("click", toggleHold);
  for (const id of ["refresh", "newcomers"]) {
    by(id).addEventListener("click", (event) => {
      event.preventDefault();
      refresh();
    });
  }
  by("list").addEventListener("click", openRow);
  by("fold-rail").addEventListener("click", () => {
    const folded = document.body.classList.toggle("rail-folded");
    by("fold-rail").setAttribute("aria-expanded", String(!folded));
    localStorage.setItem("rail", folded ? "folded" : "open");
  });
  if (localStorage.getItem("rail") === "folded") by("fold-rail").click();
}

shell.start();
dialog.start();
clock.start();
chart.start();
titleBadge.start();
complete.start();
savedViews.start();
listen();
selection.start((form, submitter) => {
  const body = new FormData(form, submitter);
  ticked = [...document.querySelectorAll("#rows > .row")]
    .filter((row) => selection.has(row))
    .map((row) => row.dataset.id);
  body.set("query", location.search.slice(1));
  dialog.ask(form.action, { method: "POST", body }, afterOrder);
});
menu.start((address) => dialog.ask(address, {}, afterOrder));
palette.start(() => [
  [gettext("Refresh"), refresh],
  [held ? gettext("Back to live") : gettext("Freeze"), toggleHold],
  [gettext("Keys and search"), () => by("help").showModal()],
  [gettext("Clear selection"), selection.clear],
  [gettext("Bulk orders"), () => location.assign(addresses.bulk)],
  [gettext("Wall board"), () => location.assign(addresses.wall)],
]);
shortcuts.start({ refresh, hold: toggleHold, tick: selection.toggle, clear: selection.clear });
