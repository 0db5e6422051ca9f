// The page's end of the live feed. It says what the page shows, hands over only what is newer,
// grants the server credit by acknowledging, and tells the truth about how current the page is.
//
//   const feed = connect({hello, onFrame, onStatus});
//   hello()          -> {page: "list", query, rows: {id: version}, since} or {page: "session", id, version}
//   onFrame(frame)   rows, touched, beats and session hold only what is newer than what the page has
//   onStatus({state, since, beatsSince})   state: live | catching-up | reconnecting | offline
//   feed.hello()     after the page shows other rows; feed.close() for good

import { addresses } from "./addresses.js";
import { KnownVersions } from "./known_versions.js";
import { openLogIn } from "./requests.js";
import { listed, rules } from "./rules.js";

const FIRST_WAIT = 250;
const LONGEST_WAIT = 10_000;
const OFFLINE_AFTER = 6_000;
const ASK_AGAIN_AFTER = 300;
const PING_AFTER = Number(rules.pingAfter);
const SILENT_AFTER = Number(rules.silentAfter);
// When to acknowledge, in frames, bytes and milliseconds: the server waits for longer.
const ACK_EVERY = Number(rules.ackEvery);
const ACK_BYTES = Number(rules.ackBytes);
const ACK_AFTER = Number(rules.ackAfter);
const LOG_IN = listed("logInCodes");
const RELOAD = listed("reloadCodes"); // the page may show too much or too little
const RELOAD_AFTER = 5_000; // from the beginning of the page: two versions of the server could disagree for ever
const WAIT_LONGER = listed("waitLongerCodes"); // our own fault: do not come back quickly

export function connect(options) {
  const feed = new Feed(options);
  feed.open();
  return { hello: () => feed.hello(), close: () => feed.close() };
}

class Feed {
  constructor({ hello, onFrame, onStatus, url = addresses.feed }) {
    Object.assign(this, { describe: hello, onFrame, onStatus, url });
    this.socket = null;
    this.failures = 0;
    this.seq = 0;
    this.refusals = 0;
    this.offset = 0; // the server's clock minus ours
    this.firstNow = null;
    this.lostAt = Date.now();
    this.timeline = null; // of the database, within which versions are compared
    this.shown = new KnownVersions();
    this.said = "";
    this.timer = setInterval(() => this.look(), 1000);
    addEventListener("online", () => this.retryNow());
    addEventListener("pagehide", () => this.drop());
    addEventListener("pageshow", (event) => event.persisted && this.retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.retryNow());
  }

  open() {
    clearTimeout(this.retry);
    this.heardAt = performance.now();
    const address = new URL(this.url, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(address));
    const mine = (act) => (event) => socket === this.socket && act(event);
    socket.onopen = mine(() => this.opened());
    socket.onmessage = mine((event) => this.receive(JSON.parse(event.data), event.data.length));
    socket.onclose = mine((event) => this.closed(event.code));
  }

  opened() {
    Object.assign(this, {
      last: 0,
      acked: 0,
      ackedAt: -Infinity,
      unacked: 0,
      told: null,
      more: false,
      wasOpen: true,
    });
    this.heardAt = performance.now();
    this.hello();
  }

  hello() {
    clearTimeout(this.asking);
    this.asking = null;
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const shown = this.describe();
    this.shown = new KnownVersions(shown.rows ?? { [shown.id]: shown.version ?? 0 });
    this.answered = false;
    this.missing = false;
    const since = shown.since ?? this.firstNow ?? undefined;
    const language = document.documentElement.lang;
    this.send({ language, since, ...shown, access: rules.access, type: "hello", seq: ++this.seq });
    this.tell();
  }

