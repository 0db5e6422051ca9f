"""Counts of sessions by all facets: one query, the same for every filter."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from agent_sessions.states import LIVE_STATES, SessionState

from ..health import CONDITIONS, case_sql, rules_parameter, rules_sql
from ..listed_states import LISTED_STATES, PAUSED, PAUSING, pause_verbs, states_sql
from ..permissions import Access
from .filters import ListFilter

# Counters have the ended sessions; the few live ones are counted, because their condition depends on time.
_SQL = f"""
WITH rules AS (SELECT * FROM {rules_sql("r")}),
live AS (
    SELECT s.agent_type, s.state, {case_sql("s", "r")} AS health,
        s.state = '{PAUSED}' AND s.order_verb = ANY(%(pause_verbs)s)
            AND s.order_version > s.acknowledged_version AS pausing
    FROM agent_sessions s
    JOIN rules r ON r.agent_type = CASE
        WHEN s.agent_type IN (SELECT agent_type FROM rules) THEN s.agent_type ELSE '' END
    WHERE s.state IN ({states_sql(LIVE_STATES)})
)
SELECT agent_type, state, coalesce(pausing, false), health, count(*)::bigint
FROM live GROUP BY 1, 2, 3, 4
UNION ALL
SELECT agent_type, state, false, '', sum(n)::bigint FROM agent_session_counts
WHERE state NOT IN ({states_sql(LIVE_STATES)}) GROUP BY 1, 2 HAVING sum(n) > 0
"""  # noqa: S608 - our own names alone


class CountRow(NamedTuple):
    agent_type: str
    state: str
    pausing: bool
    health: str
    n: int

    @property
    def listed_state(self) -> str:
        return PAUSING if self.pausing else self.state


@dataclass(frozen=True, slots=True)
class Facets:
    states: dict[str, int]
    types: dict[str, int]
    total: int

    def as_frame(self) -> dict[str, dict[str, int]]:
        return {"states": {**self.states, "all": self.total}, "types": self.types}


@dataclass(frozen=True, slots=True)
class FacetCounts:
    cells: tuple[CountRow, ...]

    def visible_to(self, access: Access) -> list[CountRow]:
        return [cell for cell in self.cells if access.allows(cell.agent_type)]

    def facets(self, wanted: ListFilter) -> Facets:
        """Each facet is counted within the filters of the others; searched text does not count."""
        cells = self.visible_to(wanted.access)
        of_type = [c for c in cells if not wanted.types or c.agent_type in wanted.types]
        by_state = [c for c in of_type if _conditions_hold(c, wanted)]
        by_condition = [c for c in of_type if _states_hold(c, wanted)]
        by_type = [c for c in cells if _states_hold(c, wanted) and _conditions_hold(c, wanted)]
        states = {
            name: _sum(c for c in by_state if c.listed_state == name) for name in LISTED_STATES
        }
        conditions = {
            name: _sum(c for c in by_condition if c.health == name) for name in CONDITIONS
        }
        types: Counter[str] = Counter({c.agent_type: 0 for c in cells})
        for cell in by_type:
            types[cell.agent_type] += cell.n
        total = _sum(c for c in of_type if c.state != SessionState.DELETED)
        return Facets({**states, **conditions}, dict(sorted(types.items())), total)


def counts() -> FacetCounts:
    with connection.cursor() as cursor:
        rules = rules_parameter(settings.HEARTBEAT_RULES)
        cursor.execute(_SQL, {"rules": rules, "pause_verbs": pause_verbs()})
        return FacetCounts(tuple(CountRow(*values) for values in cursor.fetchall()))


def _states_hold(cell: CountRow, wanted: ListFilter) -> bool:
    return (
        cell.listed_state in wanted.states if wanted.states else cell.state != SessionState.DELETED
    )


def _conditions_hold(cell: CountRow, wanted: ListFilter) -> bool:
    return not wanted.conditions or cell.health in wanted.conditions


def _sum(cells: Iterable[CountRow]) -> int:
    return sum(cell.n for cell in cells)
