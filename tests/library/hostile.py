"""Hostile and broken inputs, each with what happens and the words it is told in.

`call` gets a manager and one stored session; `says` is a part of the message of the error it raises.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agent_sessions import (
    AgentSession,
    CheckpointManager,
    CheckpointNotFound,
    InvalidInput,
    SessionCheckpoint,
    SessionManager,
    SessionNotFound,
)
from tests.library.people import OLGA

Call = Callable[[SessionManager, AgentSession], Awaitable[Any]]
NEVER = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Hostile:
    what: str
    call: Call
    says: str
    error: type[Exception] = InvalidInput

    def __str__(self) -> str:
        return self.what


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def creates(**wrong: Any) -> Call:
    return lambda m, _: m.create_session(**{"agent_type": "grader", **wrong})


def stores(change: Callable[[AgentSession], object]) -> Call:
    async def call(manager: SessionManager, session: AgentSession) -> None:
        change(session)
        await manager.update_session(session)

    return call


def context(key: Any, value: Any) -> Call:
    return stores(lambda s: s.context.__setitem__(key, value))


def checkpoint(name: Any, data: Any = None) -> Call:
    return stores(lambda s: s.checkpoint(name, data))


def orders(verb: str, *arguments: Any, **who: Any) -> Call:
    return lambda m, s: getattr(m, verb)(s.session_id, *arguments, **{**OLGA, **who})


def reads(**change: Any) -> Call:
    async def call(_: SessionManager, session: AgentSession) -> None:
        AgentSession.from_dict(json.loads(json.dumps(session.to_dict())) | change)

    return call


def local(act: Callable[[CheckpointManager], object]) -> Call:
    async def call(_: SessionManager, session: AgentSession) -> None:
        act(CheckpointManager(session.session_id))

    return call


class Loop(dict[str, Any]):
    """A dict that contains itself."""

    def __init__(self) -> None:
        super().__init__()
        self["self"] = self


SURROGATE = "half a character (a lone surrogate): remove it"
NUL = "contains a NUL character: remove it"
DEEP = "is nested too deeply: 64 levels are allowed"

HOSTILE = [
    # --- text
    Hostile("agent type missing", creates(agent_type=""), "agent_type is missing"),
    Hostile("agent type of blanks", creates(agent_type="  "), "agent_type is missing"),
    Hostile("agent type too long", creates(agent_type="g" * 51), "51 characters: 50 are allowed"),
    Hostile("agent type no text", creates(agent_type=5), "agent_type must be text, not int"),
    Hostile("agent type with NUL", creates(agent_type="a\x00b"), f"agent_type {NUL}"),
    Hostile("agent type with a surrogate", creates(agent_type="\ud800"), SURROGATE),
    Hostile("user no text", creates(user_id=None), "user_id must be text, not NoneType"),
    Hostile("user too long", creates(user_id="u" * 400), "user_id has 400 characters"),
    Hostile("user with NUL", creates(user_id="\x00"), f"user_id {NUL}"),
    Hostile("checkpoint without a name", checkpoint(""), "the checkpoint's name is missing"),
    Hostile("checkpoint name no text", checkpoint(None), "name must be text, not NoneType"),
    Hostile("checkpoint name too long", checkpoint("n" * 201), "201 characters: 200 are allowed"),
    Hostile("checkpoint name with NUL", checkpoint("a\x00"), f"the checkpoint's name {NUL}"),
    Hostile("checkpoint name with a surrogate", checkpoint("\udfff"), SURROGATE),
    Hostile("reason too long", orders("pause", reason="r" * 2001), "2000 are allowed"),
    Hostile("reason with NUL", orders("pause", reason="a\x00"), f"reason {NUL}"),
    Hostile("reason no text", orders("pause", reason=7), "reason must be text, not int"),
    Hostile("actor with a surrogate", orders("pause", actor="\ud83d"), SURROGATE),
    Hostile("actor no text", orders("pause", actor=b"olga"), "actor must be text, not bytes"),
    Hostile("error no text", orders("fail", ValueError("why")), "error must be text"),
    Hostile("error with NUL", orders("fail", "a\x00"), f"error {NUL}"),
    # --- JSON
    Hostile("context no dict", creates(context=[]), "context must be a dict, not list"),
    Hostile("context a text", creates(context="{}"), "context must be a dict, not str"),
    Hostile("metadata no dict", creates(metadata=[1]), "metadata must be a dict, not list"),
    Hostile("context of 5 MB", context("x", "y" * 5_000_000), "context has 5,0"),
    Hostile("new context of 5 MB", creates(context={"x": "y" * 5_000_000}), "context has 5,0"),
    Hostile("context 10,000 deep", context("x", deep(10_000)), f"context {DEEP}"),
    Hostile("new context 10,000 deep", creates(context=deep(10_000)), f"context {DEEP}"),
    Hostile("context 100 deep", context("x", deep(100)), f"context {DEEP}"),
    Hostile("context in a circle", context("x", Loop()), "cannot be written as JSON"),
    Hostile("NaN in the context", context("x", float("nan")), "cannot be written as JSON"),
    Hostile("infinity in the context", context("x", float("-inf")), "cannot be written as JSON"),
    Hostile("NUL in the context", context("x", "a\x00b"), f"context {NUL}"),
    Hostile("NUL in a key", context("a\x00b", 1), f"context {NUL}"),
    Hostile("surrogate in the context", context("x", "\udc80"), SURROGATE),
    Hostile("surrogate in a key", context("\udc80", 1), SURROGATE),
    Hostile("a time in the context", context("x", datetime.now(UTC)), "datetime is not JSON"),
    Hostile("bytes in the context", context("x", b"a"), "bytes is not JSON"),
    Hostile("a set in the context", context("x", {1}), "set is not JSON"),
    Hostile("a tuple as a key", context((1, 2), 1), "keys must be str"),
    Hostile("an own class in the context", context("x", object()), "object is not JSON"),
    Hostile(
        "a surrogate in the metadata",
        stores(lambda s: s.metadata.__setitem__("x", "\ud800")),
        f"metadata contains {SURROGATE}",
    ),
    Hostile("checkpoint data no dict", checkpoint("x", [1]), "data must be a dict, not list"),
    Hostile("checkpoint data of 2 MB", checkpoint("x", {"a": "y" * 2_000_000}), "data has 2,0"),
    Hostile("checkpoint data 10,000 deep", checkpoint("x", deep(10_000)), DEEP),
    Hostile("NaN in checkpoint data", checkpoint("x", {"a": float("nan")}), "cannot be written"),
    Hostile("NUL in checkpoint data", checkpoint("x", {"a": "\x00"}), NUL),
    Hostile("a result that is no JSON", orders("complete", {1, 2}), "result cannot be written"),
    Hostile("a result 10,000 deep", orders("complete", deep(10_000)), f"result {DEEP}"),
    Hostile("details that are no JSON", orders("fail", "why", {1}), "error_details cannot be written"),
    Hostile("an edit to no dict", orders("edit", context=[1]), "context must be a dict, not list"),
    Hostile("an edit with NUL", orders("edit", context={"a": "\x00"}), f"context {NUL}"),
    Hostile("an edit of metadata with NaN", orders("edit", metadata={"a": float("nan")}), "cannot be"),
    # --- ids
    Hostile("id no uuid", lambda m, _: m.get_session("seven"), "'seven' is no session id"),
    Hostile("id with SQL", lambda m, _: m.get_session("' OR 1=1 --"), "is no session id"),
    Hostile("id of nothing", lambda m, _: m.get_session(None), "'None' is no session id"),  # type: ignore[arg-type]
    Hostile("id with a surrogate", lambda m, _: m.heartbeat("\ud800"), "is no session id"),
    Hostile("beat of no id", lambda m, _: m.heartbeat(""), "'' is no session id"),
    Hostile("deleting no id", lambda m, _: m.delete_session("x" * 10_000), "is no session id"),
    Hostile("beat of nobody", lambda m, _: m.heartbeat(NEVER), "there is no session", SessionNotFound),
    Hostile("order to nobody", lambda m, _: m.pause(NEVER, **OLGA), "there is no", SessionNotFound),
    Hostile(
        "update of nobody",
        lambda m, _: m.update_session(AgentSession("grader")),
        "there is no session",
        SessionNotFound,
    ),
    Hostile("rollback to no number", orders("rollback", "first"), "is no checkpoint id"),
    Hostile("rollback to a giant", orders("rollback", "9" * 30), "is no checkpoint id"),
    Hostile("rollback below zero", orders("rollback", -1), "is no checkpoint id"),
    Hostile("rollback to ²", orders("rollback", "²"), "is no checkpoint id"),
    Hostile("rollback to nothing", orders("rollback", None), "is no checkpoint id"),
    Hostile("rollback to none", orders("rollback", 99), "no checkpoint 99", CheckpointNotFound),
    Hostile(
        "rollback to another's",
        orders("rollback", f"{uuid.uuid4()}:1"),
        "there is no checkpoint",
        CheckpointNotFound,
    ),
    # --- what was stored
    Hostile("unknown state", reads(state="sleeping"), "'sleeping' is not a valid SessionState"),
    Hostile("state of nothing", reads(state=None), "None is not a valid SessionState"),
    Hostile("time of no time", reads(created_at="soon"), "created_at 'soon' is no ISO 8601 time"),
    Hostile("time a number", reads(last_heartbeat=17), "last_heartbeat must be a time, not int"),
    Hostile("time out of range", reads(created_at="0001-01-01T00:00:00+14:00"), "out of range"),
    Hostile("checkpoints no list", reads(checkpoints="abc"), "no checkpoint: 'a'"),
    Hostile("checkpoint without a time", reads(checkpoints=[{"name": "x"}]), "timestamp must be"),
    # --- CheckpointManager
    Hostile("local data no dict", local(lambda c: c.create("a", [])), "data must be a dict"),  # type: ignore[arg-type]
    Hostile("local NaN metadata", local(lambda c: c.create("a", {}, {"x": float("nan")})), "metadata"),
    Hostile("local data 10,000 deep", local(lambda c: c.create("a", deep(10_000))), DEEP),
    Hostile("local import 10,000 deep", local(lambda c: c.import_checkpoints("[" * 10_000)), "no exported"),
    Hostile(
        "local import of a NUL",
        local(lambda c: c.import_checkpoints(json.dumps([_stored("a\x00")]))),
        NUL,
    ),
    Hostile("local since no time", local(lambda c: c.get_since("soon")), "is no ISO 8601 time"),  # type: ignore[arg-type]
    Hostile("local limit of none", local(lambda c: CheckpointManager("s", 0)), "must be at least 1"),
]  # fmt: skip


def _stored(name: str) -> dict[str, Any]:
    return SessionCheckpoint(name, datetime(2025, 1, 1, tzinfo=UTC)).to_dict()
