"""The time axis, and the session at a past time."""

import asyncio
import html
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from agent_sessions import AgentSession, SessionManager
from sessions_app import actions, manager_portal
from sessions_app.models import HistoryEntry
from sessions_app.selectors.timeline import parse_moment

from .test_list import Rows
from .test_session import ENGLISH, act, look, page_of, text

__all__ = ["act", "look"]
Make = Callable[..., AgentSession]


def by_agent(work: Callable[[Any], Any]) -> None:
    """Does the work with a manager of its own, as in an agent's process."""

    async def run() -> None:
        async with await SessionManager.connect(
            settings.DATABASE_URL, settings.VALKEY_URL
        ) as agent:
            await work(agent)

    asyncio.run(run())


def axis_of(client: Client, made: AgentSession) -> dict[str, Any]:
    response = client.get(f"/sessions/{made.session_id}/timeline/", headers=ENGLISH)
    assert response.status_code == 200
    return dict(json.loads(response.content))


def just_after(made: AgentSession, version: int) -> str:
    entry = HistoryEntry.objects.get(session_id=made.session_id, version=version)
    return (entry.at + timedelta(microseconds=1)).isoformat()


def as_of(client: Client, made: AgentSession, version: int) -> str:
    return page_of(client, made, f"at/?t={quote(just_after(made, version))}")


def test_the_context_of_then_is_shown_with_the_checkpoints_and_the_history_of_then(
    look: Client, make_session: Make
) -> None:
    made = make_session(context={"class": "7b"}, checkpoints=("first", "second", "third"))
    then = as_of(look, made, 3)
    assert "Earlier state:" in then
    assert "version 3" in then
    tree = then.split('id="tree-context"')[1].split("</section>")[0]
    assert "step" in tree
    assert ">2<" in tree
    assert "second" in then
    assert "third" not in then
    assert 'id="v3"' in then
    assert 'id="v4"' not in then
    assert Rows(then).inline == []


def checkpoints_counted(page: str) -> str:
    return page.split('id="checkpoints-title"')[1].split('class="count">')[1].split("<")[0]


def test_the_number_of_checkpoints_is_that_of_then(look: Client, make_session: Make) -> None:
    names = tuple(f"step{n}" for n in range(40))
    made = make_session(context={"class": "7b"}, checkpoints=names)
    assert checkpoints_counted(page_of(look, made)) == "41"
    for version, count in ((2, "2"), (4, "4"), (35, "35")):
        assert checkpoints_counted(as_of(look, made, version)) == count
        older = page_of(look, made, f"at/?t={quote(just_after(made, version))}&checkpoints=2")
        assert checkpoints_counted(older) == count
    before = page_of(look, made, "at/?t=2001-01-01T00:00:00Z")
    assert checkpoints_counted(before) == str(before.count('<li class="flag'))


def test_every_moment_shows_the_context_that_was_in_force_then(
    look: Client, make_session: Make
) -> None:
    made = make_session(context={"class": "7b"}, checkpoints=("a", "b", "c", "d"))
    for version in range(2, 6):
        tree = as_of(look, made, version).split('id="tree-context"')[1].split("</section>")[0]
        assert f'data-kind="number"><bdi>{version - 1}<' in tree


def test_before_the_beginning_it_is_the_beginning(look: Client, make_session: Make) -> None:
    made = make_session(context={"class": "7b"}, checkpoints=("a",))
    then = page_of(look, made, "at/?t=2001-01-01T00:00:00Z")
    assert "7b" in then
    assert "The agent saves them automatically as it works" in then or "On creation" in then
    assert "step" not in then.split('id="tree-context"')[1].split("</section>")[0]


def test_paging_and_filters_stay_at_the_moment_that_is_shown(
    look: Client, make_session: Make
) -> None:
    made = make_session(checkpoints=[f"step {n}" for n in range(60)])
    address = f"/sessions/{made.session_id}/"
    asked = {"at": just_after(made, 55), "checkpoints": "50", "kind": "checkpoint"}
    page = look.get(address, asked, headers=ENGLISH)
    links = set(re.findall(r'href="(\?[^"]*)#(?:checkpoints|history)"', page.content.decode()))
    queries = [parse_qs(html.unescape(link).lstrip("?")) for link in links]
    assert {"checkpoints", "kind", "history"} <= {name for query in queries for name in query}
    for query in queries:
        shown = look.get(address, query, headers=ENGLISH).context["page"]
        assert shown.past is not None and shown.past.version == 55, query


