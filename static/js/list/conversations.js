// Refreshes the list of conversations every few seconds while the page is visible.

import { morph, parse } from "../core/patch.js";
import { request } from "../core/requests.js";
import * as shell from "../core/shell.js";

const EVERY = 3000;

async function renew() {
  if (document.hidden) return;
  try {
    const response = await request(location.href, { headers: { "X-Requested-With": "fetch" } });
    if (response.status === 403) location.reload(); // rights were taken, and the page still shows what it had
    if (response.ok) {
      morph(document.getElementById("conversations"), parse(await response.text()), {
        morphStyle: "innerHTML",
      });
    }
  } catch {
    // the next fetch may succeed
  }
}

shell.start();
setInterval(renew, EVERY);
