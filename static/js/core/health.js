// Health flips by the clock alone. The server names the limits that apply, the worst first, each as condition, clock and
// seconds ("lost heartbeat 120;late heartbeat 30"); which they are, and for whom, is sessions_app/health.py.
// `secondsSince` says how long ago; what never came is older than any limit.
export function healthOf(data, secondsSince) {
  for (const limit of data.limits.split(";")) {
    const [condition, clock, seconds] = limit.split(" ");
    if (!data[clock] || secondsSince(Number(data[clock])) >= Number(seconds)) return condition;
  }
  return "on_time";
}