  receive(frame, size) {
    this.heardAt = performance.now();
    this.unacked += size;
    this.failures = this.refusals = 0;
    const late = frame.n <= this.last;
    if (frame.n > this.last + 1) this.miss();
    if (!late) this.note(frame);
    const news = this.shown.newer(frame, late);
    if (this.answered && this.shown.lacks) this.miss();
    this.shown.lacks = false; // before the answer: it brings the row
    try {
      this.onFrame(news);
    } finally {
      this.acknowledge();
      this.tell();
    }
  }

  note(frame) {
    this.last = frame.n;
    this.offset = frame.now - Date.now();
    this.firstNow ??= frame.now;
    this.told = frame.feed;
    this.more = frame.more === true;
    if (frame.hello === this.seq) this.answered = true;
    if (frame.timeline) this.compareTimeline(frame);
  }

  // The database was restored or failed over: what the page shows may be newer than what there is.
  compareTimeline({ timeline, reload }) {
    const changed = this.timeline !== null && this.timeline !== timeline;
    this.timeline = timeline;
    if (!changed && !reload) return;
    this.close();
    location.reload();
  }

  // A frame went missing: ask for what is newer than what the page shows.
  miss() {
    this.missing = true;
    this.asking ??= setTimeout(() => this.hello(), ASK_AGAIN_AFTER);
  }

  // With a frame, not by a timer: those of a hidden page may sleep for a minute, and the next frame comes within seconds.
  acknowledge() {
    const waited = performance.now() - this.ackedAt;
    if (this.last - this.acked < ACK_EVERY && this.unacked < ACK_BYTES && waited < ACK_AFTER) {
      return;
    }
    this.unacked = 0;
    this.ackedAt = performance.now();
    if (this.last > this.acked) this.send({ type: "ack", n: (this.acked = this.last) });
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  closed(code) {
    this.drop();
    if (LOG_IN.has(String(code)) && ++this.refusals > 1) {
      this.close(code);
      return openLogIn();
    }
    if (RELOAD.has(String(code))) {
      this.close(code);
      setTimeout(() => location.reload(), Math.max(0, RELOAD_AFTER - performance.now()));
      return;
    }
    if (WAIT_LONGER.has(String(code))) this.failures = Math.max(this.failures, 5);
    const ceiling = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.failures++);
    this.retry = setTimeout(() => this.open(), ceiling * (0.25 + 0.75 * Math.random()));
    this.tell();
  }

  retryNow() {
    if (this.ended || (this.socket && performance.now() - this.heardAt < SILENT_AFTER)) {
      return this.look();
    }
    this.drop();
    this.open();
  }

  drop() {
    clearTimeout(this.asking);
    clearTimeout(this.retry);
    this.asking = null;
    if (this.wasOpen) this.lostAt = Date.now();
    this.wasOpen = false;
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  close(code = 1000) {
    this.ended = code;
    this.drop();
    clearInterval(this.timer);
    this.tell();
  }

  look() {
    const silent = performance.now() - this.heardAt;
    if (this.socket?.readyState === WebSocket.OPEN) {
      if (silent > SILENT_AFTER) return this.closed(0);
      if (silent > PING_AFTER) this.send({ type: "ping" });
    }
    this.tell();
  }

  tell() {
    const status = this.status();
    const said = JSON.stringify(status);
    if (said !== this.said) this.onStatus(status);
    this.said = said;
  }

  // Live is what was proven, not what looks connected.
  status() {
    const beatsSince = this.told?.beats_since ?? null;
    if (this.socket?.readyState !== WebSocket.OPEN) {
      const offline = this.ended || Date.now() - this.lostAt > OFFLINE_AFTER;
      return {
        state: offline ? "offline" : "reconnecting",
        since: this.lostAt + this.offset,
      };
    }
    if (this.told?.status === "blind") {
      return { state: "offline", since: this.told.since, beatsSince };
    }
    const complete = this.answered && !this.more && !this.missing && this.told?.status === "live";
    return {
      state: complete ? "live" : "catching-up",
      since: this.told?.since ?? null,
      beatsSince,
    };
  }
}
