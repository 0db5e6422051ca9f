"""States in lists: an unconfirmed pause is a state of its own."""

from collections.abc import Iterable

from django.db.models import F, Q

from agent_sessions.states import SessionState, verbs_to

PAUSING, PAUSED = "pausing", SessionState.PAUSED.value
LISTED_STATES = tuple(
    listed
    for state in SessionState
    for listed in ((PAUSING, PAUSED) if state == PAUSED else (state.value,))
)


def states_sql(states: Iterable[str]) -> str:
    """For `IN (…)`."""
    return ", ".join(f"'{state}'" for state in sorted(states))


def pause_verbs() -> list[str]:
    """The verbs that pause a session."""
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
