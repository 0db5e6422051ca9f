"""How many sessions there are of each kind: one query, whatever is filtered."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from ..conditions import CONDITIONS, PAUSING, pause_verbs
from ..health import Rules, rule_for
from .filters import ListFilter
from .search_words import STATES

# What has ended is known from the counters; what lives is few and is judged by the clock.
_SQL = """
WITH rules AS (
    SELECT * FROM jsonb_to_recordset(%(rules)s::jsonb)
        AS r(agent_type text, late float8, lost float8, no_progress float8)
), live AS (
    SELECT s.agent_type, s.state, r.late, r.lost, r.no_progress,
        extract(epoch FROM statement_timestamp() - s.last_heartbeat) AS silence,
        extract(epoch FROM statement_timestamp()
            - coalesce(s.last_progress, s.updated_at, s.created_at)) AS standstill,
        s.state = 'paused' AND s.order_verb = ANY(%(pause_verbs)s)
            AND s.order_version > s.acknowledged_version AS pausing
    FROM agent_sessions s
    JOIN rules r ON r.agent_type = CASE
        WHEN s.agent_type IN (SELECT agent_type FROM rules) THEN s.agent_type ELSE '' END
    WHERE s.state IN ('active', 'paused')
)
SELECT agent_type, state, coalesce(pausing, false), CASE
        WHEN silence IS NULL OR silence >= lost THEN 'lost'
        WHEN silence >= late THEN 'late'
        WHEN state = 'active' AND standstill >= no_progress THEN 'no_progress'
        ELSE '' END AS health, count(*)::bigint
FROM live GROUP BY 1, 2, 3, 4
UNION ALL
SELECT agent_type, state, false, '', sum(n)::bigint FROM agent_session_counts
WHERE state NOT IN ('active', 'paused') GROUP BY 1, 2 HAVING sum(n) > 0
"""


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
class Counts:
    cells: tuple[CountRow, ...]

    def facets(self, wanted: ListFilter) -> Facets:
        """Each group is counted within what the other groups leave; searched text is not counted in."""
        of_type = [c for c in self.cells if not wanted.types or c.agent_type in wanted.types]
        by_state = [c for c in of_type if _conditions_hold(c, wanted)]
        by_condition = [c for c in of_type if _states_hold(c, wanted)]
        by_type = [c for c in self.cells if _states_hold(c, wanted) and _conditions_hold(c, wanted)]
        states = {name: _sum(c for c in by_state if c.listed_state == name) for name in STATES}
        conditions = {
            name: _sum(c for c in by_condition if c.health == name) for name in CONDITIONS
        }
        types: Counter[str] = Counter({c.agent_type: 0 for c in self.cells})
        for cell in by_type:
            types[cell.agent_type] += cell.n
        total = _sum(c for c in of_type if c.state != "deleted")
        return Facets({**states, **conditions}, dict(sorted(types.items())), total)


def counts() -> Counts:
    with connection.cursor() as cursor:
        rules = json.dumps(_rules(settings.HEARTBEAT_RULES))
        cursor.execute(_SQL, {"rules": rules, "pause_verbs": pause_verbs()})
        return Counts(tuple(CountRow(*values) for values in cursor.fetchall()))


def _rules(rules: Rules) -> list[dict[str, object]]:
    names = {"": "default"} | {name: name for name in rules if name != "default"}
    return [
        {
            "agent_type": as_name,
            "late": rule.late,
            "lost": rule.lost,
            "no_progress": rule.no_progress,
        }
        for as_name, rule in ((as_name, rule_for(name, rules)) for as_name, name in names.items())
    ]


def _states_hold(cell: CountRow, wanted: ListFilter) -> bool:
    return cell.listed_state in wanted.states if wanted.states else cell.state != "deleted"


def _conditions_hold(cell: CountRow, wanted: ListFilter) -> bool:
    return not wanted.conditions or cell.health in wanted.conditions


def _sum(cells: Iterable[CountRow]) -> int:
    return sum(cell.n for cell in cells)