def test_a_moment_that_is_not_over_is_now(look: Client, make_session: Make) -> None:
    made = make_session(checkpoints=("a",))
    assert "Earlier state:" not in page_of(look, made, "at/?t=2999-01-01T00:00:00Z")
    assert "Earlier state:" not in page_of(look, made, "at/?t=nonsense")


def test_the_address_holds_the_moment_without_scripting(act: Client, make_session: Make) -> None:
    made = make_session(checkpoints=("a", "b"))
    page = page_of(act, made, f"?at={quote(just_after(made, 2))}")
    assert "Earlier state:" in page
    assert "data-dialog" not in page
    assert "not possible for an earlier state" in page


def test_pieces_of_a_past_context_are_fetched_from_that_context(
    look: Client, make_session: Make
) -> None:
    made = make_session(context={"long": "x" * 400}, checkpoints=("a", "b"))
    then = as_of(look, made, 2)
    assert "&amp;version=2" in then


def test_a_session_that_is_not_there_has_no_past(look: Client) -> None:
    nobody = UUID(int=7)
    assert look.get(f"/sessions/{nobody}/at/?t=0").status_code == 404
    assert look.get(f"/sessions/{nobody}/timeline/").status_code == 404


def test_the_axis_shows_a_pause_only_from_when_the_agent_confirmed_it(
    look: Client, make_session: Make
) -> None:
    made = make_session(checkpoints=("a",))
    paused = actions.perform("pause", made.session_id, actor="olga", reason="look").session
    assert [band["state"] for band in axis_of(look, made)["states"]] == ["active", "pausing"]
    manager_portal.call(lambda m: m.acknowledge(made.session_id, paused.order_version))
    axis = axis_of(look, made)
    assert [band["state"] for band in axis["states"]] == ["active", "pausing", "paused"]
    assert [band["to"] for band in axis["states"]][-1] is None
    (mark,) = axis["marks"]
    assert (mark["words"], mark["by"], mark["why"]) == ("Pause ordered", "olga", "look")


