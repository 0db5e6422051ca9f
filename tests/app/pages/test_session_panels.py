"""Comparing, searching, editing, conversations, durations and presence work without JavaScript."""

import asyncio
import json
import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from agent_sessions import AgentSession
from agent_sessions.conversation import ConversationConfig, ConversationManager
from sessions_app import actions

from .test_list import Rows
from .test_session import ENGLISH, FETCH, act, look, page_of, stored, text

__all__ = ["act", "look"]
Make = Callable[..., AgentSession]


def talk(conversation_id: str, *pairs: tuple[str, str]) -> None:
    async def run() -> None:
        async with ConversationManager(
            ConversationConfig(valkey_url=settings.VALKEY_URL)
        ) as all_of_them:
            for question, answer in pairs:
                await all_of_them.add_turn_to_session(
                    conversation_id, question, answer, f"{question} (in full)", "t.1",
                    {"city": "Enschede"}, [{"n": 1}],
                )  # fmt: skip

    with ThreadPoolExecutor(1) as other:  # Playwright's loop runs in this thread
        other.submit(asyncio.run, run()).result()


def edit(client: Client, made: AgentSession, step: str, **more: Any) -> Any:
    data = {"part": "context", "request_id": str(uuid.uuid4()), "step": step, **more}
    return client.post(f"/sessions/{made.session_id}/edits/new/", data, headers=ENGLISH)


def test_two_checkpoints_are_compared(look: Client, make_session: Make) -> None:
    made = make_session(checkpoints=("a", "b"))
    page = page_of(look, made, "compare/?a=2&b=3")
    assert "<del>1</del>" in page
    assert "<ins>2</ins>" in page
    assert Rows(page).inline == []
    assert "Both contexts are the same" in page_of(look, made, "compare/?a=3&b=now")
    assert look.get(f"/sessions/{made.session_id}/compare/?a=99").status_code == 404
    assert look.get(f"/sessions/{made.session_id}/compare/?a=x").status_code == 404


def test_keys_and_values_are_found_in_a_megabyte(look: Client, make_session: Make) -> None:
    big = {f"key{i}": {"text": "x" * 90, "n": i} for i in range(9_000)}
    made = make_session(context={**big, "needle": "<b>Nadel</b>"})
    page = page_of(look, made, "context/?find=nadel")
    assert "1 place" in page
    assert "&lt;b&gt;Nadel" in page
    page = page_of(look, made)
    assert len(page) < 400_000


def test_the_context_comes_as_a_file(look: Client, make_session: Make) -> None:
    made = make_session(context={"class": "7b"})
    response = look.get(f"/sessions/{made.session_id}/context/?download=1")
    assert response["Content-Disposition"].startswith("attachment")
    assert json.loads(response.content) == {"class": "7b"}


def test_an_edit_shows_the_difference_first_and_needs_a_reason(
    act: Client, make_session: Make
) -> None:
    made = make_session(context={"class": "7b"})
    seen = stored(made).context_version
    page = text(edit(act, made, "preview", text='{"class": "8a"}', seen=seen))
    assert "&quot;7b&quot;" in page
    assert "&quot;8a&quot;" in page
    assert stored(made).context == {"class": "7b"}
    refused = edit(act, made, "save", text='{"class": "8a"}', seen=seen)
    assert refused.status_code == 422
    done = edit(act, made, "save", text='{"class": "8a"}', seen=seen, reason="wrong class")
    assert done.status_code == 302
    assert stored(made).context == {"class": "8a"}


def test_an_edit_is_refused_when_the_context_changed_meanwhile(
    act: Client, make_session: Make
) -> None:
    made = make_session(context={"class": "7b"})
    seen = stored(made).context_version
    actions.perform("edit", made.session_id, actor="viktoria", reason="r", context={"class": "9c"})
    response = edit(act, made, "save", text='{"class": "8a"}', seen=seen, reason="mine")
    assert response.status_code == 409
    assert "Changed meanwhile" in text(response)
    assert "&quot;9c&quot;" in text(response)
    assert stored(made).context == {"class": "9c"}


@pytest.mark.parametrize("written", ["{", "[1]", "null"])
def test_what_is_no_object_is_not_stored(act: Client, make_session: Make, written: str) -> None:
    made = make_session(context={"class": "7b"})
    response = edit(act, made, "save", text=written, seen=1, reason="x")
    assert response.status_code == 422
    assert stored(made).context == {"class": "7b"}


def test_a_viewer_may_not_edit(look: Client, make_session: Make) -> None:
    made = make_session()
    assert look.get(f"/sessions/{made.session_id}/edits/new/").status_code == 403
    assert edit(look, made, "save", text="{}", seen=1, reason="x").status_code == 403


