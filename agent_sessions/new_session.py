"""A session at its beginning."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from agent_sessions import validation
from agent_sessions.json_errors import Encode
from agent_sessions.json_merge import copied
from agent_sessions.models import AgentSession
from agent_sessions.states import CREATED


def new_session(
    agent_type: str,
    user_id: str,
    context: dict[str, Any] | None,
    metadata: dict[str, Any] | None,
    clock: Callable[[], datetime],
    encode: Encode | None = None,
) -> AgentSession:
    """A session that is ready to be stored, with the checkpoint that every session begins with."""
    now = clock()
    session = AgentSession(
        agent_type=validation.agent_type(agent_type),
        user_id=validation.text(user_id, "user_id", validation.MAX_USER),
        context=copied(context or {}),
        metadata=copied(metadata or {}),
        created_at=now,
        last_heartbeat=now,
        last_progress=now,
        changed_by=agent_type,
        version=1,
        clock=clock,
        encode=encode,
    )
    session.checkpoint(CREATED, {"agent_type": agent_type, "user_id": user_id})
    session.checkpoints[0].id = f"{session.session_id}:1"
    session.checkpoint_count = session.checkpoints_through = 1
    return session
