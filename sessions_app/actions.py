"""`perform` gives an order, or edits, for pages, bulk jobs, admin and API; `explain` words its errors."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import structlog
from django.utils.translation import gettext as _
from prometheus_client import Counter

from agent_sessions import (
    AgentSession,
    CheckpointNotFound,
    Conflict,
    EditConflict,
    InvalidInput,
    InvalidTransition,
    RequestReused,
    SessionError,
    SessionManager,
    SessionNotFound,
    StorageUnavailable,
    validation,
)
from dashboard.database_errors import is_read_only

from . import manager_portal
from .bidi import isolated
from .choices import STATE_LABELS, VERBS
from .input_errors import explain_input

logger = structlog.get_logger(__name__)
ACTIONS = Counter("agent_session_actions", "Actions of people", ["verb", "source", "outcome"])


EDIT = "edit"


async def _call(manager: SessionManager, verb: str, session_id: str, **who: Any) -> AgentSession:
    """A person's reason for a failure is also the error that the agent and readers of the session see."""
    if verb == EDIT:
        return await manager.edit(session_id, **who)
    values = (who.get("reason") or "failed",) if verb == "fail" else ()
    return await manager.order(verb, session_id, *values, **who)


@dataclass(frozen=True)
class OrderResult:
    """`changed` is false if there was nothing left to change."""

    session: AgentSession
    changed: bool


def check_reason(verb: str, reason: str) -> None:
    """Raises InvalidInput if the reason is missing although required, or cannot be stored."""
    needed = verb == EDIT or VERBS[verb].reason_required
    if needed and not validation.has_visible(reason):
        raise InvalidInput(_("Please give a reason: it is stored with the action."))
    validation.text(reason, "reason")


def perform(
    verb: str,
    session_id: uuid.UUID | str,
    *,
    actor: str,
    reason: str = "",
    source: str = "page",
    request_id: uuid.UUID | None = None,
    seen_version: int | None = None,
    **extra: Any,
) -> OrderResult:
    """Gives the order through the shared manager, and records it in log and metric.

    `extra` is `checkpoint_id` for rollback, `context`, `metadata` and `seen_metadata` for edit.
    Raises the manager's errors (`explain` translates them), and InvalidInput if a required reason is missing.
    """
    try:
        check_reason(verb, reason)
    except InvalidInput:
        ACTIONS.labels(verb, source, "InvalidInput").inc()
        raise
    request_id = request_id or uuid.uuid4()
    log = logger.bind(verb=verb, session=str(session_id), actor=actor, source=source)
    try:
        session = manager_portal.call(
            lambda manager: _call(
                manager,
                verb,
                str(session_id),
                actor=actor,
                reason=reason.strip() if validation.has_visible(reason) else None,
                source=source,
                request_id=request_id,
                seen_version=seen_version,
                **extra,
            )
        )
    except SessionError as error:
        ACTIONS.labels(verb, source, type(error).__name__).inc()
        log.warning("action refused", error=str(error))
        raise
    changed = session.change_id == request_id
    ACTIONS.labels(verb, source, "done" if changed else "already").inc()
    log.info("action done", changed=changed, version=session.version)
    return OrderResult(session, changed)


def _explain_edit(error: EditConflict) -> str:
    if not error.loaded_known:
        return _(
            "What this edit was made from is not known any more. Nothing was stored: load it again."
        )
    somebody = _("someone else")
    met = [
        f"{isolated(c.name[:80])} ({isolated(c.actor[:60]) if c.actor else somebody})"
        for c in error.conflicts[:5]
    ]
    more = " …" if len(error.conflicts) > len(met) else ""
    return _("Changed meanwhile: %(what)s. Nothing was stored.") % {"what": ", ".join(met) + more}


def explain(error: SessionError) -> str:
    """One sentence in the reader's language: what happened and what to do."""
    if isinstance(error, InvalidTransition):
        known = VERBS.get(error.verb)
        label = known.label if known else _("Edit") if error.verb == EDIT else error.verb
        return _("“%(verb)s” is not possible: the session is %(state)s.") % {
            "verb": label,
            "state": dict(STATE_LABELS).get(error.current, error.current),
        }
    if isinstance(error, EditConflict):
        return _explain_edit(error)
    if isinstance(error, Conflict) and error.about == "version":
        return _(
            "This session does not have the version that you saw; perhaps the database was restored. "
            "Look at it again, then decide."
        )
    if isinstance(error, Conflict):
        return _("%(actor)s changed this session meanwhile. Look at it again, then decide.") % {
            "actor": isolated(error.actor) if error.actor else _("Someone else")
        }
    if is_read_only(error):
        return _(
            "The database can only be read now. Your change may not have been saved; please try again later."
        )
    if isinstance(error, StorageUnavailable):
        return _(
            "The database is not responding. Your change may not have been saved; please try again."
        )
    if isinstance(error, RequestReused):
        return _("This form was already used for something else. Reload the page and try again.")
    if isinstance(error, SessionNotFound):
        return _("There is no such session.")
    if isinstance(error, CheckpointNotFound):
        return _("There is no such checkpoint in this session.")
    return explain_input(error) if isinstance(error, InvalidInput) else str(error)
