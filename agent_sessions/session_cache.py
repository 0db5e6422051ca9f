"""Heads and copies of sessions in one process, and when they may be used without asking PostgreSQL."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict

from agent_sessions.change_subscriber import ChangeSubscriber
from agent_sessions.listeners import HeadListeners
from agent_sessions.models import AgentSession, Head
from agent_sessions.states import SessionState
from agent_sessions.valkey_cache import ValkeyCache, ValkeyText, copy_in

logger = logging.getLogger(__name__)

CACHED_BYTES = 64 * 1024  # larger sessions are read again rather than kept


class SessionCache:
    """Heads of subscribed sessions and copies; bounded, and cleared when a change may have been missed.

    Used only while `trusted`, which needs a live subscription: without Valkey every query goes to the store.
    """

    def __init__(
        self,
        subscriber: ChangeSubscriber | None,
        valkey: ValkeyCache | None,
        listeners: HeadListeners,
        *,
        durable: bool,
        size: int,
    ) -> None:
        self._subscriber = subscriber
        self._valkey = valkey
        self._listeners = listeners
        self._durable = durable
        self._size = size
        # As JSON until it is asked for again: most are read once.
        self._sessions: OrderedDict[str, AgentSession | ValkeyText] = OrderedDict()
        self._heads: dict[str, Head] = {}
        self._timeline: str | None = None  # of the database's newest answer
        self._followed: OrderedDict[str, None] = OrderedDict()
        if subscriber is not None:
            subscriber.on_change = self.observe_announced
            # Changes before the subscription was live, or after it was lost, were not announced to this process.
            subscriber.on_live = subscriber.on_lost = self.invalidate_all

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
        """True if every later change will be announced to this process."""
        self.begin_following(session_id)
        return self._subscriber is not None and await self._subscriber.follow(session_id)

    def head(self, session_id: str) -> Head | None:
        return self._heads.get(session_id) if self.trusted else None

    def session(self, session_id: str) -> AgentSession | None:
        """A copy for the caller alone, which may not be the newest."""
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
        """Caches a head while subscribed, and calls the listeners with it; does nothing if a newer one is known.

        `keep`: false if the session was not subscribed before the head was read: a change in between would be missed.
        """
        if head.timeline != self._timeline:
            self._enter(head.timeline)
        self._take(head, keep=keep)

    def observe_announced(self, head: Head) -> None:
        """A head announced by any process. One of another timeline only means that PostgreSQL has to be asked."""
        if head.timeline == self._timeline:
            self._take(head, keep=True)
        else:
            self.forget(head.session_id)

    def _enter(self, timeline: str | None) -> None:
        """The database was restored or failed over: all known versions are invalid."""
        if self._timeline is not None:
            logger.warning(
                "the database was restored or failed over: what was known of it is forgotten"
            )
            self.invalidate_all()
        self._timeline = timeline

    def _take(self, head: Head, *, keep: bool) -> None:
        known = self._heads.get(head.session_id)
        if known is not None and is_older(head, known):
            return
        if known is not None and known != head:
            self._sessions.pop(head.session_id, None)
        if keep and self.is_subscribed(head.session_id):
            self._heads[head.session_id] = head
            self._followed.move_to_end(head.session_id)
        self._listeners.call(head.session_id, head)

    def forget(self, session_id: str) -> None:
        """The next query for this session goes to the store."""
        self._heads.pop(session_id, None)
        self._sessions.pop(session_id, None)
        self._listeners.call(session_id, None)

    def put(
        self,
        session: AgentSession,
        *,
        followed: bool = False,
        in_valkey: bool = False,
        text: ValkeyText | None = None,
    ) -> None:
        """Caches a session that was just read, here and soon in Valkey; never replaces a newer one.

        `followed`: it was subscribed before it was read. `text` is its JSON, if known.
        """
        known = self._heads.get(session.session_id)
        if not self._durable or (known is not None and is_older(session.head, known)):
            return
        self.observe(session.head, keep=followed)
        # Not by msgspec, which writes an infinity as null: the copy would be readable and wrong. As it is, it is
        # unreadable, and PostgreSQL is asked.
        text = text or json.dumps(session.to_dict())
        if self.trusted and len(text) <= CACHED_BYTES:
            self._sessions[session.session_id] = text
            self._sessions.move_to_end(session.session_id)
            self._shrink()
        if in_valkey or self._valkey is None or session.state == SessionState.DELETED:
            return
        self._valkey.put_soon(session, text)

    def invalidate_all(self) -> None:
        self._sessions.clear()
        self._heads.clear()
        self._listeners.call_all()

    def _shrink(self) -> None:
        while len(self._sessions) > self._size:
            self._sessions.popitem(last=False)
        while len(self._followed) > self._size:
            session_id, _ = self._followed.popitem(last=False)
            self._heads.pop(session_id, None)
            if self._subscriber is not None:
                self._subscriber.unfollow(session_id)


def is_older(head: Head, known: Head) -> bool:
    """Versions of different timelines are not comparable: the later one replaces the other."""
    return head.timeline == known.timeline and head.version < known.version
