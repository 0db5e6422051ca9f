// Records when this page received no heartbeats: such a time does not count as a session's silence.

import { clockTime } from "./connection_status.js";
import { Gaps } from "./heartbeat_gaps.js";

const WORTH_SAYING = 3000;
const SAID_FOR = 15 * 60_000;

const place = document.getElementById("sight");
const gaps = new Gaps();
let timer = null;

export const heard = (from, to) => gaps.heard(from, to);

// Called with each status of the feed (feed.js).
export function tell({ state, since, beatsSince }, now) {
  const away = state === "offline" || state === "reconnecting";
  const blindSince = beatsSince ?? (away ? since : null);
  if (blindSince && !gaps.isOpen) {
    gaps.open(blindSince);
    after(WORTH_SAYING, () =>
      say(
        gettext(
          "No heartbeats have been received here since %(since)s. Until they arrive again, no further session is shown as late or lost.",
        ),
        gaps.last,
      ),
    );
  } else if (!blindSince && gaps.isOpen) {
    gaps.close(now);
    const { last } = gaps;
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
