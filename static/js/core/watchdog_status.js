// Shows a banner while the watchdog receives no heartbeats, and for a while afterwards.

import { morph, parse } from "./patch.js";
import { request } from "./requests.js";

const EVERY = 30_000;

async function look(place) {
  if (document.hidden) return;
  try {
    const response = await request(place.dataset.href);
    if (!response.ok) return;
    const fresh = place.cloneNode();
    fresh.replaceChildren(...parse(await response.text()).childNodes);
    morph(place, fresh);
  } catch {
    // the connection status reports it
  }
}

export function start() {
  const href = document.body.dataset.watch;
  const main = document.getElementById("main");
  if (!href || !main) return;
  const place = document.createElement("div");
  place.id = "watch";
  place.dataset.href = href;
  place.setAttribute("role", "status");
  main.prepend(place);
  look(place);
  setInterval(() => look(place), EVERY);
}
