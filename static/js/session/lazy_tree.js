// Parts of large contexts that are fetched on demand: branches, continued lists.

import { parse, treeVersion } from "../core/patch.js";
import { request, sayUnreachable } from "../core/requests.js";
import { toast } from "../core/toast.js";

const REST = ":scope > li > [data-lazy-rest]";
const ask = (address, signal) =>
  request(address, { headers: { "X-Requested-With": "fetch" }, signal });
const gone = () => toast(gettext("This part is no longer there."), { error: true });

export function start(panels) {
  panels.addEventListener("toggle", opened, true);
  panels.addEventListener("click", continued);
}

function opened({ target: branch }) {
  if (branch.open && branch.dataset.lazy && !branch.dataset.fetched) {
    fetchBranch(branch).catch(sayUnreachable);
  }
}

async function fetchBranch(branch) {
  const lazy = branch.dataset.lazy;
  const response = await ask(lazy);
  if (!response.ok) return gone();
  branch.querySelector(":scope > :not(summary)")?.remove();
  branch.append(parse(await response.text()));
  branch.dataset.fetched = lazy;
  branch.dataset.version = treeVersion(branch);
}

// Open branches that a newer version has emptied.
export function fill(panels) {
  for (const branch of panels.querySelectorAll("details[data-lazy][open]:not([data-fetched])")) {
    fetchBranch(branch).catch(sayUnreachable);
  }
}

function continued(event) {
  const link = event.target.closest("[data-lazy-rest]");
  if (!link) return;
  event.preventDefault();
  goOn(link.closest("ul")).then((went) => went === false && gone(), sayUnreachable);
}

// Whether the list got longer; undefined if another one replaced it meanwhile.
async function goOn(list, signal) {
  const link = list.querySelector(REST);
  const version = treeVersion(list);
  const response = link && (await ask(link.href, signal));
  const more = response?.ok && parse(await response.text()).firstElementChild;
  if (link?.closest("ul") !== list) return undefined;
  if (!more) return false;
  if (treeVersion(list) !== version) return goOn(list, signal);
  link.closest("li").replaceWith(...more.children);
  list.dataset.fetched = "";
  list.dataset.version = treeVersion(list);
  return true;
}

// Continues lists in new panels before they are shown, so that they do not shrink.
export async function carryOver(panels, fresh, signal) {
  for (const list of panels.querySelectorAll("ul[data-fetched]")) {
    const anew = fresh.querySelector(`#${CSS.escape(list.parentElement.id)} > ul`);
    if (!anew || treeVersion(anew) === list.dataset.version) continue;
    while (anew.children.length < list.children.length && (await goOn(anew, signal)));
  }
}
