// Health conditions depend on time. The server names the limits, the worst first, as condition,
// clock and seconds
// ("lost heartbeat 120;late heartbeat 30"); they are defined in sessions_app/health.py.

// `clocks` are in milliseconds; `heard(from, to)` excludes gaps. A missing clock exceeds any limit.
export function healthOf(data, now, heard) {
  for (const limit of data.limits.split(";")) {
    const [condition, clock, seconds] = limit.split(" ");
    if (!data[clock] || heard(Number(data[clock]), now) / 1000 >= Number(seconds)) return condition;
  }
  return "on_time";
}

// The elapsed share of the time until the session is late, from 0 to 1.
export function shareOf({ heartbeat, late }, now, heard) {
  return Math.min(Math.max(heard(Number(heartbeat), now) / 1000 / late, 0), 1);
}
