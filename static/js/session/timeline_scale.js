// Maps time to positions on the axis. Long times without events can be folded.

const IDLE_AT_LEAST = 120_000;
const IDLE_SHARE = 1 / 9;
const FOLDED = 44;

// `stops` are all recorded times, in order. Returns pieces {from, to, x0, x1, idle} and both mappings.
export function makeScale({ from, to, stops, width, left = 0, right = 0, fold }) {
  const found = pieces(from, Math.max(to, from + 1000), stops, fold);
  place(found, width - left - right, left);
  return {
    pieces: found,
    x: (t) => toPlace(found, t),
    t: (x) => toTime(found, x),
    from,
    to: found.at(-1).to,
  };
}

export function idleStretches(from, to, stops) {
  const least = Math.max(IDLE_AT_LEAST, (to - from) * IDLE_SHARE);
  const times = [from, ...stops.filter((t) => t > from && t < to), to];
  return times
    .slice(1)
    .flatMap((t, i) => (t - times[i] >= least ? [{ from: times[i], to: t }] : []));
}

// Some time on both sides stays unfolded, to keep adjacent events apart.
function pieces(from, to, stops, fold) {
  if (!fold) return [{ from, to, idle: false }];
  const found = [];
  let at = from;
  const margin = (to - from) * 0.012;
  for (const stretch of idleStretches(from, to, stops)) {
    const [start, end] = [stretch.from + margin, stretch.to - margin];
    if (end <= start) continue;
    if (start > at) found.push({ from: at, to: start, idle: false });
    found.push({ from: Math.max(start, at), to: end, idle: true });
    at = end;
  }
  if (at < to) found.push({ from: at, to, idle: false });
  return found;
}

function place(found, room, left) {
  const folded = found.filter((piece) => piece.idle);
  const narrow = folded.length ? Math.min(FOLDED, (room * 0.4) / folded.length) : 0;
  const awake = found.reduce((sum, piece) => sum + (piece.idle ? 0 : piece.to - piece.from), 0);
  const each = (room - narrow * folded.length) / Math.max(awake, 1);
  let x = left;
  for (const piece of found) {
    piece.x0 = x;
    x += piece.idle ? narrow : (piece.to - piece.from) * each;
    piece.x1 = x;
  }
}

function toPlace(found, t) {
  const piece = found.find((one) => t <= one.to) ?? found.at(-1);
  const share =
    (Math.min(Math.max(t, piece.from), piece.to) - piece.from) / (piece.to - piece.from || 1);
  return piece.x0 + share * (piece.x1 - piece.x0);
}

function toTime(found, x) {
  const piece = found.find((one) => x <= one.x1) ?? found.at(-1);
  const share = (Math.min(Math.max(x, piece.x0), piece.x1) - piece.x0) / (piece.x1 - piece.x0 || 1);
  return piece.from + share * (piece.to - piece.from);
}

const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800,
  604800,
].map((s) => s * 1000);

// Round times for labels, at least `room` apart.
export function ticks(scale, room = 74) {
  const found = [];
  let last = -Infinity;
  for (const piece of scale.pieces.filter((one) => !one.idle)) {
    const wanted = ((piece.to - piece.from) / (piece.x1 - piece.x0 || 1)) * room;
    const step = STEPS.find((ms) => ms >= wanted) ?? STEPS.at(-1);
    for (let t = Math.ceil(piece.from / step) * step; t <= piece.to; t += step) {
      const x = scale.x(t);
      if (x - last < room) continue;
      found.push({ t, x, step });
      last = x;
    }
  }
  return found;
}
