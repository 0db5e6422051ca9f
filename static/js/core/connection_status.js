// Shows the connection status, which the feed determines (feed.js), in the top bar.

export function showStatus({ state, since }) {
  const chip = document.getElementById("connection");
  chip.dataset.status = state;
  set(chip.firstElementChild, words(state, since));
}

function words(state, since) {
  if (state === "live") return gettext("Live");
  if (state === "catching-up") return gettext("Catching up");
  if (state === "reconnecting") return gettext("Reconnecting");
  if (!since) return gettext("Offline, data may be old");
  return interpolate(
    gettext("Offline since %(time)s, data may be old"),
    { time: clockTime(since) },
    true,
  );
}

export function showHeld() {
  const chip = document.getElementById("connection");
  chip.dataset.status = "held";
  set(chip.firstElementChild, gettext("Frozen"));
}

export function clockTime(ms) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Date(ms).toLocaleTimeString(document.documentElement.lang, options);
}

function set(node, text) {
  if (node.textContent === text) return;
  node.textContent = text;
  node.parentElement.title = text; // narrow screens cut the text
}
