"""Stores an agent's changes of its copy without losing changes of others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

from agent_sessions import save_rules
from agent_sessions.change_set import ChangeSet
from agent_sessions.errors import SessionNotFound, StorageUnavailable, TimelineChanged, WriteRefused
from agent_sessions.json_merge import diff
from agent_sessions.models import AgentSession, Head
from agent_sessions.publisher import ChangePublisher
from agent_sessions.session_cache import SessionCache
from agent_sessions.stores.postgres import PostgresStore
from agent_sessions.stores.store import Store
from agent_sessions.write_commands import Author, Rejected, Write, Written

# The array of old agents is brought up to date when it lacks this many checkpoints.
ARRAY_BEHIND = 100


class SessionWriter:
    def __init__(
        self,
        store: Store,
        cache: SessionCache,
        publisher: ChangePublisher,
    ) -> None:
        self._store = store
        self._cache = cache
        self._publisher = publisher
        self._on_their_way: set[asyncio.Task[bool]] = set()

    async def save(self, session: AgentSession, author: Author) -> bool:
        """Stores and announces the changes; False without any, so that a heartbeat is enough.

        The write continues if its caller is cancelled: the copy must be updated with the outcome.
        """
        sent = self._append(session, author)
        if sent is None:
            return await asyncio.shield(self._task(self._save_serialised(session, author)))
        written = await sent
        if written is not None and _is_behind(written):
            await self._store.refresh_array(session.session_id)
        return True

    async def renew(self, session: AgentSession) -> None:
        """Updates the copy from the store; unsaved changes stay, and are written next."""
        async with session.save_lock:
            base = session.loaded or await self._base_of(session)
            if session.attempt is not None:
                await self._resolve_unknown_outcome(session, base, session.attempt)
                base = session.loaded or base
            followed = self._cache.is_subscribed(session.session_id)
            stored = await self._store.read(session.session_id)
            if stored is None:
                raise SessionNotFound(session.session_id)
            save_rules.renew(session, base, stored.mark_clean())
        self._cache.observe(stored.head, keep=followed)

    async def close(self) -> None:
        """Waits for writes in flight."""
        await self._store.close()
        while self._on_their_way:
            await asyncio.gather(*self._on_their_way, return_exceptions=True)

    def _append(
        self, session: AgentSession, author: Author
    ) -> asyncio.Future[Written | None] | None:
        """Sends checkpoints and context without a task of their own; None if nothing was sent and a task is needed."""
        base, store = session.loaded, self._store
        if base is None or session.attempt is not None or not isinstance(store, PostgresStore):
            return None
        if not session.save_lock.take():
            return None
        attempt = None
        try:
            attempt = save_rules.change_set_of(session, base)
        finally:
            if attempt is None:
                session.save_lock.release()
        if attempt is None:
            return None
        if not save_rules.is_append(attempt, base):
            session.save_lock.release()
            return None
        return self._submit(store, session, base, attempt, author)

    def _submit(
        self,
        store: PostgresStore,
        session: AgentSession,
        base: AgentSession,
        attempt: ChangeSet,
        author: Author,
    ) -> asyncio.Future[Written | None]:
        """Keeps the lock until the answer arrives, even if the caller is cancelled."""
        future: asyncio.Future[Written | None] = asyncio.get_running_loop().create_future()

        def stored(written: Written) -> None:
            session.attempt = None
            save_rules.apply_ack(session, base, attempt, written)
            session.save_lock.release()
            # Not awaited: a reader compares every copy with PostgreSQL, so a late announcement makes no copy wrong.
            self._publisher.publish_soon(written.head)
            _pass_on(future, written)

        def refused(error: BaseException) -> None:
            if isinstance(error, Rejected):
                saving = self._task(self._after_a_guard(session, base, attempt, author))
                saving.add_done_callback(lambda task: _pass_on(future, task))
                return
            if isinstance(error, Exception) and not isinstance(error, StorageUnavailable):
                session.attempt = None
            session.save_lock.release()
            _pass_on(future, error)

        session.attempt = attempt
        write = save_rules.to_write(session, base, attempt, author)
        store.writes.send(session.session_id, write, stored, refused)
        return future

    def _task(self, saving: Coroutine[Any, Any, bool]) -> asyncio.Task[bool]:
        task = asyncio.create_task(saving)
        self._on_their_way.add(task)
        task.add_done_callback(self._arrived)
        return task

    def _arrived(self, task: asyncio.Task[bool]) -> None:
        self._on_their_way.discard(task)
        if not task.cancelled():
            task.exception()  # read, so that asyncio logs nothing; the caller gets it as well, unless it was cancelled

    async def _save_serialised(self, session: AgentSession, author: Author) -> bool:
        """Serialises saves of tasks that share a copy; each saves the copy's state when it gets the lock."""
        async with session.save_lock:
            base = session.loaded or await self._base_of(session)
            if session.attempt is not None:
                await self._resolve_unknown_outcome(session, base, session.attempt)
                base = session.loaded or base
            resent = session.attempt is not None
            attempt = save_rules.change_set_of(session, base)
            if attempt is None:
                return False
            session.attempt = attempt
            if resent or not save_rules.is_append(attempt, base):
                writing = self._save_locked(session, base, attempt, author, resent=resent)
            else:
                writing = self._save_fast(session, base, attempt, author)
            head = await self._end(session, base, attempt, author, writing)
        await self._publisher.publish(head)
        return True

    async def _end(
        self,
        session: AgentSession,
        base: AgentSession,
        attempt: ChangeSet,
        author: Author,
        writing: Awaitable[Head],
    ) -> Head:
        try:
            head = await writing
        except StorageUnavailable:
            raise  # the attempt is kept, because its outcome is unknown
        except Exception as error:
            session.attempt = None
            if isinstance(error, WriteRefused) and not isinstance(error, TimelineChanged):
                await self._refuse(session, base, author, error)
            raise
        session.attempt = None
        return head

    async def _after_a_guard(
        self, session: AgentSession, base: AgentSession, attempt: ChangeSet, author: Author
    ) -> bool:
        try:
            writing = self._save_locked(session, base, attempt, author)
            head = await self._end(session, base, attempt, author, writing)
        finally:
            session.save_lock.release()
        await self._publisher.publish(head)
        return True

    async def _resolve_unknown_outcome(
        self, session: AgentSession, base: AgentSession, attempt: ChangeSet
    ) -> None:
        """Finds out whether a write without an answer was stored.

        If so, only later changes remain to be written.
        """
        missing: list[AgentSession] = []
        stored = await self._store.transact(session.session_id, attempt.change_id, missing.append)
        if not missing:
            session.attempt = None
            save_rules.apply_stored(session, base, attempt, stored)

    async def _base_of(self, session: AgentSession) -> AgentSession:
        """A session that was built by hand is compared with the stored one of its id."""
        stored = await self._store.read(session.session_id)
        if stored is None:
            raise SessionNotFound(session.session_id)
        session.loaded = stored.mark_clean().loaded or stored
        session.epoch = stored.epoch
        return session.loaded

    async def _save_fast(
        self, session: AgentSession, base: AgentSession, attempt: ChangeSet, author: Author
    ) -> Head:
        """Checkpoints and context: one guarded statement, shared with writes of other sessions."""
        try:
            written = await self._store.write(save_rules.to_write(session, base, attempt, author))
        except Rejected:
            return await self._save_locked(session, base, attempt, author)
        save_rules.apply_ack(session, base, attempt, written)
        if _is_behind(written):
            await self._store.refresh_array(session.session_id)
        return written.head

    async def _save_locked(
        self,
        session: AgentSession,
        base: AgentSession,
        attempt: ChangeSet,
        author: Author,
        *,
        resent: bool = False,
    ) -> Head:
        """On the locked row: transitions, metadata, writes rejected by a guard, and writes with an unknown outcome."""

        def decide(current: AgentSession) -> Write | None:
            write = save_rules.rebase(attempt, base, current, author)
            return write and write.replace(resent=resent)

        stored = await self._store.transact(session.session_id, attempt.change_id, decide)
        save_rules.apply_stored(session, base, attempt, stored)
        return stored.session.head

    async def _refuse(
        self, session: AgentSession, base: AgentSession, author: Author, error: Exception
    ) -> None:
        """Counts the late write, so that a page can show it; not the step during which an order reached its owner."""
        wanted: dict[str, Any] = {"reason": type(error).__name__}
        if session.new_checkpoints:
            wanted["checkpoint"] = session.new_checkpoints[-1].name
        if session.state != base.state:
            wanted["state"] = session.state.value
        if session.context != base.context:
            wanted["paths"] = [c.name for c in diff(base.context, session.context)][:50]
        await self._store.refuse(session.session_id, author, {"refused": wanted}, author.owner_id)


def _pass_on(
    future: asyncio.Future[Written | None],
    result: Written | BaseException | asyncio.Task[bool],
) -> None:
    """To the caller, unless it was cancelled."""
    if future.done():
        return
    error = result.exception() if isinstance(result, asyncio.Task) else result
    if isinstance(error, BaseException):
        future.set_exception(error)
    else:
        future.set_result(error)


def _is_behind(written: Written) -> bool:
    return written.checkpoint_count - written.checkpoints_through >= ARRAY_BEHIND
