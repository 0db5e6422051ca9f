// When this page heard no heartbeats: that silence was ours, and nobody is judged by it.

import { clockTime } from "./connection_status.js";

const WORTH_SAYING = 3000;
const SAID_FOR = 15 * 60_000;
const KEPT = 50;

const place = document.getElementById("sight");
const gaps = []; // {from, to} in milliseconds of the server's clock, in order; the last one may still be open
let timer = null;

// Milliseconds from `from` to `to` in which a heartbeat would have been heard.
export function heard(from, to) {
  let sum = to - from;
  for (const gap of gaps) sum -= Math.max(Math.min(gap.to ?? to, to) - Math.max(gap.from, from), 0);
  return sum;
}

// What the feed says of itself (feed.js): with every change of it.
export function tell({ state, since, beatsSince }, now) {
  const away = state === "offline" || state === "reconnecting";
  const blindSince = beatsSince ?? (away ? since : null);
  const last = gaps.at(-1);
  const isOpen = last?.to === null;
  if (blindSince && !isOpen) {
    gaps.push({ from: Math.max(blindSince, last?.to ?? 0), to: null });
    gaps.splice(0, gaps.length - KEPT);
    after(WORTH_SAYING, () =>
      say(
        gettext(
          "No heartbeats have been received here since %(since)s. Until they arrive again, no session is shown as late or lost.",
        ),
        gaps.at(-1),
      ),
    );
  } else if (!blindSince && isOpen) {
    last.to = now;
    if (now - last.from < WORTH_SAYING) return clearTimeout(timer);
    say(
      gettext(
        "No heartbeats were received here from %(since)s to %(until)s. No session is shown as late or lost for that time.",
      ),
      last,
    );
    after(SAID_FOR, () => place.replaceChildren());
  }
}

function after(ms, act) {
  clearTimeout(timer);
  timer = setTimeout(act, ms);
}

function say(text, { from, to }) {
  const notice = document.createElement("p");
  notice.className = "notice warning";
  notice.append(interpolate(text, { since: clockTime(from), until: clockTime(to ?? from) }, true));
  place.replaceChildren(notice);
}
