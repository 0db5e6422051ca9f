"""State as a list shows it, and late, lost, without progress beside it: once for SQL and once for a row."""

from collections.abc import Callable
from datetime import timedelta

from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from agent_sessions.states import SessionState, verbs_to

from .health import WATCHED_FOR_PROGRESS, WATCHED_FOR_SILENCE, Rule, Rules, rule_for

LATE, LOST, NO_PROGRESS = CONDITIONS = ("late", "lost", "no_progress")
PAUSING, PAUSED = "pausing", "paused"


def pause_verbs() -> list[str]:
    """The orders that pause a session."""
    return verbs_to(SessionState.PAUSED)


def unconfirmed_pause_q() -> Q:
    return Q(order_verb__in=pause_verbs(), order_version__gt=F("acknowledged_version"))


def state_q(listed: str) -> Q:
    """The same as `Row.listed_state`."""
    if listed == PAUSING:
        return Q(state=PAUSED) & unconfirmed_pause_q()
    if listed == PAUSED:
        return Q(state=PAUSED) & ~unconfirmed_pause_q()
    return Q(state=listed)


def condition_q(condition: str, rules: Rules) -> Q:
    """The same as `Row.has_condition`, judged by the database's clock."""
    if condition == LOST:
        return Q(state__in=WATCHED_FOR_SILENCE) & _lost(rules)
    if condition == LATE:
        late = _older("last_heartbeat", rules, lambda rule: rule.late)
        return Q(state__in=WATCHED_FOR_SILENCE) & late & ~_lost(rules)
    progress = _older("progressed", rules, lambda rule: rule.no_progress)
    silent = _older("last_heartbeat", rules, lambda rule: rule.late) | Q(last_heartbeat=None)
    return Q(state__in=WATCHED_FOR_PROGRESS) & progress & ~silent


def silent_q(rules: Rules) -> Q:
    """No heartbeat for so long that nobody is there, whatever the state: an ended session has no health."""
    return _lost(rules)


PROGRESSED = Coalesce("last_progress", "updated_at", "created_at")


def _lost(rules: Rules) -> Q:
    return _older("last_heartbeat", rules, lambda rule: rule.lost) | Q(last_heartbeat=None)


def _older(field: str, rules: Rules, seconds: Callable[[Rule], int]) -> Q:
    special = [name for name in rules if name != "default"]
    default = timedelta(seconds=seconds(rule_for("default", rules)))
    found = ~Q(agent_type__in=special) & Q(**{f"{field}__lte": Now() - default})
    for name in special:
        limit = timedelta(seconds=seconds(rule_for(name, rules)))
        found |= Q(agent_type=name) & Q(**{f"{field}__lte": Now() - limit})
    return found
