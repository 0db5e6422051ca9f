"""Orders as nouns: a POST creates one through `actions.perform`."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import translation
from ninja import Header, Router
from ninja.errors import HttpError

from agent_sessions import InvalidInput

from ..actions import perform
from ..choices import VERBS, Verb
from ..numbers import BIGINT, whole
from ..permissions import CONTENT, EDIT
from .authentication import require
from .schemas import ActionOut, CompletionIn, EditIn, ReasonIn, RollbackIn
from .sessions import read_detail, require_visible

router = Router(tags=["orders"])

KEYS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:agent-sessions:idempotency-key")
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]
Match = Annotated[str | None, Header(alias="If-Match", max_length=40)]


BODIES: dict[str, type[ReasonIn]] = {"complete": CompletionIn, "rollback": RollbackIn}
NOTES = {
    "pause": "The agent stops at its next safe point; until then `order.confirmed` is false.",
    "fail": "Needs a reason. What the agent writes afterwards is refused.",
    "rollback": "Needs a reason. The context captured with the checkpoint comes back, and the agent starts from there.",
    "delete": "Needs a reason. It can be restored while it is in the trash.",
}


def _endpoint(verb: Verb) -> Callable[..., ActionOut]:
    """The endpoint of the verb's noun; ninja reads its parameters from the signature."""

    def endpoint(
        request: HttpRequest,
        id: UUID,
        asked: ReasonIn,
        idempotency_key: Key = None,
        if_match: Match = None,
    ) -> ActionOut:
        require(request, verb.right)
        return _order(request, verb.name, id, asked, idempotency_key, if_match, **asked.extra())

    endpoint.__name__ = endpoint.__qualname__ = verb.name
    endpoint.__annotations__["asked"] = BODIES.get(verb.name, ReasonIn)
    return endpoint


with translation.override("en"):
    for _verb in VERBS.values():
        router.post(
            f"/sessions/{{uuid:id}}/{_verb.noun}",
            response=ActionOut,
            summary=str(_verb.label),
            description=NOTES.get(_verb.name),
        )(_endpoint(_verb))


@router.post("/sessions/{uuid:id}/edits", response=ActionOut, summary="Change context or metadata")
def edit(
    request: HttpRequest,
    id: UUID,
    asked: EditIn,
    idempotency_key: Key = None,
    if_match: Match = None,
) -> ActionOut:
    """Needs a reason.

    With `If-Match`, it is refused if someone else has changed the same path since.
    """
    require(request, CONTENT, EDIT)
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
    require_visible(request, id)
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
    return ActionOut(changed=outcome.changed, session=read_detail(request, id))


def request_id(actor: str, key: str | None) -> UUID | None:
    """A UUID is used as it is; other keys are hashed with the actor, so that callers cannot collide."""
    if key is None:
        return None
    if not key.strip():
        raise HttpError(400, "Idempotency-Key is empty.")
    try:
        return UUID(key)
    except ValueError:
        return uuid.uuid5(KEYS, f"{actor}\n{key}")


def seen_version(match: str | None) -> int | None:
    """The version in `If-Match`; None for `*` or no header. An unreadable one must not drop the condition."""
    if match is None or match.strip() == "*":
        return None
    text = match.strip()
    if text.startswith("W/"):
        raise HttpError(
            400, 'If-Match compares strong tags only: send the version without W/, like "17".'
        )
    bare = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text
    version = whole(bare, BIGINT)
    if not version:
        raise HttpError(400, 'If-Match must be a version, as ETag gave it, like "17".')
    return version
