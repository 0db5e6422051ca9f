// Durations in words, the same as in sessions_app/rendering/time_format.py.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const two = (n) => String(n).padStart(2, "0");
const fill = (text, values) => interpolate(text, values, true);

export function short(seconds) {
  const s = Math.max(Math.trunc(seconds), 0);
  if (s < MINUTE) return fill(gettext("%(s)s s"), { s });
  if (s < HOUR) return fill(gettext("%(min)s min"), { min: Math.trunc(s / MINUTE) });
  if (s < DAY) return fill(gettext("%(h)s h"), { h: Math.trunc(s / HOUR) });
  return fill(gettext("%(d)s d"), { d: Math.trunc(s / DAY) });
}

export function long(seconds) {
  const s = Math.max(Math.trunc(seconds), 0);
  if (s < MINUTE) return short(s);
  if (s < HOUR) {
    return fill(gettext("%(min)s min %(s)s s"), {
      min: Math.trunc(s / MINUTE),
      s: two(s % MINUTE),
    });
  }
  if (s < DAY) {
    return fill(gettext("%(h)s h %(min)s min"), {
      h: Math.trunc(s / HOUR),
      min: two(Math.trunc((s % HOUR) / MINUTE)),
    });
  }
  return fill(gettext("%(d)s d %(h)s h"), {
    d: Math.trunc(s / DAY),
    h: Math.trunc((s % DAY) / HOUR),
  });
}

export function ago(seconds) {
  return fill(gettext("%(span)s ago"), { span: short(seconds) });
}
