"""What one process knows of sessions without asking PostgreSQL, and when it may believe it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from agent_sessions.change_subscriber import ChangeSubscriber
from agent_sessions.keys import Keys
from agent_sessions.models import AgentSession, Head
from agent_sessions.states import SessionState
from agent_sessions.valkey_cache import Text, ValkeyCache, copy_in
from agent_sessions.valkey_client import AWAY

if TYPE_CHECKING:
    from agent_sessions.run import Run

logger = logging.getLogger(__name__)

CACHED_BYTES = 64 * 1024  # larger sessions are read again rather than kept


class SessionCache:
    """Heads and copies of the sessions that are followed; bounded, and forgotten at every doubt.

    Only while every change is heard (`trusted`) is anything here an answer. Without Valkey nothing is.
    """

    def __init__(
        self, client: Any, keys: Keys, ttl: timedelta, *, durable: bool, size: int
    ) -> None:
        self._durable = durable
        self._size = size
        # As JSON until it is asked for again: most are read once.
        self._sessions: OrderedDict[str, AgentSession | Text] = OrderedDict()
        self._heads: dict[str, Head] = {}
        self._timeline: str | None = None  # as the database said last
        self._followed: OrderedDict[str, None] = OrderedDict()
        self._unpublished: dict[str, Head] = {}
        # Whose word is on its way without anybody waiting for it, and what is to be told after it.
        self._in_flight: dict[str, Head | None] = {}
        self._listeners: dict[str, set[Run]] = {}
        # Called when a change could not be announced: someone has to try again.
        self.on_unpublished: Callable[[], None] = lambda: None
        self.copies: ValkeyCache | None = None
        self._subscriber: ChangeSubscriber | None = None
        if client is not None:
            self.copies = ValkeyCache(client, keys, ttl, durable=durable)
            self._subscriber = ChangeSubscriber(
                client,
                keys,
                on_change=self.hear,
                on_lost=self.invalidate_all,
                on_live=self.invalidate_all,
            )

    @property
    def trusted(self) -> bool:
        return self._subscriber is not None and self._subscriber.live

    def begin_following(self, session_id: str) -> None:
        if self._subscriber is not None:
            self._followed[session_id] = None
            self._followed.move_to_end(session_id)
            self._subscriber.subscribe(session_id)
            self._shrink()

    def is_subscribed(self, session_id: str) -> bool:
        return self._subscriber is not None and self._subscriber.is_subscribed(session_id)

    async def follow(self, session_id: str) -> bool:
        """True when every later change will be heard."""
        self.begin_following(session_id)
        return self._subscriber is not None and await self._subscriber.follow(session_id)

    def head(self, session_id: str) -> Head | None:
        return self._heads.get(session_id) if self.trusted else None

    def session(self, session_id: str) -> AgentSession | None:
        """A copy for the caller alone; whether it is the newest is not known."""
        if self._subscriber is not None:
            self._subscriber.start()
        kept = self._sessions.pop(session_id, None) if self.trusted else None
        if isinstance(kept, str | bytes):
            kept = copy_in(kept, session_id)
        if kept is None:
            return None
        self._sessions[session_id] = kept
        return kept.copy()

    def observe(self, head: Head, *, keep: bool = True) -> None:
        """This is how the session is now, unless something newer is known. Kept only when what follows is heard."""
        self.enter(head.timeline)
        self._take(head, keep=keep)

    def hear(self, head: Head) -> None:
        """Word from another process. Of another timeline it says no more than that PostgreSQL has to be asked."""
        if head.timeline == self._timeline:
            self._take(head, keep=True)
            return
        self._sessions.pop(head.session_id, None)
        self._heads.pop(head.session_id, None)
        for run in self._listeners.get(head.session_id, ()):
            run.on_head(None)

    def enter(self, timeline: str | None) -> None:
        """What the database says now. Once it was restored or failed over, what was known counts as nothing."""
        if timeline == self._timeline:
            return
        if self._timeline is not None:
            logger.warning(
                "the database was restored or failed over: what was known of it is forgotten"
            )
            self.invalidate_all()
        self._timeline = timeline

    def _take(self, head: Head, *, keep: bool) -> None:
        known = self._heads.get(head.session_id)
        if known is not None and _is_older(head, known):
            return
        if known is not None and known != head:
            self._sessions.pop(head.session_id, None)
        if keep and self.is_subscribed(head.session_id):
            self._heads[head.session_id] = head
            self._followed.move_to_end(head.session_id)
        for run in self._listeners.get(head.session_id, ()):
            run.on_head(head)

    def forget(self, session_id: str) -> None:
        """The record has no such session any more: the next question for it is answered by the store."""
        self._heads.pop(session_id, None)
        self._sessions.pop(session_id, None)
        for run in self._listeners.get(session_id, ()):
            run.on_head(None)

    def put(
        self,
        session: AgentSession,
        *,
        heard: bool = False,
        in_valkey: bool = False,
        text: Text | None = None,
    ) -> None:
        """Keep a session that was just read, here and soon in Valkey; never over a newer one.

        `heard`: it was followed before it was read. `text` is its JSON, where that is known.
        """
        known = self._heads.get(session.session_id)
        if not self._durable or (known is not None and _is_older(session.head, known)):
            return
        self.observe(session.head, keep=heard)
        # Not by msgspec, which writes an infinity as null: so it stays unreadable, and PostgreSQL is asked.
        text = text or json.dumps(session.to_dict())
        if self.trusted and len(text) <= CACHED_BYTES:
            self._sessions[session.session_id] = text
            self._sessions.move_to_end(session.session_id)
            self._shrink()
        if in_valkey or self.copies is None or session.state == SessionState.DELETED:
            return
        self.copies.put_soon(session, text)

    async def settle(self) -> None:
        """Until what is kept is in Valkey too, and what was to be told soon is told, as far as it can be."""
        if self.copies is not None:
            await self.copies.settle()
            await self.copies.settle()  # a newer word may have waited for the one before it

    async def copies_of(self, session_ids: Sequence[str]) -> Sequence[Text | None]:
        """Valkey's copies as JSON; whether they are the newest is not known."""
        if self.copies is not None:
            try:
                return await self.copies.get(session_ids)
            except AWAY as error:
                logger.debug("no copies from Valkey: %s", error)
        return [None] * len(session_ids)

    async def publish(self, head: Head) -> None:
        self.observe(head)
        await self._publish_head(head)

    def publish_soon(self, head: Head) -> None:
        """As `publish`, for who does not wait. While word of a session is on its way, only the newest waits behind it."""
        self.observe(head)
        if self.copies is None:
            return
        if head.session_id not in self._in_flight:
            self._publish_in_background(self.copies, head)
            return
        behind = self._in_flight[head.session_id]
        if behind is None or not _is_older(head, behind):
            self._in_flight[head.session_id] = head

    def _publish_in_background(self, copies: ValkeyCache, head: Head) -> None:
        self._in_flight[head.session_id] = None

        def told() -> None:
            newer = self._in_flight.pop(head.session_id)
            if newer is not None:
                self._publish_in_background(copies, newer)

        def refused(error: BaseException) -> None:
            self._requeue(self._in_flight.pop(head.session_id) or head, error)

        copies.announce_soon(head, told, refused)

    async def publish_all(self, heads: Iterable[Head]) -> None:
        await asyncio.gather(*(self._publish_head(head) for head in heads))

    async def _publish_head(self, head: Head) -> None:
        """PostgreSQL has it, so it is stored; word of it that cannot be given now is owed."""
        if self.copies is None:
            return
        try:
            await self.copies.announce(head)
        except AWAY as error:
            self._requeue(head, error)

    def _requeue(self, head: Head, error: BaseException) -> None:
        logger.warning("a change could not be announced yet: %s", error)
        self._unpublished[head.session_id] = head
        self.on_unpublished()

    async def publish_unpublished(self) -> None:
        waiting, self._unpublished = list(self._unpublished.values()), {}
        await self.publish_all(waiting)

    def add_listener(self, run: Run) -> None:
        self._listeners.setdefault(run.session.session_id, set()).add(run)

    def remove_listener(self, run: Run) -> None:
        runs = self._listeners.get(run.session.session_id, set())
        runs.discard(run)
        if not runs:
            self._listeners.pop(run.session.session_id, None)

    async def close(self) -> None:
        if self.copies is not None:
            await self.copies.close()
        if self._subscriber is not None:
            await self._subscriber.close()

    def invalidate_all(self) -> None:
        self._sessions.clear()
        self._heads.clear()
        for runs in self._listeners.values():
            for run in runs:
                run.on_head(None)

    def _shrink(self) -> None:
        while len(self._sessions) > self._size:
            self._sessions.popitem(last=False)
        while len(self._followed) > self._size:
            session_id, _ = self._followed.popitem(last=False)
            self._heads.pop(session_id, None)
            if self._subscriber is not None:
                self._subscriber.unfollow(session_id)


def _is_older(head: Head, known: Head) -> bool:
    """Versions of different timelines are not compared: what comes later replaces what was there."""
    return head.timeline == known.timeline and head.version < known.version
