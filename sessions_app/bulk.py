"""One order for many sessions: first what it would do to each, then the doing, one by one."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from agent_sessions import SessionError

from . import actions, detail
from .presentation import Text, Verb
from .rows import Row, load_rows

MOST = 200


@dataclass(frozen=True, slots=True)
class Planned:
    row: Row
    why_not: Text

    @property
    def possible(self) -> bool:
        return not self.why_not


@dataclass(frozen=True, slots=True)
class Plan:
    verb: Verb
    items: Sequence[Planned]

    @property
    def possible(self) -> list[Planned]:
        return [item for item in self.items if item.possible]

    @property
    def impossible(self) -> list[Planned]:
        return [item for item in self.items if not item.possible]


@dataclass(frozen=True, slots=True)
class Result:
    id: UUID
    error: str = ""


def plan(verb: Verb, ids: Sequence[UUID]) -> Plan:
    rows = load_rows(ids[:MOST])
    return Plan(verb, [Planned(row, detail.action(verb, row.state).why_not) for row in rows])


def perform(
    verb: Verb, seen: dict[UUID, int], *, actor: str, reason: str, request_id: UUID
) -> list[Result]:
    """Each by itself: what fails does not keep the rest from being done."""
    results = []
    for id, version in seen.items():
        try:
            actions.perform(
                verb.name,
                id,
                actor=actor,
                reason=reason,
                source="bulk",
                request_id=uuid.uuid5(request_id, str(id)),
                seen_version=version,
            )
            results.append(Result(id))
        except SessionError as error:
            results.append(Result(id, actions.explain(error)))
    return results
