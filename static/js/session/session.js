// The live session page: fetches each newer version as a whole.

import { showStatus } from "../core/connection_status.js";
import * as lazyTree from "./lazy_tree.js";
import * as clock from "../core/clock.js";
import { connect } from "../core/feed.js";
import * as dialog from "../core/dialog.js";
import * as sessionPanels from "./tree_tools.js";
import { morph, parse } from "../core/patch.js";
import * as presence from "./presence.js";
import { request, sayUnreachable } from "../core/requests.js";
import * as shell from "../core/shell.js";
import * as blindGaps from "../core/blind_gaps.js";
import * as timeline from "./timeline.js";
import { toast } from "../core/toast.js";

const head = () => document.getElementById("session-head");
const panels = document.getElementById("panels");
const { id, panels: address, at: pastAddress, talk: talkAddress } = document.body.dataset;
let fetching = null;
let current = null;
let wanted = 0;
let talk = null; // the stored conversation's stamp in the last frame
let talking = null;

const feed = connect({
  hello: () => ({
    page: "session",
    id,
    version: Number(head().dataset.version),
    conversation: head().dataset.conversation,
  }),
  onFrame,
  onStatus,
});

function onStatus(said) {
  blindGaps.tell(said, clock.serverNow());
  showStatus(said);
}

function onFrame({ now, session }) {
  clock.setServerTime(now);
  if (session?.beat) {
    clock.beat(head(), session.beat);
    timeline.beat(session.beat);
  }
  if (session?.version) renew(session.version);
  if (session?.conversation !== undefined) {
    talk = session.conversation;
    renewTalk();
  }
}

// The conversation changes without a new version of the session: only its panel is fetched, one fetch at a time.
async function renewTalk() {
  if (talk === null || talk === head().dataset.stamp || talking || timeline.moment() !== null) {
    return;
  }
  const asked = talk;
  try {
    await (talking = loadTalk());
  } catch {
    setTimeout(renewTalk, 2000);
  } finally {
    talking = null;
  }
  if (talk !== asked) renewTalk();
}

async function loadTalk() {
  const response = await request(talkAddress, { headers: { "X-Requested-With": "fetch" } });
  if (!response.ok) throw new Error(response.status);
  const fresh = parse(await response.text()).firstElementChild;
  const shown = document.getElementById("conversation");
  if (timeline.moment() !== null) return;
  if (!fresh || !shown) return load();
  keepingTheEnd(() => morph(shown, fresh));
  head().dataset.stamp = fresh.dataset.stamp;
  clock.tick();
}

function keepingTheEnd(change) {
  const atEnd = sessionPanels.stuck();
  change();
  if (atEnd) sessionPanels.stick();
}

// One fetch at a time; updates meanwhile cause one more.
async function renew(version) {
  wanted = Math.max(wanted, version);
  if (fetching) return;
  fetching = load();
  try {
    await fetching;
  } catch {
    setTimeout(() => renew(wanted), 2000);
  } finally {
    fetching = null;
  }
  if (Number(head().dataset.version) < wanted) setTimeout(() => renew(wanted), 250);
}

// A newer request cancels an older one: while scrubbing only the last position matters.
async function load() {
  current?.abort();
  const mine = (current = new AbortController());
  try {
    await place(await request(panelsAddress(), { signal: mine.signal }), mine.signal);
  } catch (error) {
    if (!mine.signal.aborted) throw error;
  }
}

// The time is passed on as it is written: only the server reads it.
function panelsAddress() {
  const query = new URLSearchParams(location.search);
  const written = query.getAll("at").at(-1);
  query.delete("at");
  if (timeline.moment() === null) return `${address}?${query}`;
  query.set("t", written);
  return `${pastAddress}?${query}`;
}

async function place(response, signal) {
  if (response.status === 404) {
    return toast(gettext("This session was removed for good."), { error: true });
  }
  if (!response.ok) throw new Error(response.status);
  const fresh = parse(await response.text());
  await lazyTree.carryOver(panels, fresh, signal);
  const beaten = head().dataset.heartbeat;
  const { conversation } = head().dataset;
  keepingTheEnd(() => morph(panels, fresh, { morphStyle: "innerHTML" }));
  if (head().dataset.conversation !== conversation) feed.hello();
  else renewTalk();
  sessionPanels.filterCheckpoints();
  timeline.refresh();
  if (beaten) clock.beat(head(), Number(beaten));
  clock.tick();
  lazyTree.fill(panels);
}

function order(event) {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  link.closest("details.menu")?.removeAttribute("open");
  dialog.ask(link.href, {}, () => load());
}

// Escape returns to now, unless it closes a dialog or a menu.
function backToNow(event) {
  if (
    event.key === "Escape" &&
    timeline.moment() !== null &&
    !document.querySelector("dialog[open], details.menu[open]")
  ) {
    timeline.live();
  }
}

shell.start();
sessionPanels.start(panels);
lazyTree.start(panels);
presence.start();
dialog.start();
clock.start();
timeline.start(() => load().catch(sayUnreachable));
document.addEventListener("keydown", backToNow);
panels.addEventListener("click", (event) => {
  if (!event.target.closest("[data-live]")) return;
  event.preventDefault();
  timeline.live();
});
panels.addEventListener("click", order);
