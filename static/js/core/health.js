// Health conditions depend on time. The server names the limits, the worst first, as condition, clock and seconds
// ("lost heartbeat 120;late heartbeat 30"); sessions_app/health.py defines them.

// Times in `data` and `now` are in milliseconds; `heard(from, to)` excludes gaps. A missing clock exceeds any limit.
export function healthOf(data, now, heard) {
  for (const { condition, clock, ms } of read(data.limits)) {
    if (!data[clock] || heard(Number(data[clock]), now) >= ms) return condition;
  }
  return "on_time";
}

// The conditions that this clock alone causes if it stands at `since`, in order of time; the last one lasts until now.
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

// The elapsed share of the time until the session is late, from 0 to 1.
export function shareOf({ heartbeat, late }, now, heard) {
  return Math.min(Math.max(heard(Number(heartbeat), now) / 1000 / late, 0), 1);
}
