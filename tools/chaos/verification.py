"""Compares the database with the acknowledgements of agents and the claims of pages."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from agent_sessions import SessionManager
from tools.chaos.agent_processes import AgentProcess, Crew
from tools.chaos.fault import GRACE
from tools.chaos.ledger import STEP
from tools.chaos.websocket_client import Claim, ClaimingPage
from tools.chaos.world import World

STEPS = """
SELECT (data->>'n')::int FROM agent_session_checkpoints WHERE session_id = %s AND name = %s
"""
SAVES = """
SELECT split_part(path, '.', 2)::int FROM agent_session_history, unnest(paths) AS path
WHERE session_id = %s AND path LIKE 'saves.%%'
"""
KEPT = "SELECT jsonb_object_keys(context->'saves')::int FROM agent_sessions WHERE id = %s"
ROLLED_BACK = (
    "SELECT 1 FROM agent_session_checkpoints WHERE session_id = %s AND name = 'session_rolled_back'"
)
COMMITS = """
SELECT session_id::text, version,
       extract(epoch FROM coalesce(pg_xact_commit_timestamp(xmin), at))::float8
FROM agent_session_history WHERE session_id = ANY(%s::uuid[]) ORDER BY version
"""
ORDERS = "SELECT count(*) FROM agent_session_history WHERE session_id = %s AND change_id = %s"
GAPS = """
SELECT count(*) FROM agent_sessions s
WHERE id = ANY(%s::uuid[]) AND version <> (
    SELECT count(*) FROM agent_session_history h WHERE h.session_id = s.id)
"""


@dataclass(frozen=True)
class Writes:
    attempted: int
    acknowledged: int
    lost: int
    twice: int


def writes(world: World, crew: Crew) -> Writes:
    counted = [_writes_of(world, agent) for agent in crew.agents]
    return Writes(*(sum(column) for column in zip(*counted, strict=True)))


def _writes_of(world: World, agent: AgentProcess) -> tuple[int, int, int, int]:
    tried = {(entry["kind"], entry["n"]) for entry in agent.entries("try")}
    told = {(e["kind"], e["n"]) for e in agent.entries("stored") if not _was_lost(world, e["at"])}
    stored = Counter((STEP, n) for (n,) in world.sql(STEPS, agent.session_id, STEP))
    stored.update(("save", int(str(n))) for (n,) in world.sql(SAVES, agent.session_id))
    if world.sql(ROLLED_BACK, agent.session_id):  # a rollback resets contexts, but not the history
        kept = set(stored)
    else:
        kept = {("save", int(str(n))) for (n,) in world.sql(KEPT, agent.session_id)}
        kept |= {key for key in stored if key[0] == STEP}
    twice = sum(n - 1 for n in stored.values())
    return len(tried), len(told), len(told - kept), twice


def _was_lost(world: World, at: float) -> bool:
    """Whether a restore lost this write."""
    return world.lost is not None and world.lost[0] < at < world.lost[1]


def wrong_copies(world: World, crew: Crew) -> list[str]:
    """Sessions whose copy from Valkey differs from PostgreSQL for a new process."""
    return asyncio.run(_wrong_copies(world, crew.session_ids))


async def _wrong_copies(world: World, session_ids: list[str]) -> list[str]:
    async with await SessionManager.connect(world.direct_url, world.valkey_url) as manager:
        wrong = []
        for session_id in session_ids:
            shown, stored = await manager.get_session(session_id), await manager.read(session_id)
            if shown is None or stored is None or shown.to_dict() != stored.to_dict():
                wrong.append("a copy is not what is stored")
        return wrong


def unexplained(world: World, crew: Crew) -> int:
    """Sessions whose history does not have exactly one entry for each version."""
    return _count(world.sql(GAPS, crew.session_ids))


def effects(world: World, session_id: str, request_id: str) -> int:
    return _count(world.sql(ORDERS, session_id, request_id))


def _count(rows: list[tuple[Any, ...]]) -> int:
    return int(rows[0][0])


class VisibleVersions:
    """The newest committed version of each session at any time."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._times: dict[str, list[float]] = {}
        self._newest: dict[str, list[int]] = {}
        for session_id, version, at in sorted(rows, key=lambda row: (row[0], row[2])):
            newest = self._newest.setdefault(session_id, [])
            self._times.setdefault(session_id, []).append(at)
            newest.append(max(version, newest[-1] if newest else 0))

    @classmethod
    def of(cls, world: World, crew: Crew) -> VisibleVersions:
        return cls(world.sql(COMMITS, crew.session_ids))

    def version(self, session_id: str, at: float) -> int:
        i = bisect_right(self._times.get(session_id, []), at)
        return self._newest[session_id][i - 1] if i else 0


@dataclass(frozen=True)
class Window:
    """The time in which something was unreachable."""

    away: str
    since: float
    until: float
    grace: float = GRACE
    restored_at: float = 0.0  # earlier claims belong to a lost timeline

    def lasted(self, at: float) -> bool:
        return self.since + self.grace < at < self.until


def wrong_claims(
    page: ClaimingPage, timeline: VisibleVersions, away: Window, crew: Crew, resumed_at: float
) -> list[str]:
    """Each period in which a page made a wrong claim."""
    works = _writes_of_crew(crew)

    def is_stale(claim: Claim) -> bool:
        return claim.state == "live" and any(
            version < timeline.version(session_id, claim.at - away.grace)
            for session_id, version in claim.versions.items()
        )

    def is_ahead(claim: Claim) -> bool:
        return claim.state == "live" and any(
            version > timeline.version(session_id, claim.at)
            for session_id, version in claim.versions.items()
        )

    def is_blind(claim: Claim) -> bool:
        """Without the database or the web process a page cannot know that it is current."""
        return claim.state == "live" and away.away in ("database", "web") and away.lasted(claim.at)

    def has_old_beats(claim: Claim) -> bool:
        live = claim.state == "live" and not claim.beats_are_old
        return live and away.away == "valkey" and away.lasted(claim.at)

    def is_no_pause(claim: Claim) -> bool:
        return any(works(i, claim.at, resumed_at) for i in claim.paused)

    found = {
        "live, though something newer was stored": is_stale,
        "live, though it shows what is not stored": is_ahead,
        "live, though it could not know": is_blind,
        "heartbeats live without Valkey": has_old_beats,
        "paused and confirmed, but the agent wrote": is_no_pause,
    }
    since = away.restored_at + away.grace if away.restored_at else 0.0
    claims = [claim for claim in page.claims if claim.at > since]
    return [words for words, wrong in found.items() for _ in range(_stretches(claims, wrong))]


def _writes_of_crew(crew: Crew) -> Callable[[str, float, float], bool]:
    begun = {
        agent.session_id: sorted(
            entry["at"] for what in ("try", "work") for entry in agent.entries(what)
        )
        for agent in crew.agents
    }

    def works(session_id: str, since: float, until: float) -> bool:
        """Whether the agent began a write within 0.1 s after `since`, and before `until`."""
        times = begun[session_id]
        return bisect_left(times, min(since + 0.1, until)) > bisect_right(times, since)

    return works


def _stretches(claims: list[Claim], wrong: Callable[[Claim], bool]) -> int:
    return sum(1 for is_wrong, _ in groupby(claims, wrong) if is_wrong)
