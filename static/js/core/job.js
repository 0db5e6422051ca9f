// Fetches the panel of a bulk order again until all sessions have the order and all agents have confirmed it.

import "../drafts.js";
import { morph, parse } from "./patch.js";
import { request } from "./requests.js";
import * as shell from "./shell.js";

const WHILE_RUNNING = 600;
const WHILE_CONFIRMING = 3000;

// `ended()` is called once, when all sessions have the order. Stops when the panel leaves the page.
export async function follow(panel, ended = () => {}) {
  let told = false;
  while (panel?.isConnected && "follow" in panel.dataset) {
    const runs = panel.dataset.state === "running";
    if (!runs && !told) {
      told = true;
      ended();
    }
    const pause = runs ? WHILE_RUNNING : WHILE_CONFIRMING;
    await new Promise((wake) => setTimeout(wake, pause));
    if (!panel.isConnected) break;
    try {
      const response = await request(panel.dataset.href, {
        headers: { "X-Requested-With": "fetch" },
      });
      if (response.status === 403) location.reload(); // rights were taken, and the page still shows what it had
      if (!response.ok) continue;
      const fresh = parse(await response.text()).querySelector("[data-job]");
      const place = panel.parentElement;
      if (fresh && place) {
        morph(panel, fresh.outerHTML);
        panel = place.querySelector("[data-job]");
      }
    } catch {
      // the server is unavailable; the next fetch may succeed
    }
  }
  if (!told) ended();
}

const page = document.querySelector(".order-page [data-job]");
if (document.querySelector(".order-page")) {
  shell.start();
  if (page) follow(page);
}
