// Health flips by the clock alone. The server names the limits that apply, the worst first, each as condition, clock and
// seconds ("lost heartbeat 120;late heartbeat 30"); which they are, and for whom, is sessions_app/health.py.

// Clocks in milliseconds; `heard(from, to)`: how long the session could have been heard. What never came is older than
// any limit.
export function healthOf(data, now, heard) {
  for (const { condition, clock, ms } of read(data.limits)) {
    if (!data[clock] || heard(Number(data[clock]), now) >= ms) return condition;
  }
  return "on_time";
}

// The conditions that this clock alone has brought since it last stood at `since`: one after the other, the last until now.
export function conditionsSince(limits, clock, since, now) {
  const begun = read(limits)
    .filter((limit) => limit.clock === clock && since + limit.ms < now)
    .map(({ condition, ms }) => ({ condition, from: since + ms }))
    .toReversed();
  return begun.map(({ condition, from }, i) => ({
    condition,
    from,
    to: begun[i + 1]?.from ?? now,
  }));
}

function read(limits) {
  return limits.split(";").map((limit) => {
    const [condition, clock, seconds] = limit.split(" ");
    return { condition, clock, ms: Number(seconds) * 1000 };
  });
}

// Of the time until it is late, what has passed: from 0 to 1.
export function shareOf({ heartbeat, late }, now, heard) {
  return Math.min(Math.max(heard(Number(heartbeat), now) / 1000 / late, 0), 1);
}
