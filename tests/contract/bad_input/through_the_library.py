"""Bad input of agents and programs to the shared manager."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from agent_sessions import AgentSession, CheckpointManager, SessionCheckpoint, SessionManager
from tests.contract.bad_input.case import Case, Give, manager
from tests.library.people import OLGA

NEVER = "00000000-0000-4000-8000-000000000000"
ANOTHER = uuid.UUID(int=7)


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def creates(**wrong: Any) -> Give:
    return manager(lambda m, _: m.create_session(**{"agent_type": "grader", **wrong}))


def stores(change: Callable[[AgentSession], object]) -> Give:
    async def call(manager: SessionManager, session: AgentSession) -> None:
        change(session)
        await manager.update_session(session)

    return manager(call)


def context(key: Any, value: Any) -> Give:
    return stores(lambda s: s.context.__setitem__(key, value))


def checkpoint(name: Any, data: Any = None) -> Give:
    return stores(lambda s: s.checkpoint(name, data))


def orders(verb: str, *arguments: Any, **who: Any) -> Give:
    return manager(lambda m, s: getattr(m, verb)(s.session_id, *arguments, **{**OLGA, **who}))


def reads(**change: Any) -> Give:
    async def call(_: SessionManager, session: AgentSession) -> None:
        AgentSession.from_dict(json.loads(json.dumps(session.to_dict())) | change)

    return manager(call)


def local(act: Callable[[CheckpointManager], object]) -> Give:
    async def call(_: SessionManager, session: AgentSession) -> None:
        act(CheckpointManager(session.session_id))

    return manager(call)


class Loop(dict[str, Any]):
    """A dict that contains itself."""

    def __init__(self) -> None:
        super().__init__()
        self["self"] = self


def stored(name: str) -> dict[str, Any]:
    return SessionCheckpoint(name, datetime(2025, 1, 1, tzinfo=UTC)).to_dict()


CASES = [
    # --- text
    Case("agent type missing", creates(agent_type=""), "InvalidInput: agent_type is missing: write a few words"),
    Case("agent type of blanks", creates(agent_type="  "), "InvalidInput: agent_type is missing: write a few words"),
    Case("agent type too long", creates(agent_type="g" * 51), "InvalidInput: agent_type has 51 characters: 50 are allowed"),
    Case("agent type no text", creates(agent_type=5), "InvalidInput: agent_type must be text, not int"),
    Case("agent type with NUL", creates(agent_type="a\x00b"), "InvalidInput: agent_type contains a NUL character: remove it"),
    Case("agent type with a surrogate", creates(agent_type="\ud800"), "InvalidInput: agent_type contains half a character (a lone surrogate): remove it"),
    Case("user no text", creates(user_id=None), "InvalidInput: user_id must be text, not NoneType"),
    Case("user too long", creates(user_id="u" * 400), "InvalidInput: user_id has 400 characters: 320 are allowed"),
    Case("user with NUL", creates(user_id="\x00"), "InvalidInput: user_id contains a NUL character: remove it"),
    Case("checkpoint without a name", checkpoint(""), "InvalidInput: the checkpoint's name is missing: write a few words"),
    Case("checkpoint name no text", checkpoint(None), "InvalidInput: the checkpoint's name must be text, not NoneType"),
    Case("checkpoint name too long", checkpoint("n" * 201), "InvalidInput: the checkpoint's name has 201 characters: 200 are allowed"),
    Case("checkpoint name with NUL", checkpoint("a\x00"), "InvalidInput: the checkpoint's name contains a NUL character: remove it"),
    Case("checkpoint name with a surrogate", checkpoint("\udfff"), "InvalidInput: the checkpoint's name contains half a character (a lone surrogate): remove it"),
    Case("reason too long", orders("pause", reason="r" * 2001), "InvalidInput: reason has 2001 characters: 2000 are allowed"),
    Case("reason with NUL", orders("pause", reason="a\x00"), "InvalidInput: reason contains a NUL character: remove it"),
    Case("reason no text", orders("pause", reason=7), "InvalidInput: reason must be text, not int"),
    Case("actor with a surrogate", orders("pause", actor="\ud83d"), "InvalidInput: actor contains half a character (a lone surrogate): remove it"),
    Case("actor no text", orders("pause", actor=b"olga"), "InvalidInput: actor must be text, not bytes"),
    Case("error no text", orders("fail", ValueError("why")), "InvalidInput: error must be text, not ValueError"),
    Case("error with NUL", orders("fail", "a\x00"), "InvalidInput: error contains a NUL character: remove it"),
    # --- JSON
    Case("context no dict", creates(context=[]), "InvalidInput: context must be a dict, not list"),
    Case("context a text", creates(context="{}"), "InvalidInput: context must be a dict, not str"),
    Case("metadata no dict", creates(metadata=[1]), "InvalidInput: metadata must be a dict, not list"),
    Case("context of 5 MB", context("x", "y" * 5_000_000), "InvalidInput: context has 5,000,021 bytes: 4,194,304 are allowed"),
    Case("new context of 5 MB", creates(context={"x": "y" * 5_000_000}), "InvalidInput: context has 5,000,008 bytes: 4,194,304 are allowed"),
    Case("context 10,000 deep", context("x", deep(10_000)), "InvalidInput: context is nested too deeply: 64 levels are allowed"),
    Case("new context 10,000 deep", creates(context=deep(10_000)), "InvalidInput: context is nested too deeply: 64 levels are allowed"),
    Case("context 100 deep", context("x", deep(100)), "InvalidInput: context is nested too deeply: 64 levels are allowed"),
    Case("context in a circle", context("x", Loop()), "InvalidInput: context cannot be written as JSON: Circular reference detected"),
    Case("NaN in the context", context("x", float("nan")), "InvalidInput: context cannot be written as JSON: it contains NaN or an infinity at x"),
    Case("infinity in the context", context("x", float("-inf")), "InvalidInput: context cannot be written as JSON: it contains NaN or an infinity at x"),
    Case("NUL in the context", context("x", "a\x00b"), "InvalidInput: context contains a NUL character: remove it"),
    Case("NUL in a key", context("a\x00b", 1), "InvalidInput: context contains a NUL character: remove it"),
    Case("surrogate in the context", context("x", "\udc80"), "InvalidInput: context contains half a character (a lone surrogate): remove it"),
    Case("surrogate in a key", context("\udc80", 1), "InvalidInput: context contains half a character (a lone surrogate): remove it"),
    Case("a time in the context", context("x", datetime.now(UTC)), "InvalidInput: context cannot be written as JSON: x is of type datetime, which JSON does not know: convert it, or give SessionManager a function as `encode`"),
    Case("bytes in the context", context("x", b"a"), "InvalidInput: context cannot be written as JSON: x is of type bytes, which JSON does not know: convert it, or give SessionManager a function as `encode`"),
    Case("a set in the context", context("x", {1}), "InvalidInput: context cannot be written as JSON: x is of type set, which JSON does not know: convert it, or give SessionManager a function as `encode`"),
    Case("a tuple as a key", context((1, 2), 1), "InvalidInput: context cannot be written as JSON: (1, 2): the key (1, 2) is of type tuple, and JSON has only text as keys: write it as text, such as '(1, 2)'"),
    Case("an own class in the context", context("x", object()), "InvalidInput: context cannot be written as JSON: x is of type object, which JSON does not know: convert it, or give SessionManager a function as `encode`"),
    Case("a surrogate in the metadata", stores(lambda s: s.metadata.__setitem__("x", "\ud800")), "InvalidInput: metadata contains half a character (a lone surrogate): remove it"),
    Case("checkpoint data no dict", checkpoint("x", [1]), "InvalidInput: the checkpoint's data must be a dict, not list"),
    Case("checkpoint data of 2 MB", checkpoint("x", {"a": "y" * 2_000_000}), "InvalidInput: the checkpoint's data has 2,000,008 bytes: 1,048,576 are allowed"),
    Case("checkpoint data 10,000 deep", checkpoint("x", deep(10_000)), "InvalidInput: the checkpoint's data is nested too deeply: 64 levels are allowed"),
    Case("NaN in checkpoint data", checkpoint("x", {"a": float("nan")}), "InvalidInput: the checkpoint's data cannot be written as JSON: it contains NaN or an infinity at a"),
    Case("NUL in checkpoint data", checkpoint("x", {"a": "\x00"}), "InvalidInput: the checkpoint's data contains a NUL character: remove it"),
    Case("a result that is no JSON", orders("complete", {1, 2}), "InvalidInput: result cannot be written as JSON: result is of type set, which JSON does not know: convert it, or give SessionManager a function as `encode`"),
    Case("a result 10,000 deep", orders("complete", deep(10_000)), "InvalidInput: result is nested too deeply: 64 levels are allowed"),
    Case("details that are no JSON", orders("fail", "why", {1}), "InvalidInput: error_details cannot be written as JSON: details is of type set, which JSON does not know: convert it, or give SessionManager a function as `encode`"),
    Case("an edit to no dict", orders("edit", context=[1]), "InvalidInput: context must be a dict, not list"),
    Case("an edit with NUL", orders("edit", context={"a": "\x00"}), "InvalidInput: context contains a NUL character: remove it"),
    Case("an edit of metadata with NaN", orders("edit", metadata={"a": float("nan")}), "InvalidInput: metadata cannot be written as JSON: it contains NaN or an infinity at a"),
    # --- ids
    Case("id no uuid", manager(lambda m, _: m.get_session("seven")), "InvalidInput: 'seven' is no session id: a UUID is needed"),
    Case("id with SQL", manager(lambda m, _: m.get_session("' OR 1=1 --")), "InvalidInput: \"' OR 1=1 --\" is no session id: a UUID is needed"),
    Case("id of nothing", manager(lambda m, _: m.get_session(None)), "InvalidInput: 'None' is no session id: a UUID is needed"),  # type: ignore[arg-type]
    Case("id with a surrogate", manager(lambda m, _: m.heartbeat("\ud800")), "InvalidInput: '\\ud800' is no session id: a UUID is needed"),
    Case("beat of no id", manager(lambda m, _: m.heartbeat("")), "InvalidInput: '' is no session id: a UUID is needed"),
    Case("deleting no id", manager(lambda m, _: m.delete_session("x" * 10_000)), "InvalidInput: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' is no session id: a UUID is needed"),
    Case("beat of nobody", manager(lambda m, _: m.heartbeat(NEVER)), "SessionNotFound: there is no session 00000000-0000-4000-8000-000000000000"),
    Case("order to nobody", manager(lambda m, _: m.pause(NEVER, **OLGA)), "SessionNotFound: there is no session 00000000-0000-4000-8000-000000000000"),
    Case("update of nobody", manager(lambda m, _: m.update_session(AgentSession("grader", session_id=NEVER))), "SessionNotFound: there is no session 00000000-0000-4000-8000-000000000000"),
    Case("rollback to no number", orders("rollback", "first"), "InvalidInput: 'first' is no checkpoint id: \"{id}:n\" is needed"),
    Case("rollback to a giant", orders("rollback", "9" * 30), "InvalidInput: '999999999999999999999999999999' is no checkpoint id: \"{id}:n\" is needed"),
    Case("rollback below zero", orders("rollback", -1), "InvalidInput: '-1' is no checkpoint id: \"{id}:n\" is needed"),
    Case("rollback to ²", orders("rollback", "²"), "InvalidInput: '²' is no checkpoint id: \"{id}:n\" is needed"),
    Case("rollback to nothing", orders("rollback", None), "InvalidInput: 'None' is no checkpoint id: \"{id}:n\" is needed"),
    Case("rollback to none", orders("rollback", 99), "CheckpointNotFound: there is no checkpoint 99 in this session"),
    Case("rollback to another's", orders("rollback", f"{ANOTHER}:1"), "CheckpointNotFound: there is no checkpoint 00000000-0000-0000-0000-000000000007:1 in this session"),
    # --- what was stored
    Case("unknown state", reads(state="sleeping"), "InvalidInput: no stored session: 'sleeping' is not a valid SessionState"),
    Case("state of nothing", reads(state=None), "InvalidInput: no stored session: None is not a valid SessionState"),
    Case("time of no time", reads(created_at="soon"), "InvalidInput: no stored session: created_at 'soon' is no ISO 8601 time"),
    Case("time a number", reads(last_heartbeat=17), "InvalidInput: no stored session: last_heartbeat must be a time, not int"),
    Case("time out of range", reads(created_at="0001-01-01T00:00:00+14:00"), "InvalidInput: no stored session: created_at 0001-01-01 00:00:00+14:00 is out of range"),
    Case("checkpoints no list", reads(checkpoints="abc"), "InvalidInput: no stored session: no checkpoint: 'a'"),
    Case("checkpoint without a time", reads(checkpoints=[{"name": "x"}]), "InvalidInput: no stored session: timestamp must be a time, not NoneType"),
    # --- CheckpointManager
    Case("local data no dict", local(lambda c: c.create("a", [])), "InvalidInput: data must be a dict, not list"),  # type: ignore[arg-type]
    Case("local NaN metadata", local(lambda c: c.create("a", {}, {"x": float("nan")})), "InvalidInput: metadata cannot be written as JSON: it contains NaN or an infinity at x"),
    Case("local data 10,000 deep", local(lambda c: c.create("a", deep(10_000))), "InvalidInput: data is nested too deeply: 64 levels are allowed"),
    Case("local import 10,000 deep", local(lambda c: c.import_checkpoints("[" * 10_000)), "InvalidInput: these are no exported checkpoints: it is nested too deeply"),
    Case("local import of a NUL", local(lambda c: c.import_checkpoints(json.dumps([stored("a\x00")]))), "InvalidInput: these are no exported checkpoints: the checkpoint's name contains a NUL character: remove it"),
    Case("local since no time", local(lambda c: c.get_since("soon")), "InvalidInput: timestamp 'soon' is no ISO 8601 time"),  # type: ignore[arg-type]
    Case("local limit of none", local(lambda c: CheckpointManager("s", 0)), "InvalidInput: max_checkpoints must be a whole number, 1 or more, not 0"),
]  # fmt: skip
