// Health flips by the clock alone. The server names the limits that apply, the worst first, each as condition, clock and
// seconds ("lost heartbeat 120;late heartbeat 30"); which they are, and for whom, is sessions_app/health.py.

// Clocks in milliseconds; `heard(from, to)`: how long the session could have been heard. What never came is older than
// any limit.
export function healthOf(data, now, heard) {
  for (const limit of data.limits.split(";")) {
    const [condition, clock, seconds] = limit.split(" ");
    if (!data[clock] || heard(Number(data[clock]), now) / 1000 >= Number(seconds)) return condition;
  }
  return "on_time";
}

// Of the time until it is late, what has passed: from 0 to 1.
export function shareOf({ heartbeat, late }, now, heard) {
  return Math.min(Math.max(heard(Number(heartbeat), now) / 1000 / late, 0), 1);
}
