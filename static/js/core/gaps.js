// Times in which this page heard no heartbeats, in milliseconds of the server's clock and in order.

const KEPT = 50;

export class Gaps {
  constructor() {
    this.all = []; // {from, to}; the last one may still be open, its `to` is null
  }

  get last() {
    return this.all.at(-1);
  }

  get isOpen() {
    return this.last?.to === null;
  }

  open(from) {
    this.all.push({ from: Math.max(from, this.last?.to ?? 0), to: null });
    this.all.splice(0, this.all.length - KEPT);
  }

  close(to) {
    this.last.to = to;
  }

  // Milliseconds from `from` to `to` in which a heartbeat would have been heard.
  heard(from, to) {
    return this.all.reduce((sum, gap) => sum - overlap(gap, from, to), to - from);
  }
}

function overlap(gap, from, to) {
  return Math.max(Math.min(gap.to ?? to, to) - Math.max(gap.from, from), 0);
}
