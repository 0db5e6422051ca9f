// Times in which this page received no heartbeats, in milliseconds of the server's clock, in order.

const KEPT = 50;

export class Gaps {
  constructor() {
    this.all = []; // {from, to}; `to` of the last one is null while it is open
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

  // Milliseconds from `from` to `to` outside of the gaps.
  heard(from, to) {
    return this.all.reduce((sum, gap) => sum - overlap(gap, from, to), to - from);
  }
}

function overlap(gap, from, to) {
  return Math.max(Math.min(gap.to ?? to, to) - Math.max(gap.from, from), 0);
}
