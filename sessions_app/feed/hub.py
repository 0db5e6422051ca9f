"""The hub: one per web process. Hears of changes, reads what is on screens, tells every page what is new."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agent_sessions import tasks

from . import metrics
from .announcer import Announce, Announcer
from .audience import Audience
from .beats import BeatListener
from .beats import Beats as HeardBeats
from .blindness import Blindness, Interval
from .catchup import CatchUp
from .courier import Courier
from .delivery import Delivery
from .drift import Drift
from .limits import LIMITS, Limits
from .listener import Changes, Listener
from .pages import Pages
from .pending import Pending, Work
from .reader import DatabaseAway, Reader
from .restores import Timeline
from .status import BEATS, DATABASE, Status
from .talks import Stamps, Talks
from .tally import Tally
from .upkeep import Reconciliation, SocketCare, Timetable, compare

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
        self.audience, self.pending = Audience(), Pending()
        self.blindness = Blindness((DATABASE, BEATS), clock=clock, monotonic=monotonic)
        self._wake = asyncio.Event()
        self._one_tick = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stuck = False
        self._make_readers()
        self._announcer = Announcer(announce)
        self.talks = Talks(self.audience, read_talks, monotonic=monotonic, limits=limits)
        others = {talk_channel: self.talks.heard} if talk_channel else {}
        self._make_ears(listen_parameters, valkey_url, namespace, others)
        self._make_voices()

    def _make_readers(self) -> None:
        self._reader = Reader("feed", timeout=self.limits.read)
        self._checks = Reader("feed-checks", timeout=self.limits.read)
        self._door = Reader("feed-door", timeout=self.limits.read)

    def _make_ears(
        self,
        parameters: Callable[[], dict[str, Any]],
        valkey_url: str,
        namespace: str,
        others: Mapping[str, Callable[[str], None]],
    ) -> None:
        self.listener = Listener(
            parameters,
            heard=self._heard,
            connected=self._listening,
            lost=lambda: self._blind(DATABASE),
            monotonic=self._monotonic,
        )
        self.beats = BeatListener(
            valkey_url,
            namespace,
            heard=self._heard_beats,
            connected=self._hearing_beats,
            lost=lambda: self._blind(BEATS),
            monotonic=self._monotonic,
            others=others,
        )

    def _make_voices(self) -> None:
        steady: dict[str, Any] = {"monotonic": self._monotonic, "limits": self.limits}
        clocks = {**steady, "clock": self._clock}
        self.status = Status(self.listener, self.beats, self.pending, self.blindness, **clocks)
        self.courier = Courier(self.status.header, monotonic=self._monotonic)
        self._delivery = Delivery(self.audience, self._reader, told=self.courier.told, **clocks)
        self._timeline = Timeline(self.audience, close=lambda *why: self.pages.close(*why))
        self._catch_up = CatchUp(
            self.audience, self._reader, self.beats, self._timeline, clock=self._clock, limits=self.limits
        )  # fmt: skip
        self.drift = Drift(
            self.audience, self._checks, hears=lambda: self.beats.live, limits=self.limits
        )
        self._tally = Tally(self._reader, **steady)
        self.pages = Pages(
            self.audience,
            self._door,
            catch_up=self._catch_up,
            tally=self._tally,
            courier=self.courier,
            keep=self._keep,
            wake=self._wake.set,
            **clocks,
        )
        self._care = SocketCare(self.audience, close=self.pages.close, **steady)
        self._reconciliation = Reconciliation(
            self.audience,
            self.pending,
            self._checks,
            self._timeline,
            clock=self._clock,
            monotonic=self._monotonic,
        )
        self._timetable = Timetable(
            self.audience,
            self._reconciliation,
            self._checks,
            close=self.pages.close,
            blindness=self.blindness,
            **steady,
        )

    # Its life

    def start(self) -> None:
        self.listen()
        self._keep(asyncio.create_task(self._tick_loop()))
        self._keep(asyncio.create_task(self._every(self.limits.watch, self._watch_once)))
        self._keep(asyncio.create_task(self._every(self.limits.watch, self.check)))
        self._keep(asyncio.create_task(self._every(self.limits.tick, self.talks.tell)))
        self._keep(asyncio.create_task(self._every(self.limits.drift, self.drift.tell)))

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
        for socket in list(self.audience.sockets):
            self.pages.leave(socket)
        await tasks.cancel_and_wait(*self._tasks)
        await self._announcer.stop()
        await self.courier.stop()

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
            await self.courier.told()
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
        self.pending.changed(changes, at=self._clock(), now=self._monotonic())
        self._reconciliation.heard(dict(changes))
        self._wake.set()

    def _heard_beats(self, beats: HeardBeats) -> None:
        shown = self.audience.shown
        for session_id, ms in beats:
            if session_id in shown:
                self.pending.beat(session_id, ms)

    def _listening(self) -> None:
        """Subscribed again; what was committed in between has to be read."""
        self.pending.missed(self.blindness.open.get(DATABASE, self._clock()))
        self._wake.set()

    def _hearing_beats(self) -> None:
        self.blindness.end(BEATS)
        self.talks.compare()
        self._keep(asyncio.create_task(self._read_beats()))
        self._tell_status()

    async def _read_beats(self) -> None:
        self._heard_beats(list((await self.beats.newest(list(self.audience.shown))).items()))

    def _blind(self, cause: str) -> None:
        self.blindness.begin(cause)
        self._tell_status()

    @property
    def blind_since(self) -> float | None:
        """Seconds since the epoch, or None while both ears hear."""
        return self.blindness.since

    @property
    def blind_intervals(self) -> list[Interval]:
        return self.blindness.intervals()

    # What it tells

    async def tick(self) -> None:
        """Passes on what was heard. What cannot be read now is kept for the next tick."""
        async with self._one_tick:
            self._wake.clear()
            work = self.pending.take()
            try:
                if work or self._catch_up.waiting or self._delivery.has_newcomers_due:
                    with metrics.TICK_SECONDS.time():
                        await self._tell(work)
                await self._tell_counts(work)
            except Exception as error:
                self.pending.put_back(work)
                self._complain(error)
            except BaseException:
                self.pending.put_back(work)
                raise
            else:
                self.pending.done(work)
                self._is_stuck = False
        self._tell_status()

    async def _tell(self, work: Work) -> None:
        if work.gap:
            await self._timeline.read(self._reader)
            await compare(self.audience, self._reader, work, self._clock())
        await self._catch_up.answer(work)
        await self._delivery.deliver(work)
        self._announcer.note(work.changes)

    async def _tell_counts(self, work: Work) -> None:
        self._tally.wanted |= bool(work.changes)
        lists = self.audience.lists()
        if lists and self._tally.is_due():
            await self._tally.tell(lists)

    def _complain(self, error: Exception) -> None:
        """Once for each time that it begins: the next ticks try the same again."""
        if not self._is_stuck:
            unexpected = None if isinstance(error, DatabaseAway) else error
            log.warning("the feed cannot go on and tries again: %s", error, exc_info=unexpected)
        self._is_stuck = True

    def _tell_status(self) -> None:
        if self.status.has_changed():
            for socket in self.audience.sockets:
                if socket.subscription is not None:
                    socket.due = True
                    socket.wake()

    # What it does by the clock

    def watch(self) -> None:
        jump = self.blindness.look()
        self._care.look(stood_still=jump is not None and jump.cause == "standstill")
        self._tell_status()

    async def reconcile(self) -> None:
        """What no notification told is found here. Raises DatabaseAway."""
        await self._reconciliation.compare()

    async def check(self) -> None:
        await self._timetable.check(beats_are_live=self.beats.live)
