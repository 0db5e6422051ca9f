"""What a copy of a session carries while it is saved: the write that is under way, and the lock of its savers."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

from agent_sessions.session_checkpoint import SessionCheckpoint
from agent_sessions.states import SessionState


@dataclass(frozen=True)
class ChangeSet:
    """What a copy held when its write was sent; unchanged parts are the very objects of its base."""

    change_id: uuid.UUID
    state: SessionState
    context: dict[str, Any]
    metadata: dict[str, Any]
    added: tuple[SessionCheckpoint, ...]
    # JSON as it was made when it was checked: of the context, where it changed, and of the last one that is added
    context_text: str
    data_text: str
    metadata_text: str


class SaveLock(asyncio.Lock):
    """Tasks that share one copy of a session save it one after the other."""

    def take(self) -> bool:
        """Without waiting: False when another task has it or waits for it."""
        asking = self.acquire()
        try:
            asking.send(None)
        except StopIteration:
            return True
        asking.close()
        return False

    def __deepcopy__(self, memo: object) -> SaveLock:
        return SaveLock()
