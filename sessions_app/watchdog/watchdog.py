"""The watchdog's tick: leader election, outages, then failing sessions that are silent for too long."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from redis.exceptions import RedisClusterException, RedisError

from agent_sessions import SessionManager, SessionNotFound, StorageUnavailable
from agent_sessions.valkey_client import AWAY
from sessions_app.health import Rules
from sessions_app.watchdog.outages import JUMP, Outage, OutageTracker

from . import metrics
from .detector import Detector
from .leader import LOST, Leader
from .maintenance import WatchdogMaintenance
from .observed_silence import Moment
from .outage_log import OutageLog

logger = logging.getLogger(__name__)

TICK = 5.0
STANDSTILL = 20.0
ROUND_TIMEOUT = 30.0
MOST_FAILED = 100
# Seconds. Slower answers could look like a clock jump or a standstill of the process.
SLOW_CLOCK = JUMP / 2
SLOW_LOOK = 10.0

RESTART, POSTGRESQL, VALKEY = "restart", "postgresql", "valkey"

ConnectManager = Callable[[Callable[[], datetime]], Awaitable[SessionManager]]


class Watchdog:
    """`valkey` is a `redis.asyncio` client without automatic reconnects; `connect` creates the manager."""

    def __init__(
        self,
        leader: Leader,
        valkey: Any,
        connect: ConnectManager,
        rules: Rules,
        *,
        namespace: str,
        maintenance: WatchdogMaintenance | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leader, self._outage_log = leader, OutageLog(leader)
        self._valkey = valkey
        self._connect = connect
        self._manager: SessionManager | None = None
        self._detector = Detector(leader, valkey, rules, namespace)
        self._maintenance = maintenance
        self._monotonic = monotonic
        self._now = Moment(0.0, monotonic())
        self._outages: OutageTracker | None = None
        self._before: list[Outage] = []
        self._began_at = self._valkey_seen_at = 0.0
        self._cause = RESTART

    @property
    def is_watching(self) -> bool:
        return self._outages is not None

    async def run(self) -> None:
        while True:
            try:
                await self.tick()
            except Exception:
                metrics.LOOKS_FAILED.inc()
                logger.exception("a look failed; the next one tries again")
            await asyncio.sleep(TICK)

    async def close(self) -> None:
        await self._leader.release()
        manager, self._manager = self._manager, None
        if manager is not None:
            await manager.close()

    async def tick(self, now: Moment | None = None) -> None:
        """One check of those that follow each other: while PostgreSQL is unavailable, the next one tries again."""
        with contextlib.suppress(*LOST):
            await self.check(now)

    async def check(self, now: Moment | None = None) -> None:
        """Raises one of LOST if PostgreSQL does not answer. `now` is for tests; the default is the database's clock."""
        try:
            async with asyncio.timeout(ROUND_TIMEOUT):
                outages = await self._lead(now)
                if outages is None:
                    return
                await self._look_in_time(outages)
            if self._maintenance is not None:
                await self._maintenance.tick(self._now.steady)
        except LOST as error:
            metrics.LOOKS_FAILED.inc()
            await self._lose(error)
            raise
        finally:
            metrics.LEADS.set(self.is_watching)

    async def _lead(self, now: Moment | None) -> OutageTracker | None:
        """The outages so far; None while another process is the leader."""
        if not await self._leader.acquire():
            self._outages = None
            return None
        self._now = now or await self._moment()
        self._outages = self._outages or await self._begin()
        return self._outages

    async def _moment(self) -> Moment:
        """Both clocks at one time. Raises TimeoutError if the database's answer took too long."""
        asked_at = self._monotonic()
        wall = await self._leader.clock()
        took = self._monotonic() - asked_at
        if took > SLOW_CLOCK:
            raise TimeoutError(f"PostgreSQL took {took:.0f} s to say what time it is")
        return Moment(wall, asked_at + took / 2)

    async def _begin(self) -> OutageTracker:
        """The time since the last check of any process is an outage, unless it was short."""
        now = self._now.wall
        self._began_at, looked_at, self._before = await self._outage_log.open(now)
        outages = OutageTracker(
            (),
            clock=lambda: self._now.wall,
            monotonic=lambda: self._now.steady,
            standstill=STANDSTILL,
        )
        if now - looked_at > STANDSTILL or self._cause == POSTGRESQL:
            outages.past.append(Outage(self._cause, looked_at, now))
        self._valkey_seen_at = now
        self._cause = RESTART
        self._detector.start_anew()
        logger.info("this process is the leader now")
        return outages

    async def _lose(self, error: BaseException) -> None:
        if self.is_watching:
            logger.warning("outage of the watchdog, PostgreSQL does not answer: %s", error)
            self._cause = POSTGRESQL
        self._outages = None
        await self._leader.release()

    async def _look_in_time(self, outages: OutageTracker) -> None:
        began = self._monotonic()
        await self._look(outages)
        took = self._monotonic() - began
        if took > SLOW_LOOK:
            raise TimeoutError(f"PostgreSQL took {took:.0f} s for one look")

    async def _look(self, outages: OutageTracker) -> None:
        interruption = outages.check_clock()
        if interruption is not None:
            logger.warning("outage of the watchdog: %s", interruption)
        if await self._sees_valkey(outages) and interruption is None:
            await self._sweep([*self._before, *outages.past])
        else:
            self._detector.start_anew()
        await self._outage_log.write(outages.outages())
        await self._outage_log.heartbeat(self._now.wall)
        metrics.LOOKS.inc()
        metrics.LOOKED_AT.set(self._now.wall)

    async def _sees_valkey(self, outages: OutageTracker) -> bool:
        try:
            await self._valkey.ping()
        except AWAY as error:
            if VALKEY not in outages.open:
                logger.warning("outage of the watchdog, Valkey does not answer: %s", error)
            outages.begin(VALKEY, self._valkey_seen_at)
            return False
        outages.end(VALKEY)
        self._valkey_seen_at = self._now.wall
        return True

    async def _sweep(self, outages: Sequence[Outage]) -> None:
        try:
            expired = await self._detector.find_expired(
                self._now, outages, self._began_at, most=MOST_FAILED
            )
            for session_id, seconds in expired:
                await self._fail(session_id, seconds)
        except (RedisError, RedisClusterException) as error:
            logger.warning("heartbeats could not be read, no session is failed: %s", error)
        except StorageUnavailable as error:
            logger.warning("silent sessions could not be failed yet: %s", error)

    async def _fail(self, session_id: str, seconds: int) -> None:
        if self._manager is None:
            self._manager = await self._connect(self._clock)
        try:
            if await self._manager.fail_silent(session_id, timedelta(seconds=seconds)):
                metrics.FAILED.inc()
                logger.warning("session %s was silent for too long: failed", session_id)
        except SessionNotFound:
            logger.info("session %s is gone", session_id)

    def _clock(self) -> datetime:
        """The database's clock, at this check."""
        return datetime.fromtimestamp(self._now.wall, UTC)
