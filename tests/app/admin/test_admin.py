"""Sessions in Django's admin: every action goes through the manager, with the user as actor."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from sessions_app import actions
from sessions_app.models import AgentSession, HistoryEntry

LIST = "/admin/sessions_app/agentsession/"


def page(session: Any) -> str:
    return reverse("admin:sessions_app_agentsession_change", args=[session.session_id])


def form(client: Any, session: Any, **changed: Any) -> dict[str, Any]:
    """The form as a browser sends it, with changes."""
    shown = client.get(page(session)).context["adminform"].form
    fields = {name: shown[name].value() for name in shown.fields}
    for name in ("context", "metadata"):
        fields[shown[name].html_initial_name] = shown[name].value()
    texts = {name: "" if value is None else value for name, value in fields.items()}
    return texts | {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in changed.items()
    }


def row(session: Any) -> AgentSession:
    return AgentSession.objects.get(pk=session.session_id)


def newest_entry(session: Any) -> HistoryEntry:
    return HistoryEntry.objects.filter(session_id=session.session_id).latest("version")


def errors(response: Any) -> str:
    assert response.status_code == 200, "it was saved"
    return str(response.context["adminform"].form.errors)


def test_an_edit_of_the_context_goes_through_the_manager(olga, create):
    session = create(class_="7b")
    posted = form(olga, session, context={"class_": "8a"}, reason="moved up")
    assert olga.post(page(session), posted).status_code == 302
    assert row(session).context == {"class_": "8a"}
    entry = newest_entry(session)
    assert (entry.kind, entry.source, entry.actor, entry.reason) == (
        "edit",
        "admin",
        "olga",
        "moved up",
    )
    assert entry.paths == ["class_"]


def test_an_edit_of_the_metadata_too(olga, create):
    session = create()
    assert (
        olga.post(page(session), form(olga, session, metadata={"a": 1}, reason="x")).status_code
        == 302
    )
    assert row(session).metadata == {"a": 1}
    assert newest_entry(session).paths == ["metadata.a"]


@pytest.mark.parametrize(
    ("verb", "state"),
    [("pause", "paused"), ("complete", "completed"), ("fail", "failed"), ("delete", "deleted")],
)
def test_the_state_changes_by_an_order(olga, create, verb, state):
    session = create()
    olga.post(page(session), form(olga, session, verb=verb, reason="because"))
    assert row(session).state == state
    entry = newest_entry(session)
    assert (entry.kind, entry.source, entry.actor, entry.reason) == (
        "order",
        "admin",
        "olga",
        "because",
    )


def test_edit_and_order_in_one_form(olga, create):
    session = create(step=1)
    posted = form(olga, session, context={"step": 2}, verb="pause", reason="fix")
    assert olga.post(page(session), posted).status_code == 302
    assert (row(session).context, row(session).state) == ({"step": 2}, "paused")


def test_saving_an_unchanged_form_changes_nothing(olga, create):
    session = create()
    response = olga.post(page(session), form(olga, session))
    assert response.status_code == 302, errors(response)
    assert row(session).version == 1


@pytest.mark.parametrize("wanted", ["first", "2"])
def test_rolling_back_by_name_or_number(olga, create, checkpoint, wanted):
    session = create(step=0)
    checkpoint(session, "first", step=1)
    checkpoint(session, "second", step=2)
    posted = form(olga, session, verb="rollback", checkpoint=wanted, reason="wrong")
    assert olga.post(page(session), posted).status_code == 302
    assert row(session).context == {"step": 1}
    assert (newest_entry(session).detail or {})["to"] == 2


def test_of_several_checkpoints_with_one_name_the_newest_is_meant(olga, create, checkpoint):
    session = create(step=0)
    for step in (1, 2):
        checkpoint(session, "marked", step=step)
    checkpoint(session, "other", step=3)
    olga.post(page(session), form(olga, session, verb="rollback", checkpoint="marked", reason="x"))
    assert row(session).context == {"step": 2}


def test_only_what_is_possible_is_offered(olga, create):
    session = create()
    actions.perform("complete", session.session_id, actor="olga")
    shown = olga.get(page(session)).context["adminform"].form
    assert {name for name, _ in shown.fields["verb"].choices} == {"", "rollback", "delete"}


def test_a_refused_edit_keeps_what_was_typed(olga, create):
    session = create(step=1)
    posted = form(olga, session, context={"step": "typed for an hour"})
    response = olga.post(page(session), posted)
    assert "reason" in errors(response)
    assert "typed for an hour" in response.content.decode()
    assert row(session).version == 1


def test_a_context_that_is_no_object_is_refused(olga, create):
    session = create(step=1)
    response = olga.post(page(session), form(olga, session, context="[1, 2]", reason="x"))
    assert errors(response)
    assert row(session).context == {"step": 1}


@pytest.mark.parametrize("text", ["{", '{"a": NaN}', '{"a": "\\u0000"}', '{"a": "\\ud800"}'])
def test_a_context_nobody_can_store_is_refused_with_what_was_typed(olga, create, text):
    session = create(step=1)
    response = olga.post(page(session), form(olga, session, context=text, reason="x"))
    assert errors(response)
    assert row(session).context == {"step": 1}


def test_a_conflict_says_who_was_faster(olga, create):
    session = create(step=1)
    posted = form(olga, session, verb="complete", context={"step": 2}, reason="x")
    actions.perform("edit", session.session_id, actor="erika", reason="y", context={"step": 3})
    response = olga.post(page(session), posted)
    assert "erika" in errors(response)
    assert row(session).context == {"step": 3}
    assert row(session).state == "active"


def test_an_order_upon_an_old_state_says_who_was_faster(olga, create):
    session = create()
    posted = form(olga, session, verb="fail", reason="stuck")
    actions.perform("pause", session.session_id, actor="erika")
    assert "erika" in errors(olga.post(page(session), posted))
    assert row(session).state == "paused"


def test_a_form_sent_twice_has_one_effect(olga, create):
    session = create(step=1)
    posted = form(olga, session, context={"step": 2}, verb="pause", reason="x")
    for _ in range(2):
        assert olga.post(page(session), posted).status_code == 302
    assert row(session).version == 3


def test_an_agent_s_checkpoint_meanwhile_is_no_conflict(olga, create, checkpoint):
    session = create(step=1)
    posted = form(olga, session, verb="pause", reason="x")
    checkpoint(session, "step")
    assert olga.post(page(session), posted).status_code == 302
    assert row(session).state == "paused"


def test_an_agent_s_change_of_the_context_meanwhile_is_neither_undone_nor_a_conflict(
    olga, create, checkpoint
):
    session = create(step=1)
    posted = form(olga, session, verb="pause", reason="x")
    checkpoint(session, "step", step=2)
    response = olga.post(page(session), posted)
    assert response.status_code == 302, errors(response)
    assert (row(session).state, row(session).context) == ("paused", {"step": 2})


def ticked(action: str, sessions: list[Any], **more: str) -> dict[str, Any]:
    chosen = [session.session_id for session in sessions]
    return {"action": f"{action}_sessions", "_selected_action": chosen, "reason": "", **more}


def test_several_at_once_and_what_could_not_be_done_is_said(olga, create):
    made = [create() for _ in range(3)]
    actions.perform("complete", made[0].session_id, actor="olga")
    response = olga.post(LIST, ticked("pause", made), follow=True)
    assert [row(session).state for session in made] == ["completed", "paused", "paused"]
    said = [str(message) for message in response.context["messages"]]
    assert any(made[0].session_id[:8] in text and "not possible" in text for text in said)
    assert any(text.startswith("2 ") for text in said)


def test_several_at_once_with_a_reason(olga, create):
    session = create()
    olga.post(LIST, ticked("fail", [session], reason="stuck"))
    entry = newest_entry(session)
    assert (entry.to_state, entry.source, entry.actor, entry.reason) == (
        "failed",
        "admin",
        "olga",
        "stuck",
    )


def test_several_rolled_back_to_a_checkpoint_by_its_name(olga, create, checkpoint):
    made = [create(step=0) for _ in range(2)]
    for session in made:
        checkpoint(session, "first", step=1)
        checkpoint(session, "second", step=2)
    olga.post(LIST, ticked("rollback", made, reason="x", checkpoint="first"))
    assert [row(session).context for session in made] == [{"step": 1}] * 2


def test_a_checkpoint_that_is_not_there_is_said(olga, create):
    session = create()
    said = olga.post(
        LIST, ticked("rollback", [session], reason="x", checkpoint="none"), follow=True
    )
    assert any("checkpoint" in str(message) for message in said.context["messages"])
    assert row(session).version == 1


def test_a_viewer_sees_and_cannot_act(viktor, create):
    session = create(step=1)
    assert viktor.get(LIST).status_code == 200
    shown = viktor.get(page(session))
    assert shown.status_code == 200
    assert b'name="_save"' not in shown.content
    assert b'name="action"' not in viktor.get(LIST).content
    posted = {"context": '{"step": 2}', "metadata": "{}", "reason": "x", "verb": "pause",
              "seen_version": 1, "request_id": str(uuid.uuid4())}  # fmt: skip
    assert viktor.post(page(session), posted).status_code == 403
    viktor.post(LIST, ticked("pause", [session]))
    assert (row(session).state, row(session).version) == ("active", 1)


def test_who_has_no_right_sees_nothing(nora, create):
    session = create()
    for path in (LIST, page(session)):
        assert nora.get(path).status_code in (302, 403)
    nora.post(LIST, ticked("pause", [session]))
    assert row(session).version == 1


def test_who_is_not_logged_in_sees_the_log_in(client, create):
    response = client.get(page(create()))
    assert response.status_code == 302
    assert "/login/" in response.url


def test_rows_are_neither_added_nor_removed_here(olga, create):
    session = create()
    assert olga.get(f"{LIST}add/").status_code == 403
    assert olga.post(f"{LIST}{session.session_id}/delete/", {"post": "yes"}).status_code == 403
    assert row(session)


def test_script_in_whatever_is_shown_is_text(olga, create):
    evil = "<script>alert(1)</script>"
    session = create("grader", evil, text=evil)
    actions.perform("pause", session.session_id, actor=evil, reason=evil)
    for path in (LIST, page(session)):
        assert evil not in olga.get(path).content.decode()


def fill(sessions: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO agent_sessions (id, agent_type, user_id, state, created_at) "
            "SELECT gen_random_uuid(), 'grader', 'user' || n, 'active', now() - n * interval '1 s'"
            " FROM generate_series(1, %s) n", [sessions],
        )  # fmt: skip
        cursor.execute("ANALYZE agent_sessions")


@pytest.mark.parametrize("query", ["", "?p=3", "?state__exact=active", "?q=grader", "?o=3"])
def test_a_long_list_is_never_counted_whole_and_asks_little(olga, create, query):
    fill(500)
    with CaptureQueriesContext(connection) as captured:
        assert olga.get(f"{LIST}{query}").status_code == 200
    ours = [q["sql"] for q in captured.captured_queries if '"agent_sessions"' in q["sql"]]
    assert len(ours) == 2
    assert all("LIMIT" in sql for sql in ours), ours
    assert len(captured.captured_queries) < 10


@pytest.mark.parametrize("column", range(1, 8))
def test_no_column_is_sorted_by_what_no_index_answers(olga, column):
    fill(5000)
    with CaptureQueriesContext(connection) as captured:
        assert olga.get(f"{LIST}?o={column}").status_code == 200
    rows = [q["sql"] for q in captured.captured_queries if 'FROM "agent_sessions"' in q["sql"]]
    assert rows
    for sql in rows:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}")
            plan = str(cursor.fetchall())
        assert "Seq Scan on agent_sessions" not in plan or "Sort" not in plan, plan


@pytest.mark.parametrize("query", ["q=user7", "q={id}", "state__exact=paused"])
def test_searching_a_long_list_reads_no_more_than_it_shows(olga, create, query):
    fill(5000)
    session_id = create(user="user7").session_id
    with CaptureQueriesContext(connection) as captured:
        assert olga.get(f"{LIST}?{query.format(id=session_id)}").status_code == 200
    for sql in [q["sql"] for q in captured.captured_queries if 'FROM "agent_sessions"' in q["sql"]]:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}")
            assert "Seq Scan on agent_sessions" not in str(cursor.fetchall()), sql


def test_the_list_leaves_contexts_and_checkpoints_where_they_are(olga, create):
    create(essay="x" * 1000)
    with CaptureQueriesContext(connection) as captured:
        olga.get(LIST)
    rows = [q["sql"] for q in captured.captured_queries if 'FROM "agent_sessions"' in q["sql"]]
    assert not [sql for sql in rows if '"agent_sessions"."checkpoints"' in sql]
    assert not [sql for sql in rows if '"agent_sessions"."context"' in sql]


def again(response: Any) -> dict[str, Any]:
    """The data of the returned form, to be sent again."""
    shown = response.context["adminform"].form
    fields = {name: shown[name].value() for name in shown.fields if name != "conflicts"}
    for name in ("context", "metadata"):
        fields[name] = (
            shown[name].value() if isinstance(fields[name], str) else json.dumps(fields[name])
        )
        hidden = shown[name].html_initial_name
        fields[hidden] = shown.data[hidden]
    fields["conflict"] = [one.hidden for one in shown["conflicts"].value()]
    return {name: "" if value is None else value for name, value in fields.items()}


def test_an_edit_keeps_what_the_agent_wrote_meanwhile(olga, create, checkpoint):
    session = create(skill="fractions", position=1)
    posted = form(olga, session, context={"skill": "decimals", "position": 1}, reason="x")
    checkpoint(session, "turn", position=2)
    checkpoint(session, "turn", position=3)
    assert olga.post(page(session), posted).status_code == 302
    assert row(session).context == {"skill": "decimals", "position": 3}
    assert newest_entry(session).paths == ["skill"]


def test_an_edit_of_the_metadata_keeps_what_another_wrote_meanwhile(olga, create, checkpoint):
    session = create()
    first = {"class": "7b", "room": 1}
    actions.perform("edit", session.session_id, actor="erika", reason="y", metadata=first)
    posted = form(olga, session, metadata={"class": "8a", "room": 1}, reason="x")
    checkpoint(session, "turn")
    second = {"class": "7b", "room": 2}
    actions.perform("edit", session.session_id, actor="erika", reason="y", metadata=second)
    assert olga.post(page(session), posted).status_code == 302
    assert row(session).metadata == {"class": "8a", "room": 2}


@pytest.mark.parametrize(("choice", "skill"), [("mine", "mine"), ("there", "theirs")])
def test_a_conflict_is_shown_side_by_side_and_decided(olga, create, checkpoint, choice, skill):
    session = create(skill="loaded", level=1)
    posted = form(olga, session, context={"skill": "mine", "level": 2}, reason="x", verb="pause")
    theirs = {"skill": "theirs", "level": 1}
    actions.perform("edit", session.session_id, actor="erika", reason="y", context=theirs)
    response = olga.post(page(session), posted)
    side_by_side = response.content.decode().split('class="conflict"')[1].split("</fieldset>")[0]
    for expected in ("skill", "loaded", "theirs", "mine", "erika"):
        assert expected in side_by_side
    undecided = olga.post(page(session), again(response))
    assert "Decide" in errors(undecided)
    done = olga.post(page(session), again(undecided) | {"choice-0": choice})
    assert done.status_code == 302, errors(done)
    assert row(session).context == {"skill": skill, "level": 2}
    assert row(session).state == "paused"


def test_a_form_without_conflicts_does_not_speak_of_them(olga, create):
    session = create(skill="loaded")
    shown = olga.get(page(session))
    assert "field-conflicts" not in shown.content.decode().replace("hidden field-conflicts", "")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"a": ' + "9" * 5_000 + "}",
        '{"a": ' + "[" * 20_000 + "]" * 20_000 + "}",
    ],
)
def test_json_that_cannot_be_read_comes_back_as_it_was_typed(olga, create, text):
    session = create(step=1)
    response = olga.post(page(session), form(olga, session, context=text, reason="x"))
    assert errors(response)
    assert response.context["adminform"].form["context"].value() == text
    assert row(session).context == {"step": 1}


def test_a_key_that_stands_twice_is_named(olga, create):
    response = olga.post(
        page(session := create()), form(olga, session, context='{"mark": 1, "mark": 2}', reason="x")
    )
    assert "mark" in errors(response)
    assert "stands twice" in errors(response)


def test_the_page_of_a_session_has_no_english_label_in_german(olga, create):
    answer = olga.get(page(create()), headers={"Accept-Language": "de"}).content.decode()
    labels = [found.strip() for found in re.findall(r"<label[^>]*>([^<]*)</label>", answer)]
    assert "Kennung:" in labels
    assert "Verspätete Speicherungen abgelehnt:" in labels
    assert [label for label in labels if label.startswith(("Id", "Refused"))] == []


def test_the_library_s_checkpoints_have_words_and_the_agent_s_their_names(olga, create, checkpoint):
    session = create()
    checkpoint(session, "essay_marked")
    actions.perform("pause", session.session_id, actor="olga")
    answer = olga.get(page(session), headers={"Accept-Language": "de"}).content.decode()
    assert "Beim Pausieren" in answer
    assert "essay_marked" in answer
    assert "session_paused" not in answer
