// One session, live: a newer version is fetched as a whole and put in place.

import { showStatus } from "./chip.js";
import * as clock from "./clock.js";
import { connect } from "./feed.js";
import * as dialog from "./dialog.js";
import { morph, parse, treeVersion } from "./patch.js";
import * as shell from "./shell.js";
import { toast } from "./toast.js";

const head = () => document.getElementById("session-head");
const panels = document.getElementById("panels");
const { id, panels: address } = document.body.dataset;
let fetching = null;
let wanted = 0;

connect({
  hello: () => ({ page: "session", id, version: Number(head().dataset.version) }),
  onFrame,
  onStatus: showStatus,
});

function onFrame({ now, session }) {
  clock.setServerTime(now);
  if (session?.beat) clock.beat(head(), session.beat);
  if (session?.version) renew(session.version);
}

// One fetch at a time; what comes meanwhile asks for one more.
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

async function load() {
  const response = await fetch(address + location.search);
  if (response.status === 404) return toast(gettext("This session was removed for good."), { error: true });
  if (!response.ok) throw new Error(response.status);
  const beaten = head().dataset.heartbeat;
  morph(panels, parse(await response.text()), { morphStyle: "innerHTML" });
  if (beaten) clock.beat(head(), Number(beaten));
  clock.tick();
  for (const branch of panels.querySelectorAll("details[data-lazy][open]:not([data-fetched])")) fetchBranch(branch);
}

// A branch of the context that was too much for the page.
function openBranch({ target: branch }) {
  if (branch.open && branch.dataset.lazy && !branch.dataset.fetched) fetchBranch(branch);
}

async function fetchBranch(branch) {
  const lazy = branch.dataset.lazy;
  const response = await fetch(lazy, { headers: { "X-Requested-With": "fetch" } });
  if (!response.ok) return toast(gettext("This part is no longer there."), { error: true });
  branch.querySelector(":scope > :not(summary)")?.remove();
  branch.append(parse(await response.text()));
  branch.dataset.fetched = lazy;
  branch.dataset.version = treeVersion(branch);
}

async function more(event) {
  const link = event.target.closest("[data-lazy-rest]");
  if (!link) return;
  event.preventDefault();
  const response = await fetch(link.href, { headers: { "X-Requested-With": "fetch" } });
  if (response.ok) link.closest("li").replaceWith(...parse(await response.text()).firstElementChild.children);
}

function order(event) {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  link.closest("details.menu")?.removeAttribute("open");
  dialog.ask(link.href, {}, () => load());
}

shell.start();
dialog.start();
clock.start();
panels.addEventListener("toggle", openBranch, true);
panels.addEventListener("click", more);
panels.addEventListener("click", order);
