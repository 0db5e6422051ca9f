"""Retries with growing pauses while PostgreSQL or Valkey is unavailable."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
import redis

from agent_sessions import StorageUnavailable

Result = TypeVar("Result")
Sleep = Callable[[float], Awaitable[None]]
log = logging.getLogger("demo")

AWAY = (StorageUnavailable, psycopg.OperationalError, redis.ConnectionError, ConnectionError)
FIRST_WAIT = 0.5
LONGEST_WAIT = 15.0


class Waits:
    """0.5, 1, 2 … 15 seconds, with jitter so that not all agents retry at once."""

    def __init__(self) -> None:
        self.next_wait = FIRST_WAIT

    def next(self) -> float:
        wait, self.next_wait = self.next_wait, min(LONGEST_WAIT, 2 * self.next_wait)
        return wait * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, no secret


async def patiently(
    what: str, call: Callable[[], Awaitable[Result]], sleep: Sleep = asyncio.sleep
) -> Result:
    """Repeats the call until the store answers. Other errors are raised."""
    pauses = Waits()
    while True:
        try:
            result = await call()
        except AWAY as error:
            outage.noticed(what, error)
            await sleep(pauses.next())
        else:
            outage.over()
            return result


class OutageNotice:
    """Logs an outage once at its begin and once at its end, however many tasks wait."""

    def __init__(self) -> None:
        self.lasts = False

    def noticed(self, what: str, error: BaseException) -> None:
        if not self.lasts:
            log.warning("%s: %s; trying again until it works", what, _short(error))
        self.lasts = True

    def over(self) -> None:
        if self.lasts:
            log.warning("the store answers again")
        self.lasts = False


outage = OutageNotice()


def _short(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
