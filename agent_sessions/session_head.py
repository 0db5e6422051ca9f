"""The head of a session: enough to know whether a copy is the newest and whether an order waits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from agent_sessions.states import SessionState


@dataclass(frozen=True)
class Head:
    """What a heartbeat answers: enough to know whether an order waits."""

    session_id: str
    state: SessionState
    version: int
    epoch: int
    order_version: int = 0
    order_verb: str | None = None
    acknowledged_version: int = 0
    timeline: str | None = None
    # what changes without a version
    last_heartbeat: datetime | None = field(default=None, compare=False)
    refused_writes: int = field(default=0, compare=False)

    @property
    def order_open(self) -> bool:
        return self.order_version > self.acknowledged_version


Beat = Head
