"""The changes that a save writes, and the lock that serialises saves."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

from agent_sessions.session_checkpoint import SessionCheckpoint
from agent_sessions.states import SessionState


@dataclass(frozen=True)
class ChangeSet:
    """The contents of the copy when its write was sent; unchanged parts are the same objects as in its base."""

    change_id: uuid.UUID
    state: SessionState
    context: dict[str, Any]
    metadata: dict[str, Any]
    added: tuple[SessionCheckpoint, ...]
    # JSON made during validation: the context (if it changed), then data and metadata of the last added checkpoint
    context_text: str
    data_text: str
    metadata_text: str


class SaveLock(asyncio.Lock):
    """Serialises the saves of tasks that share a copy."""

    def take(self) -> bool:
        """Acquires the lock without waiting; False if another task has it or waits for it."""
        asking = self.acquire()
        try:
            asking.send(None)
        except StopIteration:
            return True
        asking.close()
        return False

    def __deepcopy__(self, memo: object) -> SaveLock:
        return SaveLock()
