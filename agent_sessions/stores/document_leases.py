"""The rules of take_lease.sql and release_lease.sql, for a manager without PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent_sessions.lease_owner import Lease, Owner
from agent_sessions.models import AgentSession
from agent_sessions.states import LIVE_STATES
from agent_sessions.stores.document_backends import Record
from agent_sessions.stores.document_rules import entry
from agent_sessions.write_commands import Author


def is_free(record: Record, lease: Lease, dead: str | None, now: datetime) -> bool:
    session = record.session
    expired = session.lease_until is None or session.lease_until <= now
    return session.owner_id in (None, lease.owner_id, dead) or expired


def take(record: Record, lease: Lease, source: str, now: datetime) -> bool:
    """True when another owner had it before: the epoch refuses what that one still writes."""
    session, before = record.session, record.session.owner_id
    if before != lease.owner_id:
        session.owner_since = now
    session.owner_id, session.owner_name = lease.owner_id, lease.owner_name
    session.lease_until = now + timedelta(seconds=lease.seconds)
    record.lease_seconds = lease.seconds
    session.handed_back_at = session.parts = session.parts_at_work = None
    if before in (None, lease.owner_id):
        return False
    session.epoch += 1
    _new_version(record, "taken_over", source, now)
    return True


def release(record: Record, source: str, why: str, now: datetime) -> None:
    session = record.session
    session.owner_id = session.owner_name = session.owner_since = session.lease_until = None
    session.parts = session.parts_at_work = None
    if session.state in LIVE_STATES:
        session.handed_back_at = now
        _new_version(record, "handed_back", source, now, why)


def owner(record: Record, now: datetime) -> Owner:
    session = record.session
    left = (session.lease_until - now).total_seconds() if session.lease_until else None
    return Owner(
        session.state.value,
        session.owner_id,
        session.owner_name,
        session.owner_since,
        session.lease_until,
        left,
    )


def is_at_its_step(session: AgentSession, owner_id: str | None, now: datetime) -> bool:
    """The owner's write is the step that it was at when it was ordered to stop."""
    own = owner_id is not None and session.owner_id == owner_id
    holds = session.lease_until is not None and session.lease_until > now
    return own and holds and session.order_open


def _new_version(
    record: Record, kind: str, source: str, now: datetime, reason: str | None = None
) -> None:
    session = record.session
    session.version += 1
    session.changed_by = session.agent_type
    session.change_id = None
    author = Author(session.agent_type, source, reason)
    record.history.append(entry(session, session.state, kind, author, now))
