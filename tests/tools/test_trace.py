"""Recorded call paths of the library, on real servers."""

from __future__ import annotations

from types import CodeType

from agent_sessions import SessionManager
from tools.trace.recorder import Recorder, quiet


async def test_an_acknowledgement_is_one_statement_and_one_round_trip_to_valkey(
    manager: SessionManager,
) -> None:
    session = await manager.create_session("grader")
    paused = await manager.pause(session.session_id, actor="olga")
    await quiet()
    recorder = Recorder()
    with recorder.recording():
        await manager.acknowledge(session.session_id, paused.order_version)
    assert recorder.figures().statements == ("acknowledge",)
    assert recorder.figures().round_trips == 1
    stored = await manager.read(session.session_id)
    assert stored is not None and not stored.order_open


def test_a_call_into_a_file_that_was_left_counts_as_a_re_entry() -> None:
    recorder = Recorder()
    one, other = (code(name) for name in ("one.py", "other.py"))
    recorder.calls = [one, one, other, one, other]
    found = recorder.figures()
    assert (found.functions, found.files, found.reentries) == (2, 2, 2)


def code(file: str) -> CodeType:
    return compile("pass", file, "exec")
