"""Sessions with more checkpoints than a copy holds."""

from __future__ import annotations

import pytest

from agent_sessions import RolledBack, SessionManager
from tests.library.people import OLGA

NEVER = 3600.0


async def long_session(manager: SessionManager, count: int) -> str:
    session = await manager.create_session("grader", context={"marked": 0})
    for essay in range(1, count + 1):
        session.context["marked"] = essay
        session.checkpoint("essay_marked", {"essay": essay})
        await manager.update_session(session)
    return session.session_id


async def test_a_copy_shows_what_compression_keeps_and_the_record_shows_all(
    anywhere: SessionManager,
) -> None:
    session_id = await long_session(anywhere, 130)
    ended = await anywhere.complete(session_id, **OLGA)
    assert ended.checkpoint_count == 132
    assert len(ended.checkpoints) <= 100
    assert ended.checkpoints[0].name == "session_created"
    assert [c.n for c in ended.checkpoints][-20:] == list(range(113, 133))
    everything = await anywhere.get_checkpoints(session_id, limit=1000)
    assert [c.n for c in everything] == list(range(1, 133))
    assert [c.n for c in await anywhere.get_checkpoints(session_id, after=60, limit=3)] == [
        61,
        62,
        63,
    ]


async def test_a_rollback_to_what_compression_dropped_is_where_the_agent_restarts_and_goes_on(
    anywhere: SessionManager,
) -> None:
    session_id = await long_session(anywhere, 130)
    with pytest.raises(RolledBack) as received:
        async with anywhere.attach(session_id, interval=NEVER) as run:
            rolled = await anywhere.rollback(session_id, 51, **OLGA)
            assert rolled.context == {"marked": 50}
            await run.safe_point()
    assert received.value.data == {"essay": 50}
    async with anywhere.attach(session_id, interval=NEVER, complete=False) as run:
        assert run.restarted_from and run.restarted_from.data == {"essay": 50}
        last = run.last_checkpoint("essay_marked")
        assert last is not None and last.data == {"essay": 50}, "and not 130, which was taken back"
        await run.checkpoint("paper_filled")
    async with anywhere.attach(session_id, interval=NEVER, complete=False) as run:
        assert run.restarted_from is None
        last = run.last_checkpoint("essay_marked")
        assert last is not None and last.data == {"essay": 50}


async def test_returning_to_where_a_long_session_was(anywhere: SessionManager) -> None:
    session_id = await long_session(anywhere, 130)
    await anywhere.rollback(session_id, 51, **OLGA)
    before = (await anywhere.get_checkpoints(session_id, after=131))[0]
    assert before.name == "before rollback to essay_marked"
    returned = await anywhere.rollback(session_id, before.id or "", **OLGA)
    assert returned.context == {"marked": 130}
    async with anywhere.attach(session_id, interval=NEVER, complete=False) as run:
        assert run.restarted_from and run.restarted_from.data == {"essay": 130}
        last = run.last_checkpoint("essay_marked")
        assert last is not None and last.data == {"essay": 130}


async def test_a_preview_counts_all_checkpoints_after_the_target(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    for essay in range(1, 1102):
        session.checkpoint("essay_marked", {"essay": essay})
    await anywhere.update_session(session)
    for target, after in ((1, 1101), (51, 1051), (102, 1000), (1102, 0)):
        preview = await anywhere.preview_rollback(session.session_id, target)
        assert preview.later_count == after
        assert len(preview.later) == min(after, 1000)
        assert [c.n for c in preview.later[:1]] == [target + 1][:after]
