"""Takes the lease of a session, waits for it, releases it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from agent_sessions.errors import SessionNotFound, SessionOwned, StorageUnavailable
from agent_sessions.heartbeats import Heartbeats
from agent_sessions.lease_owner import Lease, Owner, is_dead
from agent_sessions.publisher import ChangePublisher
from agent_sessions.states import LIVE_STATES
from agent_sessions.stores.store import Store
from agent_sessions.write_commands import Taken

logger = logging.getLogger(__name__)

LOOK_AGAIN = 0.25  # seconds between two attempts while another process has it
RELEASED_WITHIN = 5.0  # seconds for releasing a lease; without an answer it expires


@dataclass
class Leases:
    store: Store
    publisher: ChangePublisher
    heartbeats: Heartbeats
    source: str

    async def acquire(
        self, session_id: str, lease: Lease, wait: float | None, *, take_over: bool
    ) -> None:
        """Takes the lease, unless the session has ended. Raises SessionNotFound, SessionOwned, StorageUnavailable.

        `wait` in seconds; None waits until the existing lease expires, but not for an owner that renews it.
        """
        began = asyncio.get_running_loop().time()
        first: Owner | None = None
        while not await self._take(session_id, lease, None, take_over):
            owner = await self.store.owner(session_id)
            if owner is None:
                raise SessionNotFound(session_id)
            if owner.state not in LIVE_STATES:
                return
            if owner.owner_id and is_dead(owner.owner_id):
                if await self._take(session_id, lease, owner.owner_id, take_over):
                    return
                continue
            first = first or owner
            waited = asyncio.get_running_loop().time() - began
            if _renewed(first, owner) if wait is None else waited >= wait:
                raise SessionOwned(
                    session_id, owner.owner_name, owner.owner_since, owner.lease_until
                )
            left = LOOK_AGAIN if wait is None else min(LOOK_AGAIN, wait - waited)
            await asyncio.sleep(left)

    async def _take(self, session_id: str, lease: Lease, dead: str | None, force: bool) -> bool:
        taken: Taken | None = await self.store.take_lease(
            session_id, lease, self.source, dead=dead, force=force
        )
        if taken is None:
            return False
        self.heartbeats.leases[session_id] = lease
        if taken.fenced:
            await self.publisher.publish(taken.head)
        return True

    async def release(self, session_id: str, lease: Lease, why: str) -> None:
        """Does nothing if another owner has the lease, or in a forked child process."""
        if lease.is_copy:
            return
        if self.heartbeats.leases.get(session_id) == lease:
            del self.heartbeats.leases[session_id]
        try:
            async with asyncio.timeout(RELEASED_WITHIN):
                head = await self.store.release_lease(session_id, lease, self.source, why)
                if head is not None:
                    await self.publisher.publish(head)
        except (StorageUnavailable, TimeoutError) as error:
            logger.warning(
                "the lease of %s could not be given back and ends in %.0f s: %s",
                session_id, lease.seconds, error,
            )  # fmt: skip


def _renewed(first: Owner, now: Owner) -> bool:
    """Whether the owner renewed the lease, or another one took it meanwhile."""
    if first.owner_id != now.owner_id:
        return now.owner_id is not None
    return first.lease_until != now.lease_until