def is_refused(made: AgentSession) -> None:
    """Stores the history's entry of an old agent whose write was refused, because it had not seen the pause."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO agent_session_history (session_id, version, at, kind, epoch, actor, source, from_state,"
            " to_state, detail) SELECT id, version + 1, now(), 'refused', epoch, 'grader', 'old-agent', state, state,"
            " '{}' FROM agent_sessions WHERE id = %s",
            (made.session_id,),
        )


def is_edited(made: AgentSession) -> None:
    actions.perform("edit", made.session_id, actor="olga", reason="why", context={"rubric": 2})


@pytest.mark.parametrize("between", [is_refused, is_edited])
def test_what_lies_between_an_order_and_its_confirmation_is_drawn_as_pausing(
    look: Client, make_session: Make, between: Callable[[AgentSession], None]
) -> None:
    made = make_session()
    actions.perform("pause", made.session_id, actor="olga")
    between(made)
    assert drawn(look, made) == ["active", "pausing"]


def test_after_the_confirmation_an_edit_leaves_it_paused(look: Client, make_session: Make) -> None:
    made = make_session()
    paused = actions.perform("pause", made.session_id, actor="olga").session
    is_edited(made)
    confirm(made, paused.order_version)
    is_edited(made)
    assert drawn(look, made) == ["active", "pausing", "paused"]


def test_a_late_confirmation_of_an_earlier_pause_confirms_no_later_one(
    look: Client, make_session: Make
) -> None:
    made = make_session()
    first = actions.perform("pause", made.session_id, actor="olga").session
    actions.perform("resume", made.session_id, actor="olga")
    second = actions.perform("pause", made.session_id, actor="olga").session
    confirm(made, first.order_version)
    twice = ["active", "pausing", "active", "pausing"]
    assert drawn(look, made) == twice
    assert "not yet confirmed" in page_of(look, made)
    confirm(made, second.order_version)
    assert drawn(look, made) == [*twice, "paused"]


def test_a_pause_that_an_old_agent_was_seen_to_know_is_drawn_as_paused(
    look: Client, make_session: Make
) -> None:
    """That its array holds the pause confirms it; no entry of the history does."""
    made = make_session()
    actions.perform("pause", made.session_id, actor="olga")
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as old_agent:
        old_agent.execute(
            "UPDATE agent_sessions SET last_heartbeat = now(), context = context || '{\"old\": 1}'"
            " WHERE id = %s",
            (made.session_id,),
        )
    assert drawn(look, made) == ["active", "pausing", "paused"]
    assert "not yet confirmed" not in page_of(look, made)


def drawn(client: Client, made: AgentSession) -> list[str]:
    return [band["state"] for band in axis_of(client, made)["states"]]


def confirm(made: AgentSession, order_version: int) -> None:
    manager_portal.call(lambda m: m.acknowledge(made.session_id, order_version))


def test_the_axis_has_flags_moments_and_turns_in_order_of_time(
    look: Client, make_session: Make
) -> None:
    made = make_session(context={"turns": []}, checkpoints=("a",))

    async def talk(manager: Any) -> None:
        session = await manager.get_session(made.session_id)
        session.context["turns"] = [{"question": "q", "answer": "a"}]
        session.checkpoint("turn_answered", {})
        await manager.update_session(session)

    by_agent(talk)
    axis = axis_of(look, made)
    assert [(n, name, automatic) for n, name, _, automatic in axis["flags"]] == [
        (1, "On creation", True),
        (2, "a", False),
        (3, "turn_answered", False),
    ]
    assert [(version, bits) for version, _, bits in axis["moments"]] == [(1, 0), (2, 0), (3, 3)]
    assert axis["moments"] == sorted(axis["moments"], key=lambda moment: moment[1])
    assert axis["start"] <= axis["moments"][0][1] <= axis["now"] + 1


@pytest.mark.parametrize(
    ("seconds", "stands_where"), [(2, "it was stored"), (3600, "its agent put it")]
)
def test_a_checkpoint_that_was_taken_over_much_later_stands_at_its_agents_time(
    look: Client, make_session: Make, seconds: int, stands_where: str
) -> None:
    made = make_session(checkpoints=("a",))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agent_session_checkpoints SET at = at - make_interval(secs => %s)"
            " WHERE session_id = %s AND name = 'a' RETURNING (extract(epoch FROM at) * 1000)::bigint",
            (seconds, made.session_id),
        )
        (claimed,) = cursor.fetchone()
    axis = axis_of(look, made)
    (shown,) = (at for _, name, at, _ in axis["flags"] if name == "a")
    stored = axis["moments"][-1][1]
    assert shown == pytest.approx(stored if stands_where == "it was stored" else claimed, abs=2)


def test_a_silence_that_ended_a_session_is_on_the_axis(look: Client, make_session: Make) -> None:
    made = make_session()
    data = {"error": "heartbeat_timeout", "details": {"silent_seconds": 3 * 24 * 3600}}
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO agent_session_checkpoints (session_id, n, name, at, data, version, source)"
            " VALUES (%s, 2, 'session_failed', now(), %s, 2, 'sweeper')",
            (made.session_id, json.dumps(data)),
        )
    axis = axis_of(look, made)
    (silence,) = axis["silences"]
    assert silence["to"] - silence["from"] == pytest.approx(3 * 24 * 3600 * 1000, rel=0.01)


def test_a_state_that_is_on_no_list_is_drawn_with_its_own_word(
    look: Client, make_session: Make
) -> None:
    made = make_session()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO agent_session_history (session_id, version, at, kind, from_state, to_state, epoch, source)"
            " VALUES (%s, 2, now(), 'state', 'active', 'molten', 0, 'sql')",
            (made.session_id,),
        )
    (last,) = axis_of(look, made)["states"][-1:]
    assert (last["state"], last["word"]) == ("deleted", "molten")


def test_hostile_names_on_the_axis_are_bounded(look: Client, make_session: Make) -> None:
    made = make_session(checkpoints=("<script>" + "x" * 180,))
    response = look.get(f"/sessions/{made.session_id}/timeline/")
    assert response["Content-Type"] == "application/json"
    assert max(len(flag[1]) for flag in json.loads(response.content)["flags"]) == 80
    assert "<script>x" not in text(look.get(f"/sessions/{made.session_id}/"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T08:00:00+01:00", datetime(2026, 1, 31, 7, tzinfo=UTC)),
        ("2026-01-31T08:00:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("1769846400000", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("9" * 30, None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_moment_is_read_or_refused(written: str, meant: datetime | None) -> None:
    assert parse_moment(written) == meant
