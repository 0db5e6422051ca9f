"""Numbers and switches of a call that cannot be meant are refused at the call, and the error says what to pass."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent_sessions import CheckpointManager, InvalidInput, SessionManager
from agent_sessions.conversation import ConversationConfig
from tests.library.conftest import Make

NAN, INF = float("nan"), float("inf")


def short(value: object) -> str:
    """The same in each process, which workers that share the tests need."""
    return repr(value)[:40]


NO_NUMBERS: list[Any] = [NAN, INF, -INF, "x", "5", True, None, [], 10**400, -1, ...]
NO_WHOLE_NUMBERS: list[Any] = [*NO_NUMBERS, 2.5, 2.0]
PAST_BOUNDS: list[tuple[str, Any]] = [("interval", 0), ("interval", 28_801), ("attempts", 32_768)]
ATTACHED = [
    *(("interval", value) for value in NO_NUMBERS),
    *(("wait", value) for value in NO_NUMBERS if value not in (None, 10**400)),
    *(("attempts", value) for value in [*NO_WHOLE_NUMBERS, 0]),
    *((name, value) for name in ("complete", "take_over") for value in (None, 1, "no")),
    *((name, value) for name in ("stop_on_sigterm", "interrupt") for value in (None, 1, "no")),
    *PAST_BOUNDS,
]


@pytest.mark.parametrize(("name", "value"), ATTACHED, ids=short)
async def test_attach_refuses_before_anything_is_waited_for(
    manager: SessionManager, name: str, value: Any
) -> None:
    session = await manager.create_session("grader")
    async with manager.attach(session.session_id, complete=False):  # an owner to wait for
        with pytest.raises(InvalidInput, match=rf"^{name} must be .*, not "):
            manager.attach(session.session_id, **{name: value})


@pytest.mark.parametrize("value", [10**400, 10**7])
async def test_a_wait_has_no_upper_bound_but_must_be_a_number(
    manager: SessionManager, value: int
) -> None:
    session = await manager.create_session("grader")
    if value > 1e300:
        with pytest.raises(InvalidInput, match="wait"):
            manager.attach(session.session_id, wait=value)
    else:
        async with manager.attach(session.session_id, wait=value) as run:
            assert run.session.state == "active"


SETTINGS = [
    *((n, v) for n in ("session_ttl_hours", "flush_seconds") for v in [*NO_NUMBERS, 0, 1e9]),
    *(("retry_seconds", value) for value in [*NO_NUMBERS, 1e9]),
    *(("cache_size", value) for value in NO_WHOLE_NUMBERS),
    *(
        ("namespace", value)
        for value in (None, "", " ", 5, b"school", "a\x00", "\ud800", "x" * 101)
    ),
]


@pytest.mark.parametrize(("name", "value"), SETTINGS, ids=short)
def test_a_manager_refuses_settings(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=rf"^{name} "):
        SessionManager(**{name: value})


@pytest.mark.parametrize("value", NO_WHOLE_NUMBERS, ids=short)
async def test_calls_refuse_what_is_no_whole_number(anywhere: SessionManager, value: Any) -> None:
    session = await anywhere.create_session("grader")
    id = session.session_id
    for name, call in (
        ("limit", lambda: anywhere.get_active_sessions(limit=value)),
        ("after", lambda: anywhere.get_checkpoints(id, after=value)),
        ("limit", lambda: anywhere.get_checkpoints(id, limit=value)),
        ("context_version", lambda: anywhere.get_context_at(id, value)),
        ("order_version", lambda: anywhere.acknowledge(id, value)),
        ("a slot", lambda: anywhere.count_beats([value])),
        ("attempts", lambda: anywhere.count_attempt(session, value, {})),
        ("order_version", lambda: anywhere.report_parts(id, value, 1, 1)),
        ("parts", lambda: anywhere.report_parts(id, 1, value, 1)),
        ("at_work", lambda: anywhere.report_parts(id, 1, 1, value)),
    ):
        with pytest.raises(InvalidInput, match=rf"^{name} must be a whole number"):
            await call()


@pytest.mark.parametrize("value", [NAN, 5, "5", None, timedelta.max, timedelta(-1)], ids=short)
async def test_an_age_that_is_none_is_refused(anywhere: SessionManager, value: Any) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(InvalidInput, match=r"^max_age must be"):
        await anywhere.cleanup_stale_sessions(value)
    with pytest.raises(InvalidInput, match=r"^max_age must be"):
        await anywhere.fail_silent(session.session_id, value)


CONVERSATIONS = [
    *(("ttl_seconds", value) for value in [*NO_NUMBERS, 0, 1e30]),
    *(("retry_first_seconds", value) for value in [*NO_NUMBERS, 0]),
    *((n, v) for n in ("max_sessions", "max_bytes") for v in [*NO_WHOLE_NUMBERS, 0]),
    *(("valkey_db", value) for value in NO_WHOLE_NUMBERS),
]


@pytest.mark.parametrize(("name", "value"), CONVERSATIONS, ids=short)
def test_settings_of_conversations_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=rf"^{name} must be .*, not "):
        ConversationConfig(**{name: value})


@pytest.mark.parametrize("name", ["max_checkpoints", "compress_after"])
@pytest.mark.parametrize("value", NO_WHOLE_NUMBERS, ids=short)
def test_bounds_of_checkpoints_in_memory_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=rf"^{name} must be a whole number"):
        CheckpointManager("s", **{name: value})


async def test_a_value_that_cannot_be_shown_is_refused_with_its_type(another: Make) -> None:
    class Silent:
        def __repr__(self) -> str:
            raise RuntimeError

    manager = await another()
    session = await manager.create_session("grader")
    with pytest.raises(InvalidInput, match="not a Silent"):
        manager.attach(session.session_id, wait=Silent())  # type: ignore[arg-type]
