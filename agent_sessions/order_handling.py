"""What a run does at a safe point: obey an order, and confirm it."""

from __future__ import annotations

import asyncio
import logging
from types import CodeType
from typing import Any

from agent_sessions.active_parts import Count, Parts
from agent_sessions.errors import (
    Completed,
    Deleted,
    Failed,
    HandedBack,
    OrderReceived,
    Restored,
    RolledBack,
    SessionError,
    SessionNotFound,
    StorageUnavailable,
    TakenOver,
    UsageError,
)
from agent_sessions.lease_owner import Lease
from agent_sessions.manager_protocol import RunManager
from agent_sessions.models import AgentSession, Head
from agent_sessions.states import LIVE_STATES, SessionState
from agent_sessions.transitions import newest_own

logger = logging.getLogger(__name__)

# Seconds between two counts of the parts at work during a pause: no event shows that a part only awaits others
LOOK_AGAIN = 0.25

_ENDS: dict[SessionState, type[OrderReceived]] = {
    SessionState.FAILED: Failed,
    SessionState.COMPLETED: Completed,
    SessionState.DELETED: Deleted,
}


class SafePoints:
    """The part of a run that looks for orders, obeys and confirms them."""

    def __init__(
        self,
        manager: RunManager,
        session: AgentSession,
        lease: Lease,
        calls: frozenset[CodeType],
    ) -> None:
        self.session = session
        self.lease = session.lease = lease
        self.order: OrderReceived | None = None  # the order that ended the work of this run
        self.parts = Parts(self, calls, self._wake)
        self._manager = manager
        self._asked_to_stop = self._left = False
        self._seen: Head | None = None
        # Counts changes, so that no task misses one that another task has reacted to.
        self._changes = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._reported: tuple[int, Count] | None = None
        # head of the order that ended the work, to be acknowledged when the block is left
        self._unacknowledged: Head | None = None

    def on_head(self, head: Head | None) -> None:
        """Called with the session's new head; None if it has to be read."""
        if head is None or head != self._seen:
            self._wake()

    def stop(self) -> None:
        """Makes the next safe point raise `HandedBack`; the session stays open for the next owner."""
        self._asked_to_stop = True
        self._wake()

    def leave(self) -> None:
        self.parts.leave()
        self._left = True

    def _require_inside(self) -> None:
        """Raises UsageError or HandedBack after the block was left: the session may have another owner by then."""
        if not self._left or self.session.state not in LIVE_STATES:
            return
        if isinstance(self.order, HandedBack):
            raise self.order.again()
        if self.order is None:
            raise UsageError(
                f"the block of attach was left, and with it session {self.session.session_id}: nothing was stored;"
                " await every task that shares the run inside of the block"
            )

    async def until_over(self) -> None:
        """Returns when an order has ended the work, or another process took the session over."""
        while self.order is None:
            known = self._changes
            try:
                if self._is_over(await self._look()):
                    return
            except SessionNotFound:
                return
            except StorageUnavailable as error:
                logger.debug("pending orders cannot be read: %s", error)
            await self._wait_for_change(known)

    async def _look(self) -> Head:
        head = await self._manager.head(self.session.session_id)
        if head != self._seen:
            self._seen = head
            self._wake()
        return head

    def _wake(self) -> None:
        self._changes += 1
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def _wait_for_change(self, known: int, seconds: float | None = None) -> bool:
        """False if `seconds` passed without a change."""
        if self._changes != known:
            return True
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            done, _ = await asyncio.wait([waiting], timeout=seconds)
        finally:
            self._waiting.discard(waiting)
        return bool(done)

    async def _apply_orders(self) -> None:
        self._require_inside()
        task = self.parts.called()
        try:
            await self._obey_in(task)
        finally:
            self.parts.go_on(task)

    async def _obey_in(self, task: asyncio.Task[Any] | None) -> None:
        waited = False
        while True:
            known = self._changes
            head = await self._look()
            if self._is_over(head):
                raise await self._order_received(await self._record())
            if self._asked_to_stop:
                self.order = HandedBack(self.session)
                raise self.order
            if head.state == SessionState.PAUSED:
                waited = True
                self.parts.wait(task)
                await self._stay_paused(head, known)
                continue
            if head.order_open:
                await self._acknowledge(head)
                # A pause that was stored before the confirmation stands confirmed now: no step may follow.
                if (await self._look()).state != head.state:
                    continue
            if waited or self._is_behind(head):
                # the agent goes on with what others changed meanwhile, not with its copy from before the pause
                await self._manager.renew(self.session)
                waited = False
            else:
                return

    async def _stay_paused(self, head: Head, known: int) -> None:
        """Acknowledges the pause once no part of the run is at work; until then reports them."""
        if not head.order_open:
            await self._wait_for_change(known)
        elif not (counted := self.parts.count()).at_work:
            await self._acknowledge(head)
        elif not await self._wait_for_change(known, LOOK_AGAIN):
            await self._report(head, counted)

    async def _report(self, head: Head, counted: Count) -> None:
        report = head.order_version, counted
        if self._reported == report:
            return
        self._reported = report
        try:
            await self._manager.report_parts(head.session_id, head.order_version, *counted)
        except StorageUnavailable as error:
            self._reported = None
            logger.warning("the parts at work could not be reported: %s", error)

    def _is_behind(self, head: Head) -> bool:
        base = self.session.loaded
        return base is not None and (
            base.state != head.state or base.order_version != head.order_version
        )

    async def _acknowledge(self, head: Head) -> None:
        if head.order_open:
            await self._manager.acknowledge(head.session_id, head.order_version)

    def _is_over(self, head: Head) -> bool:
        return (
            head.epoch != self.session.epoch
            or head.state not in LIVE_STATES
            or head.timeline != self.session.timeline
        )

    async def known_order(self) -> OrderReceived | None:
        """The order that ended this work; None if the head, which may be a cached one, shows none."""
        head = await self._manager.head(self.session.session_id)
        return await self._order_received(await self._record()) if self._is_over(head) else None

    async def stored_order(self) -> OrderReceived | None:
        session = await self._record()
        return await self._order_received(session) if self._is_over(session.head) else None

    async def _record(self) -> AgentSession:
        session = await self._manager.read(self.session.session_id)
        if session is None:
            raise SessionNotFound(self.session.session_id)
        return session

    async def _order_received(self, session: AgentSession) -> OrderReceived:
        self.lease.inform()
        end = _ENDS.get(session.state)
        others = session.owner_id not in (None, self.lease.owner_id)
        if end is not None:
            self.order = end(session)
        elif session.timeline != self.session.timeline:
            # an order that the restored row holds was not given to this work, and is not confirmed by its end
            self.order = Restored(session, newest_own(session.checkpoints))
            return self.order
        elif others or session.order_version == self.session.order_version:
            self.order = TakenOver(session)
        else:
            self.order = RolledBack(session, await self._manager.restart_point(session))
        if not others:  # else the order is for the owner to confirm
            self._unacknowledged = session.head
        if not self.parts.count(asyncio.current_task()).at_work:
            self.session.lease = None  # no write from now on was begun before the order
        return self.order

    async def acknowledge_end(self) -> None:
        """Acknowledges the order that ended the work; called when the block is left, as its code may run until then."""
        if self._unacknowledged is not None:
            try:
                await self._acknowledge(self._unacknowledged)
            except SessionError as error:  # the order itself must leave the block, not this error
                logger.warning("an order could not be confirmed: %s", error)

    def raise_if_ended(self) -> None:
        if self.session.state not in LIVE_STATES:
            raise _ENDS[self.session.state](self.session)