def test_the_conversation_stands_beside_the_context(look: Client, make_session: Make) -> None:
    made = make_session("tutor")
    talk(made.session_id, ("<i>Hengelo?</i>", "12 museums"), ("And in Enschede?", "7 museums"))
    page = page_of(look, made).split('id="conversation"')[1].split("</section>")[0]
    for expected in (
        "4 turns",
        "&lt;i&gt;Hengelo",
        "7 museums",
        "Enschede? (in full)",
        "t.1",
        "city",
    ):
        assert expected in page


def test_turns_that_the_agent_keeps_in_its_context_are_shown_too(
    look: Client, make_session: Make
) -> None:
    turns = [
        {"question": "2+2?", "answer": "4", "reply": "Right!", "verdict": "ok"},
        {"x": 1},
        "junk",
    ]
    made = make_session("tutor", context={"turns": turns})
    page = page_of(look, made).split('id="conversation"')[1].split("</section>")[0]
    assert "3 turns" in page
    assert "Right!" in page
    assert "verdict" in page


def test_live_conversations_have_a_page(look: Client, make_session: Make) -> None:
    made = make_session("tutor")
    talk(made.session_id, ("And in Enschede?", "7 museums"))
    page = text(look.get("/conversations/", headers=ENGLISH))
    assert "And in Enschede?" in page
    assert f"/sessions/{made.session_id}/" in page
    assert Rows(page).inline == []
    assert look.get("/conversations/?after=nonsense").status_code == 404
    assert "<html" not in text(look.get("/conversations/", headers=FETCH))


def test_nobody_sees_conversations_without_the_right(client: Client, nobody: Any) -> None:
    client.force_login(nobody)
    assert client.get("/conversations/").status_code == 403


def test_repeated_names_are_grouped_with_their_durations(look: Client, make_session: Make) -> None:
    made = make_session(checkpoints=("marked", "marked", "marked", "once"))
    page = page_of(look, made).split('id="rhythm"')[1].split("</details>")[0]
    assert "× 3" in page
    assert "once" not in page


def test_durations_say_when_they_leave_older_checkpoints_out(
    look: Client, make_session: Make
) -> None:
    made = make_session(checkpoints=("marked", "marked", "marked"))
    assert "in the newest" not in page_of(look, made)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO agent_session_checkpoints (session_id, n, name, at, version, source)"
            " SELECT %s, n, 'marked', now(), 4, 'agent' FROM generate_series(5, 2001) AS n",
            [made.session_id],
        )
        cursor.execute(
            "UPDATE agent_sessions SET checkpoint_count = 2001, version = version + 1 WHERE id = %s",
            [made.session_id],
        )
    shown = page_of(look, made).split('id="rhythm"')[1].split("</summary>")[0]
    assert "in the newest 2,000 checkpoints" in shown


def test_the_history_is_filtered_by_kind(look: Client, make_session: Make) -> None:
    made = make_session(checkpoints=("marked",))
    actions.perform("pause", made.session_id, actor="olga")
    page = page_of(look, made, "?kind=order")
    assert 'id="v3"' in page
    assert 'id="v2"' not in page
    assert "/history.csv" in page


def test_the_paths_of_a_large_edit_stand_apart(look: Client, make_session: Make) -> None:
    made = make_session(context={f"part{n}": 0 for n in range(20)})
    wanted = {f"part{n}": 1 for n in range(20)}
    actions.perform("edit", made.session_id, actor="olga", reason="r", context=wanted)
    shown = page_of(look, made)
    apart = re.findall(r"</code>(\s*)<code translate=\"no\">part", shown)
    assert len(apart) >= 18 and "" not in apart


def test_who_else_looks_is_told(
    client: Client, operator: Any, viewer: Any, make_session: Make
) -> None:
    made = make_session()
    at = f"/sessions/{made.session_id}/presence/"
    client.force_login(operator)
    assert client.post(at, {"doing": "pauses"}).json() == {"people": []}
    client.force_login(viewer)
    (olga,) = client.post(at, headers=ENGLISH).json()["people"]
    assert olga == {
        "initials": "o",
        "words": "\u2068olga\u2069 has a dialog open: Pause",
        "acting": True,
    }
    client.force_login(operator)
    client.post(at, {"gone": "1"})
    client.force_login(viewer)
    assert client.post(at).json() == {"people": []}


def test_a_failed_session_shows_the_way_back_first(act: Client, make_session: Make) -> None:
    made = make_session(checkpoints=("marked",))
    actions.perform("fail", made.session_id, actor="olga", reason="stuck in a loop")
    banner = page_of(act, made).split('id="banner-failed"')[1].split("banner-")[0]
    assert "stuck in a loop" in banner
    assert "rollbacks/new/?checkpoint=2" in banner
    assert "compare/?a=2" in banner
