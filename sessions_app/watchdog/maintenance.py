"""Periodic work of the leader: folding counts, preparing months, emptying the trash."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db import DatabaseError, connection

from agent_sessions.keys import Keys
from agent_sessions.valkey_client import AWAY
from sessions_app.bulk.housekeeping import prune_jobs, take_up_orphans
from sessions_app.drafts.drafts import forget_old
from sessions_app.watchdog import retention

from .leader import Leader

logger = logging.getLogger(__name__)

QUARTER, MINUTE, HOUR, DAY = 15.0, 60.0, 3600.0, 86_400.0
DIFFERENCES_KEPT = 200
MONTHS_AHEAD = 3
BEATS_KEPT_DAYS = 2

FOLD = "SELECT agent_session_fold_counts(%s)"
ACTIVITY = "SELECT agent_session_fold_activity()"
PREPARE = """
SELECT agent_session_history_partition((date_trunc('month', now()) + make_interval(months => m))::date)
FROM generate_series(0, %s) AS m
"""


@dataclass
class Chore:
    name: str
    every: float
    do: Callable[[], Awaitable[Any]]
    due: float = field(default=0.0)


class WatchdogMaintenance:
    """A failed chore is tried again at its next interval; checks for silent sessions continue."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self._chores = chores

    async def tick(self, steady: float) -> None:
        for chore in self._chores:
            if steady < chore.due:
                continue
            chore.due = steady + chore.every
            try:
                await chore.do()
            except (psycopg.Error, DatabaseError, *AWAY) as error:
                logger.warning("%s did not succeed: %s", chore.name, error)


def chores(leader: Leader, valkey: Any, namespace: str) -> list[Chore]:
    return [
        Chore("folding the counts", MINUTE, lambda: leader.rows(FOLD, (DIFFERENCES_KEPT,))),
        Chore("folding the activity", MINUTE, lambda: leader.rows(ACTIVITY, ())),
        Chore("preparing months", HOUR, lambda: leader.rows(PREPARE, (MONTHS_AHEAD,))),
        Chore("forgetting old beats", HOUR, lambda: forget_beats(leader, valkey, namespace)),
        Chore("taking up bulk jobs", QUARTER, take_up_orphans),
        Chore("forgetting bulk jobs", HOUR, lambda: asyncio.to_thread(prune_jobs)),
        Chore("forgetting drafts", HOUR, lambda: asyncio.to_thread(forget_old)),
        Chore("emptying the trash", HOUR, lambda: asyncio.to_thread(empty_trash)),
    ]


async def forget_beats(leader: Leader, valkey: Any, namespace: str) -> int:
    """Heartbeats this old are in PostgreSQL.

    Without this, those of ended sessions would stay in Valkey for ever.
    """
    oldest = (await leader.clock() - BEATS_KEPT_DAYS * DAY) * 1000
    return int(await valkey.zremrangebyscore(Keys(namespace).heartbeats, "-inf", f"({oldest:.0f}"))


def empty_trash() -> None:
    """Runs in a thread of its own, so it closes its connection."""
    try:
        found = retention.purge(retention.trash_days(), reason="trash")
        if found.sessions or found.contexts:
            logger.info("removed for good: %s", found)
    finally:
        connection.close()
