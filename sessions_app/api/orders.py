"""Orders, each a noun: POST makes one. All of them go through `actions.perform`, like everybody's."""

from __future__ import annotations

import uuid
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Header, Router
from ninja.errors import HttpError

from agent_sessions import InvalidInput

from ..actions import perform
from ..numbers import BIGINT, whole
from .access import require_operate
from .schemas import ActionOut, CompletionIn, EditIn, ReasonIn, RollbackIn
from .sessions import read_detail

router = Router(tags=["orders"])

KEYS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:agent-sessions:idempotency-key")
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]
Match = Annotated[str | None, Header(alias="If-Match", max_length=40)]


@router.post("/sessions/{uuid:id}/pauses", response=ActionOut, summary="Pause")
def pause(
    request: HttpRequest,
    id: UUID,
    asked: ReasonIn,
    idempotency_key: Key = None,
    if_match: Match = None,
) -> ActionOut:
    """The agent stops at its next safe point; until then `order.confirmed` is false."""
    return _order(request, "pause", id, asked, idempotency_key, if_match)


@router.post("/sessions/{uuid:id}/resumes", response=ActionOut, summary="Resume")
def resume(
    request: HttpRequest,
    id: UUID,
    asked: ReasonIn,
    idempotency_key: Key = None,
    if_match: Match = None,
) -> ActionOut:
    return _order(request, "resume", id, asked, idempotency_key, if_match)


@router.post("/sessions/{uuid:id}/completions", response=ActionOut, summary="Complete")
def complete(
    request: HttpRequest,
    id: UUID,
    asked: CompletionIn,
    idempotency_key: Key = None,
    if_match: Match = None,
) -> ActionOut:
    extra = {} if asked.result is None else {"result": asked.result}
    return _order(request, "complete", id, asked, idempotency_key, if_match, **extra)


@router.post("/sessions/{uuid:id}/failures", response=ActionOut, summary="End as failed")
def fail(
    request: HttpRequest,
    id: UUID,
    asked: ReasonIn,
    idempotency_key: Key = None,
    if_match: Match = None,
) -> ActionOut:
    """Needs a reason. What the agent writes afterwards is refused."""
    return _order(request, "fail", id, asked, idempotency_key, if_match)


@router.post(
    "/sessions/{uuid:id}/rollbacks", response=ActionOut, summary="Roll back to a checkpoint"
)
def rollback(
    request: HttpRequest,
    id: UUID,
    asked: RollbackIn,
    idempotency_key: Key = None,
    if_match: Match = None,
) -> ActionOut:
    """Needs a reason. The context captured with the checkpoint comes back, and the agent starts from there."""
    return _order(
        request, "rollback", id, asked, idempotency_key, if_match, checkpoint_id=asked.checkpoint
    )


@router.post("/sessions/{uuid:id}/deletions", response=ActionOut, summary="Delete")
def delete(
    request: HttpRequest,
    id: UUID,
    asked: ReasonIn,
    idempotency_key: Key = None,
    if_match: Match = None,
) -> ActionOut:
    """Needs a reason. It can be restored while it is in the trash."""
    return _order(request, "delete", id, asked, idempotency_key, if_match)


@router.post("/sessions/{uuid:id}/restorations", response=ActionOut, summary="Restore")
def restore(
    request: HttpRequest,
    id: UUID,
    asked: ReasonIn,
    idempotency_key: Key = None,
    if_match: Match = None,
) -> ActionOut:
    return _order(request, "restore", id, asked, idempotency_key, if_match)


@router.post("/sessions/{uuid:id}/edits", response=ActionOut, summary="Change context or metadata")
def edit(
    request: HttpRequest,
    id: UUID,
    asked: EditIn,
    idempotency_key: Key = None,
    if_match: Match = None,
) -> ActionOut:
    """Needs a reason. With `If-Match` it is refused when someone else changed the same path since."""
    if asked.context is None and asked.metadata is None:
        raise InvalidInput("Give context or metadata.")
    extra = {
        "context": asked.context,
        "metadata": asked.metadata,
        "seen_metadata": asked.seen_metadata,
    }
    return _order(request, "edit", id, asked, idempotency_key, if_match, **extra)


def _order(
    request: HttpRequest,
    verb: str,
    id: UUID,
    asked: ReasonIn,
    key: str | None,
    match: str | None,
    **extra: Any,
) -> ActionOut:
    require_operate(request)
    actor = request.user.get_username()
    outcome = perform(
        verb,
        id,
        actor=actor,
        reason=asked.reason,
        source="api",
        request_id=request_id(actor, key),
        seen_version=seen_version(match),
        **extra,
    )
    return ActionOut(changed=outcome.changed, session=read_detail(id))


def request_id(actor: str, key: str | None) -> UUID | None:
    """A UUID stands for itself; anything else is the caller's own and meets no other caller's."""
    if not key:
        return None
    try:
        return UUID(key)
    except ValueError:
        return uuid.uuid5(KEYS, f"{actor}\n{key}")


def seen_version(match: str | None) -> int | None:
    """The number in an `If-Match`; `*` is any."""
    text = (match or "").strip().removeprefix("W/").strip('"')
    if text in ("", "*"):
        return None
    version = whole(text, BIGINT)
    if version is None:
        raise HttpError(400, "If-Match must be a version, as ETag gave it.")
    return version
