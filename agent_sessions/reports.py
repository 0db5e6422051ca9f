"""Reports of a run, decided on the locked session: obeyed orders, parts at work, failed attempts."""

from __future__ import annotations

from typing import Any

from agent_sessions.models import AgentSession
from agent_sessions.states import LIVE_STATES
from agent_sessions.transitions import ANY_STATE
from agent_sessions.write_commands import Author, Decide, Write


def acknowledgement(order_version: int, source: str) -> Decide:
    """Confirms this order and no later one; writes nothing if it was confirmed already.

    For PostgreSQL the same rule is in acknowledgement_writes.sql.
    """

    def decide(session: AgentSession) -> Write | None:
        confirmed = min(order_version, session.order_version)
        if session.acknowledged_version >= confirmed:
            return None
        return Write(
            session.session_id,
            "acknowledged",
            Author(session.agent_type, source),
            from_states=ANY_STATE,
            acknowledged=confirmed,
            by_agent=session.state in LIVE_STATES,
            detail={"verb": session.order_verb, "order_version": confirmed},
        )

    return decide


def parts_at_work(order_version: int, parts: tuple[int, int], source: str) -> Decide:
    """Records the parts of a run and how many are at work, unless the pause is confirmed or another order came."""

    def decide(session: AgentSession) -> Write | None:
        same = (session.parts, session.parts_at_work) == parts
        if same or not session.order_open or session.order_version != order_version:
            return None
        return Write(
            session.session_id,
            "parts",
            Author(session.agent_type, source),
            parts=parts,
            by_agent=True,
            detail={"parts": parts[0], "at_work": parts[1], "order_version": order_version},
        )

    return decide


def failed_attempt(epoch: int, attempts: int, detail: dict[str, Any], source: str) -> Decide:
    """Records an error that leaves the session open, unless it has ended or its epoch has increased."""

    def decide(session: AgentSession) -> Write | None:
        if session.state not in LIVE_STATES or session.epoch != epoch:
            return None
        return Write(
            session.session_id,
            "attempt",
            Author(session.agent_type, source),
            failed_attempts=attempts,
            detail=detail,
        )

    return decide
