// A bulk order while it runs: its panel is asked for again until it has ended.

import { morph, parse } from "./patch.js";
import * as shell from "./shell.js";

const EVERY = 600;

// `ended()` is called when there is nothing more to come; a panel that left the page is let go.
export async function follow(panel, ended = () => {}) {
  while (panel?.isConnected && panel.dataset.state === "running") {
    await new Promise((wake) => setTimeout(wake, EVERY));
    if (!panel.isConnected) break;
    try {
      const response = await fetch(panel.dataset.href, { headers: { "X-Requested-With": "fetch" } });
      if (!response.ok) continue;
      const fresh = parse(await response.text()).querySelector("[data-job]");
      const place = panel.parentElement;
      if (fresh && place) {
        morph(panel, fresh.outerHTML);
        panel = place.querySelector("[data-job]");
      }
    } catch {
      // the server is away; the order goes on when it is back
    }
  }
  ended();
}

const page = document.querySelector(".order-page [data-job]");
if (document.querySelector(".order-page")) {
  shell.start();
  if (page) follow(page);
}
