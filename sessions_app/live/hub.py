"""The hub, one per web process: receives changes, reads the rows on open pages, and sends updates."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agent_sessions import tasks

from ..watchdog.outages import OutageTracker
from . import metrics
from .database_restores import TimelineWatch
from .limits import LIMITS, FeedLimits
from .periodic_checks import IdleTimeouts, PeriodicChecks, Reconciliation, compare
from .push.agent_notifier import AgentNotifier, Announce
from .push.broadcast import Broadcast
from .push.conversation_push import ConversationPush, Stamps
from .push.facet_push import FacetPush
from .push.resync import Resync
from .push.time_transitions import TimeTransitions
from .sockets.gateway import Gateway
from .sockets.send_scheduler import SendScheduler
from .sources.postgres import Changes, PostgresSource
from .sources.valkey import BeatList as HeardBeats
from .sources.valkey import ValkeySource
from .state.change_buffer import Batch, ChangeBuffer
from .state.database_thread import DatabaseThread, DatabaseUnavailable
from .state.subscriptions import SubscriptionRegistry
from .status import BEATS, DATABASE, Status

log = logging.getLogger(__name__)


class Hub:
    """Runs in the server's event loop.

    Its loops call `tick`, `watch` and the checks; tests call them, too.
    """

    def __init__(
        self,
        listen_parameters: Callable[[], dict[str, Any]],
        valkey_url: str,
        namespace: str,
        *,
        announce: Announce | None = None,
        conversation_channel: str = "",
        read_stamps: Stamps = lambda names: {},
        limits: FeedLimits = LIMITS,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits, self._clock, self._monotonic = limits, clock, monotonic
        self.subscriptions, self.buffer = SubscriptionRegistry(), ChangeBuffer()
        self.outages = OutageTracker((DATABASE, BEATS), clock=clock, monotonic=monotonic)
        self._wake = asyncio.Event()
        self._one_tick = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stuck = False
        self._make_readers()
        self._notifier = AgentNotifier(announce)
        self.conversations = ConversationPush(
            self.subscriptions, read_stamps, monotonic=monotonic, limits=limits
        )
        on_conversation = self.conversations.on_message
        others = {conversation_channel: on_conversation} if conversation_channel else {}
        self._make_sources(listen_parameters, valkey_url, namespace, others)
        self._make_senders()

    def _make_readers(self) -> None:
        self._reader = DatabaseThread("feed", timeout=self.limits.read)
        self._check_reader = DatabaseThread("feed-checks", timeout=self.limits.read)
        self._auth_reader = DatabaseThread("feed-auth", timeout=self.limits.read)

    def _make_sources(
        self,
        parameters: Callable[[], dict[str, Any]],
        valkey_url: str,
        namespace: str,
        others: Mapping[str, Callable[[str], None]],
    ) -> None:
        self.listener = PostgresSource(
            parameters,
            on_message=self._on_changes,
            on_connected=self._on_listening,
            on_lost=lambda: self._on_lost(DATABASE),
            monotonic=self._monotonic,
        )
        self.beats = ValkeySource(
            valkey_url,
            namespace,
            on_message=self._on_beats,
            on_connected=self._on_subscribed,
            on_lost=lambda: self._on_lost(BEATS),
            monotonic=self._monotonic,
            others=others,
        )

    def _make_senders(self) -> None:
        steady: dict[str, Any] = {"monotonic": self._monotonic, "limits": self.limits}
        clocks = {**steady, "clock": self._clock}
        self.status = Status(self.listener, self.beats, self.buffer, self.outages, **clocks)
        self.scheduler = SendScheduler(self.status.header, monotonic=self._monotonic)
        self._broadcast = Broadcast(
            self.subscriptions, self._reader, changes_sent=self.scheduler.changes_sent, **clocks
        )
        self._timeline = TimelineWatch(
            self.subscriptions, close=lambda *why: self.gateway.close(*why)
        )
        self._resync = Resync(
            self.subscriptions, self._reader, self.beats, self._timeline, clock=self._clock, limits=self.limits
        )  # fmt: skip
        self.time_transitions = TimeTransitions(
            self.subscriptions,
            self._check_reader,
            beats_are_live=lambda: self.beats.live,
            limits=self.limits,
        )
        self._facets = FacetPush(self.subscriptions, self._reader, **steady)
        self.gateway = Gateway(
            self.subscriptions,
            self._auth_reader,
            resync=self._resync,
            facets=self._facets,
            scheduler=self.scheduler,
            keep=self._keep,
            wake=self._wake.set,
            **clocks,
        )
        self._idle_timeouts = IdleTimeouts(self.subscriptions, close=self.gateway.close, **steady)
        self.reconciliation = Reconciliation(
            self.subscriptions,
            self.buffer,
            self._check_reader,
            self._timeline,
            clock=self._clock,
            monotonic=self._monotonic,
        )
        self._periodic_checks = PeriodicChecks(
            self.subscriptions,
            self.reconciliation,
            self._check_reader,
            close=self.gateway.close,
            beats_are_live=lambda: self.beats.live,
            **steady,
        )

    def start(self) -> None:
        self.listen()
        self._keep(asyncio.create_task(self._tick_loop()))
        self._keep(asyncio.create_task(self._every(self.limits.watch, self._watch_once)))
        self._keep(asyncio.create_task(self._every(self.limits.watch, self._periodic_checks.check)))
        self._keep(asyncio.create_task(self._every(self.limits.tick, self.conversations.push)))
        self._keep(asyncio.create_task(self._every(self.limits.drift, self.time_transitions.push)))

    def listen(self) -> None:
        """Connects both sources.

        Without the loops of `start` nothing is sent until `tick` is called.
        """
        for source in (self.listener, self.beats):
            self._keep(asyncio.create_task(source.run()))

    async def stop(self) -> None:
        await self.stop_loops()
        await self._reader.close()
        await self._check_reader.close()
        await self._auth_reader.close()

    async def stop_loops(self) -> None:
        for socket in list(self.subscriptions.sockets):
            self.gateway.leave(socket)
        await tasks.cancel_and_wait(*self._tasks)
        await self._notifier.stop()
        await self.scheduler.stop()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _every(self, pause: float, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(pause)
            try:
                await step()
            except Exception:
                log.exception("a step of the feed failed; the next one is taken")

    async def _watch_once(self) -> None:
        self.watch()

    async def _tick_loop(self) -> None:
        """A change is sent at once unless another just was; else it waits, like heartbeats, for the next tick."""
        begun = self._monotonic()
        while True:
            woken, begun = await self._is_woken(begun + self.limits.tick), self._monotonic()
            await self.tick()
            await self.scheduler.changes_sent()
            if woken:
                await asyncio.sleep(max(0.0, begun + self.limits.tick - self._monotonic()))

    async def _is_woken(self, due: float) -> bool:
        """Whether a change came before the next tick is due. Heartbeats wait for the tick."""
        try:
            async with asyncio.timeout(max(0.0, due - self._monotonic())):
                return await self._wake.wait()
        except TimeoutError:
            return False

    def _on_changes(self, changes: Changes) -> None:
        self.buffer.received.changed(changes, at=self._clock(), now=self._monotonic())
        self.reconciliation.on_changes(dict(changes))
        self._wake.set()

    def _on_beats(self, beats: HeardBeats) -> None:
        shown = self.subscriptions.shown
        for session_id, ms in beats:
            if session_id in shown:
                self.buffer.received.beat(session_id, ms)

    def _on_listening(self) -> None:
        """After a new subscription: commits since the lost one have to be read."""
        self.buffer.missed(self.outages.open.get(DATABASE, self._clock()))
        self._wake.set()

    def _on_subscribed(self) -> None:
        self.outages.end(BEATS)
        self.conversations.compare()
        self._keep(asyncio.create_task(self._read_beats()))
        self._push_status()

    async def _read_beats(self) -> None:
        self._on_beats(list((await self.beats.newest(list(self.subscriptions.shown))).items()))

    def _on_lost(self, source: str) -> None:
        self.outages.begin(source)
        self._push_status()

    async def tick(self) -> None:
        """Pushes received changes.

        If the database cannot be read they are kept for the next tick.
        """
        async with self._one_tick:
            self._wake.clear()
            batch = self.buffer.take()
            try:
                if batch or self._resync.waiting or self._broadcast.has_newcomers_due:
                    with metrics.TICK_SECONDS.time():
                        await self._push(batch)
                self._facets.wanted |= bool(batch.changes)
                await self._facets.push_when_due()
            except Exception as error:
                self.buffer.requeue(batch)
                self._log_once(error)
            except BaseException:
                self.buffer.requeue(batch)
                raise
            else:
                self.buffer.ack(batch)
                self._is_stuck = False
        self._push_status()

    async def _push(self, batch: Batch) -> None:
        if batch.gap:
            await self._timeline.read(self._reader)
            await compare(self.subscriptions, self._reader, batch, self._clock())
        if self._resync.waiting:
            await self._resync.answer(batch)
        await self._broadcast.broadcast(batch)
        self._notifier.add(batch.changes)

    def _log_once(self, error: Exception) -> None:
        """Once for an outage: the next ticks fail in the same way."""
        if not self._is_stuck:
            unexpected = None if isinstance(error, DatabaseUnavailable) else error
            log.warning("the feed cannot go on and tries again: %s", error, exc_info=unexpected)
        self._is_stuck = True

    def _push_status(self) -> None:
        if self.status.has_changed():
            for socket, subscription in self.subscriptions.sockets.items():
                if subscription is not None:
                    socket.keepalive_due = True
                    socket.schedule()

    def watch(self) -> None:
        jump = self.outages.check_clock()
        self._idle_timeouts.check(stood_still=jump is not None and jump.cause == "standstill")
        self._push_status()
