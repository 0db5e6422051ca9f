"""Late, lost, without progress: one table of limits, and all its implementations.

Computed from stored times and a clock; the result is not stored. `health` is for one session, `condition_q` and
`case_sql` are the same for the database, `held_since` is when a condition began by time alone, and `limits_of` are the
limits that the browser compares.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from django.db.models import Q, Value
from django.db.models.functions import Coalesce, Now

from agent_sessions.states import LIVE_STATES, SessionState

from .listed_states import states_sql


class Health(StrEnum):
    ON_TIME = "on_time"
    LATE = "late"
    LOST = "lost"
    NO_PROGRESS = "no_progress"
    NOT_WATCHED = "not_watched"


class Facts(Protocol):
    @property
    def state(self) -> str: ...
    @property
    def agent_type(self) -> str: ...
    @property
    def last_heartbeat(self) -> datetime | None: ...
    @property
    def last_progress(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """Limits of one agent type in seconds: late, lost, without progress, and failed."""

    late: int = 30
    lost: int = 120
    no_progress: int = 600
    fail_after: int = 3600


Rules = Mapping[str, Mapping[str, int]]


def rule_for(agent_type: str, rules: Rules) -> Rule:
    merged = {**rules.get("default", {}), **rules.get(agent_type, {})}
    names = ("late", "lost", "no_progress", "fail_after")
    return Rule(**{name: merged[name] for name in names if name in merged})


@dataclass(frozen=True, slots=True)
class Limit:
    """A condition: in these states, `fact` is older than the rule's seconds of the same name.

    `unknown` is whether a missing fact counts as older. The fact is the first of `columns` that is not null.
    """

    condition: Health
    fact: str
    columns: tuple[str, ...]
    states: frozenset[str]
    unknown: bool = False

    def seconds(self, rule: Rule) -> int:
        found: int = getattr(rule, self.condition)
        return found

    def is_exceeded(self, facts: Facts, rule: Rule, now: datetime) -> bool:
        """Independent of the state."""
        since: datetime | None = getattr(facts, self.fact)
        if since is None:
            return self.unknown
        return now - since >= timedelta(seconds=getattr(rule, self.condition))

    @property
    def field(self) -> str:
        """The fact in a query of sessions; `progressed` is an annotation."""
        return self.columns[0] if len(self.columns) == 1 else "progressed"

    def sql(self, session: str, rule: str, now: str) -> str:
        """SQL for `is_exceeded`."""
        columns = ", ".join(f"{session}.{column}" for column in self.columns)
        fact = f"coalesce({columns})" if len(self.columns) > 1 else columns
        older = f"{fact} <= {now} - {rule}.{self.condition}"
        return f"({fact} IS NULL OR {older})" if self.unknown else older


# The worst first: the first that holds is shown. A paused agent still sends heartbeats, so its
# silence counts; missing progress is expected.
LIMITS = (
    Limit(Health.LOST, "last_heartbeat", ("last_heartbeat",), LIVE_STATES, unknown=True),
    Limit(Health.LATE, "last_heartbeat", ("last_heartbeat",), LIVE_STATES, unknown=True),
    Limit(
        Health.NO_PROGRESS,
        "last_progress",
        ("last_progress", "updated_at", "created_at"),
        frozenset({SessionState.ACTIVE}),
    ),
)
LOST, LATE, NO_PROGRESS = LIMITS
BY_CONDITION: dict[str, Limit] = {limit.condition: limit for limit in LIMITS}
WATCHED = frozenset[str]().union(*(limit.states for limit in LIMITS))
CONDITIONS = tuple(limit.condition.value for limit in (LATE, LOST, NO_PROGRESS))
"""In the order in which they are listed."""
PROGRESSED = Coalesce(*NO_PROGRESS.columns)
"""To be annotated as `progressed`."""


def health(facts: Facts, rules: Rules, now: datetime) -> Health:
    if facts.state not in WATCHED:
        return Health.NOT_WATCHED
    rule = rule_for(facts.agent_type, rules)
    for limit in LIMITS:
        if facts.state in limit.states and limit.is_exceeded(facts, rule, now):
            return limit.condition
    return Health.ON_TIME


def is_without_agent(facts: Facts, rules: Rules, now: datetime) -> bool:
    """No heartbeat for so long that no agent can confirm an order, whatever the state."""
    return LOST.is_exceeded(facts, rule_for(facts.agent_type, rules), now)


def held_since(
    wanted: Collection[str], facts: Facts, rules: Rules, now: datetime
) -> datetime | None:
    """Since when the session has had one of the wanted conditions; a lost session was late before.

    None if it has none of them, or if it does not depend on time.
    """
    limit = BY_CONDITION.get(health(facts, rules, now))
    if limit is None or limit.condition not in wanted:
        return None
    since: datetime | None = getattr(facts, limit.fact)
    if since is None:
        return None
    rule = rule_for(facts.agent_type, rules)
    same = (each for each in LIMITS if each.fact == limit.fact and each.condition in wanted)
    return since + timedelta(seconds=min(each.seconds(rule) for each in same))


def limits_of(facts: Facts, rules: Rules) -> str:
    """For the browser, the worst first: condition, clock, seconds. Empty if no limit applies."""
    rule = rule_for(facts.agent_type, rules)
    return ";".join(
        f"{limit.condition} {limit.fact.removeprefix('last_')} {getattr(rule, limit.condition)}"
        for limit in LIMITS
        if facts.state in limit.states and (limit.unknown or getattr(facts, limit.fact) is not None)
    )


def condition_q(condition: str, rules: Rules, now: Any = None) -> Q:
    """Sessions with the condition by the database's clock, or by `now`.

    The query has to annotate `progressed`.
    """
    limit = BY_CONDITION[condition]
    found = Q(state__in=sorted(limit.states)) & _exceeded_q(limit, rules, now)
    for worse in LIMITS[: LIMITS.index(limit)]:
        found &= ~_exceeded_q(worse, rules, now)
    return found


def silent_q(rules: Rules, now: Any = None) -> Q:
    """The same as `is_without_agent`."""
    return _exceeded_q(LOST, rules, now)


def _exceeded_q(limit: Limit, rules: Rules, now: Any = None) -> Q:
    clock = Now() if now is None else Value(now)
    special = [name for name in rules if name != "default"]

    def older(agent_type: str) -> Q:
        seconds = timedelta(seconds=limit.seconds(rule_for(agent_type, rules)))
        return Q(**{f"{limit.field}__lte": clock - seconds})

    found = ~Q(agent_type__in=special) & older("default")
    for name in special:
        found |= Q(agent_type=name) & older(name)
    return found | Q(**{f"{limit.field}__isnull": True}) if limit.unknown else found


def case_sql(session: str, rule: str, now: str = "statement_timestamp()") -> str:
    """SQL: the condition, or '', of a row of `agent_sessions` joined with its row of `rules_sql`."""
    cases = (
        f"WHEN {session}.state IN ({states_sql(limit.states)}) AND {limit.sql(session, rule, now)}"
        f" THEN '{limit.condition}'"
        for limit in LIMITS
    )
    return f"CASE {' '.join(cases)} ELSE '' END"


def rules_sql(name: str) -> str:
    """SQL: a table of the rules, from the parameter `rules`; the default has no agent type."""
    columns = ", ".join(f"{limit.condition} interval" for limit in LIMITS)
    return f"jsonb_to_recordset(%(rules)s::jsonb) AS {name}(agent_type text, {columns})"


def rules_parameter(rules: Rules) -> str:
    names = {"": "default"} | {name: name for name in rules if name != "default"}
    table = [
        {"agent_type": shown, **{limit.condition: f"{limit.seconds(rule)} s" for limit in LIMITS}}
        for shown, rule in ((shown, rule_for(name, rules)) for shown, name in names.items())
    ]
    return json.dumps(table)
