// The versions that a page shows; filters frames, which may be late or repeated.

export class KnownVersions {
  constructor(rows = {}) {
    this.versions = new Map(Object.entries(rows));
    this.beats = new Map();
    this.lacks = false; // whether the version that a touch builds on is missing
  }

  // A `late` frame was overtaken: its rows, touches and heartbeats may still be new; its totals, membership and status
  // are outdated.
  newer(frame, late) {
    const { counts, new: newcomers, feed, ...news } = frame;
    if (!late) {
      news.feed = feed;
      if (counts) news.counts = counts;
      if (newcomers !== undefined) news.new = newcomers;
    }
    if (frame.rows) news.rows = pick(frame.rows, ([id, row]) => this.takes(id, row));
    if (frame.touched) {
      news.touched = pick(frame.touched, ([id, touch]) => this.takesTouch(id, touch));
    }
    if (frame.beats) news.beats = pick(frame.beats, ([id, ms]) => this.takesBeat(id, ms));
    if (frame.members) {
      news.members = pick(late ? {} : frame.members, ([id]) => this.versions.has(id));
    }
    if (frame.session) news.session = this.newerSession({ ...frame.session });
    return news;
  }

  newerSession(session) {
    if (!this.versions.has(session.id)) return undefined;
    if (session.version !== undefined && !this.takes(session.id, session)) delete session.version;
    if (session.beat !== undefined && !this.takesBeat(session.id, session.beat)) {
      delete session.beat;
    }
    return session;
  }

  takes(id, { version, gone = false }) {
    const shown = this.versions.get(id);
    if (shown === undefined || version <= shown) return false;
    this.versions.set(id, gone ? 0 : version);
    return true;
  }

  takesTouch(id, { after, version }) {
    const shown = this.versions.get(id);
    if (shown === undefined || version <= shown) return false;
    if (shown !== after) this.lacks = true;
    else this.versions.set(id, version);
    return shown === after;
  }

  takesBeat(id, ms) {
    if (!this.versions.has(id) || ms <= (this.beats.get(id) ?? 0)) return false;
    this.beats.set(id, ms);
    return true;
  }
}

function pick(object, wanted) {
  return Object.fromEntries(Object.entries(object).filter(wanted));
}
