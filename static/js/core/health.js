// What a session's health becomes as time passes. The rule is the server's (sessions_app/health.py); its limits come
// with the row, and a limit that does not count for the session is empty.

// `heartbeat` and `progress` in milliseconds, limits in seconds; `heard(from, to)`: how long it could have been heard.
export function healthOf({ heartbeat, progress, late, lost, stuck }, now, heard) {
  const silence = heard(Number(heartbeat), now) / 1000;
  if (!heartbeat || silence >= lost) return "lost";
  if (silence >= late) return "late";
  return stuck && heard(Number(progress), now) / 1000 >= stuck ? "no_progress" : "on_time";
}

// Of the time until it is late, what has passed: from 0 to 1.
export function shareOf({ heartbeat, late }, now, heard) {
  return Math.min(Math.max(heard(Number(heartbeat), now) / 1000 / late, 0), 1);
}
