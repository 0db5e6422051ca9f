"""The hub: one per web process. Hears of changes, reads what is on screens, tells every page what is new."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agent_sessions import tasks

from ..watchdog.outages import Outage, OutageTracker
from . import metrics
from .limits import LIMITS, Limits
from .maintenance import IdleTimeouts, PeriodicChecks, Reconciliation, compare
from .push.agent_notifier import AgentNotifier, Announce
from .push.broadcast import Broadcast
from .push.conversation_push import ConversationPush, Stamps
from .push.facet_push import FacetPush
from .push.resync import Resync
from .push.time_transitions import TimeTransitions
from .restores import Timeline
from .sockets.gateway import Gateway
from .sockets.send_scheduler import SendScheduler
from .sources.postgres import Changes, PostgresSource
from .sources.valkey import Beats as HeardBeats
from .sources.valkey import ValkeySource
from .state.change_buffer import Batch, ChangeBuffer
from .state.database_thread import DatabaseThread, DatabaseUnavailable
from .state.subscriptions import SubscriptionRegistry
from .status import BEATS, DATABASE, Status

log = logging.getLogger(__name__)


class Hub:
    """Lives in the server's event loop. Loops call `tick`, `watch` and `check`; tests call them too."""

    def __init__(
        self,
        listen_parameters: Callable[[], dict[str, Any]],
        valkey_url: str,
        namespace: str,
        *,
        announce: Announce | None = None,
        talk_channel: str = "",
        read_talks: Stamps = lambda names: {},
        limits: Limits = LIMITS,
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
            self.subscriptions, read_talks, monotonic=monotonic, limits=limits
        )
        others = {talk_channel: self.conversations.heard} if talk_channel else {}
        self._make_sources(listen_parameters, valkey_url, namespace, others)
        self._make_senders()

    def _make_readers(self) -> None:
        self._reader = DatabaseThread("feed", timeout=self.limits.read)
        self._checks = DatabaseThread("feed-checks", timeout=self.limits.read)
        self._door = DatabaseThread("feed-door", timeout=self.limits.read)

    def _make_sources(
        self,
        parameters: Callable[[], dict[str, Any]],
        valkey_url: str,
        namespace: str,
        others: Mapping[str, Callable[[str], None]],
    ) -> None:
        self.listener = PostgresSource(
            parameters,
            heard=self._heard,
            connected=self._listening,
            lost=lambda: self._blind(DATABASE),
            monotonic=self._monotonic,
        )
        self.beats = ValkeySource(
            valkey_url,
            namespace,
            heard=self._heard_beats,
            connected=self._hearing_beats,
            lost=lambda: self._blind(BEATS),
            monotonic=self._monotonic,
            others=others,
        )

    def _make_senders(self) -> None:
        steady: dict[str, Any] = {"monotonic": self._monotonic, "limits": self.limits}
        clocks = {**steady, "clock": self._clock}
        self.status = Status(self.listener, self.beats, self.buffer, self.outages, **clocks)
        self.scheduler = SendScheduler(self.status.header, monotonic=self._monotonic)
        self._broadcast = Broadcast(
            self.subscriptions, self._reader, told=self.scheduler.changes_sent, **clocks
        )
        self._timeline = Timeline(self.subscriptions, close=lambda *why: self.gateway.close(*why))
        self._resync = Resync(
            self.subscriptions, self._reader, self.beats, self._timeline, clock=self._clock, limits=self.limits
        )  # fmt: skip
        self.time_transitions = TimeTransitions(
            self.subscriptions, self._checks, hears=lambda: self.beats.live, limits=self.limits
        )
        self._facets = FacetPush(self._reader, **steady)
        self.gateway = Gateway(
            self.subscriptions,
            self._door,
            resync=self._resync,
            facets=self._facets,
            scheduler=self.scheduler,
            keep=self._keep,
            wake=self._wake.set,
            **clocks,
        )
        self._idle_timeouts = IdleTimeouts(self.subscriptions, close=self.gateway.close, **steady)
        self._reconciliation = Reconciliation(
            self.subscriptions,
            self.buffer,
            self._checks,
            self._timeline,
            clock=self._clock,
            monotonic=self._monotonic,
        )
        self._periodic_checks = PeriodicChecks(
            self.subscriptions,
            self._reconciliation,
            self._checks,
            close=self.gateway.close,
            outages=self.outages,
            **steady,
        )

    # Its life

    def start(self) -> None:
        self.listen()
        self._keep(asyncio.create_task(self._tick_loop()))
        self._keep(asyncio.create_task(self._every(self.limits.watch, self._watch_once)))
        self._keep(asyncio.create_task(self._every(self.limits.watch, self.check)))
        self._keep(asyncio.create_task(self._every(self.limits.tick, self.conversations.tell)))
        self._keep(asyncio.create_task(self._every(self.limits.drift, self.time_transitions.tell)))

    def listen(self) -> None:
        """Opens both ears; who starts no more calls `tick`, `watch` and `check` himself."""
        for ear in (self.listener, self.beats):
            self._keep(asyncio.create_task(ear.run()))

    async def stop(self) -> None:
        await self.stop_loops()
        await self._reader.close()
        await self._checks.close()
        await self._door.close()

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
                log.exception("the feed stumbled and goes on")

    async def _watch_once(self) -> None:
        self.watch()

    async def _tick_loop(self) -> None:
        """A change goes out at once, unless another just did: then, and for beats, four times a second."""
        begun = self._monotonic()
        while True:
            woken, begun = await self._is_woken(begun + self.limits.tick), self._monotonic()
            await self.tick()
            await self.scheduler.changes_sent()
            if woken:
                await asyncio.sleep(max(0.0, begun + self.limits.tick - self._monotonic()))

    async def _is_woken(self, due: float) -> bool:
        """Before the next tick is due; beats wake nobody."""
        try:
            async with asyncio.timeout(max(0.0, due - self._monotonic())):
                return await self._wake.wait()
        except TimeoutError:
            return False

    # What it hears

    def _heard(self, changes: Changes) -> None:
        self.buffer.changed(changes, at=self._clock(), now=self._monotonic())
        self._reconciliation.heard(dict(changes))
        self._wake.set()

    def _heard_beats(self, beats: HeardBeats) -> None:
        shown = self.subscriptions.shown
        for session_id, ms in beats:
            if session_id in shown:
                self.buffer.beat(session_id, ms)

    def _listening(self) -> None:
        """Subscribed again; what was committed in between has to be read."""
        self.buffer.missed(self.outages.open.get(DATABASE, self._clock()))
        self._wake.set()

    def _hearing_beats(self) -> None:
        self.outages.end(BEATS)
        self.conversations.compare()
        self._keep(asyncio.create_task(self._read_beats()))
        self._tell_status()

    async def _read_beats(self) -> None:
        self._heard_beats(list((await self.beats.newest(list(self.subscriptions.shown))).items()))

    def _blind(self, cause: str) -> None:
        self.outages.begin(cause)
        self._tell_status()

    @property
    def blind_since(self) -> float | None:
        """Seconds since the epoch, or None while both ears hear."""
        return self.outages.since

    @property
    def blind_intervals(self) -> list[Outage]:
        return self.outages.outages()

    # What it tells

    async def tick(self) -> None:
        """Passes on what was heard. What cannot be read now is kept for the next tick."""
        async with self._one_tick:
            self._wake.clear()
            work = self.buffer.take()
            try:
                if work or self._resync.waiting or self._broadcast.has_newcomers_due:
                    with metrics.TICK_SECONDS.time():
                        await self._tell(work)
                await self._tell_counts(work)
            except Exception as error:
                self.buffer.requeue(work)
                self._complain(error)
            except BaseException:
                self.buffer.requeue(work)
                raise
            else:
                self.buffer.ack(work)
                self._is_stuck = False
        self._tell_status()

    async def _tell(self, work: Batch) -> None:
        if work.gap:
            await self._timeline.read(self._reader)
            await compare(self.subscriptions, self._reader, work, self._clock())
        await self._resync.answer(work)
        await self._broadcast.broadcast(work)
        self._notifier.add(work.changes)

    async def _tell_counts(self, work: Batch) -> None:
        self._facets.wanted |= bool(work.changes)
        lists = self.subscriptions.lists()
        if lists and self._facets.is_due():
            await self._facets.tell(lists)

    def _complain(self, error: Exception) -> None:
        """Once for each time that it begins: the next ticks try the same again."""
        if not self._is_stuck:
            unexpected = None if isinstance(error, DatabaseUnavailable) else error
            log.warning("the feed cannot go on and tries again: %s", error, exc_info=unexpected)
        self._is_stuck = True

    def _tell_status(self) -> None:
        if self.status.has_changed():
            for socket, subscription in self.subscriptions.sockets.items():
                if subscription is not None:
                    socket.keepalive_due = True
                    socket.schedule()

    # What it does by the clock

    def watch(self) -> None:
        jump = self.outages.check_clock()
        self._idle_timeouts.look(stood_still=jump is not None and jump.cause == "standstill")
        self._tell_status()

    async def reconcile(self) -> None:
        """What no notification told is found here. Raises DatabaseUnavailable."""
        await self._reconciliation.compare()

    async def check(self) -> None:
        await self._periodic_checks.check(beats_are_live=self.beats.live)
