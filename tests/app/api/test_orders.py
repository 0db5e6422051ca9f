"""Orders of programs, and the errors they get."""

from __future__ import annotations

import threading
import uuid
from typing import Any, cast

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import Client

from agent_sessions import AgentSession, StorageUnavailable
from sessions_app import actions, manager_portal, models
from sessions_app.api import tokens
from sessions_app.choices import VERBS
from sessions_app.models import HistoryEntry
from tests.support.waiting import HANGS

from .conftest import Api


def state(session: AgentSession) -> str | None:
    return models.AgentSession.objects.get(pk=session.session_id).state


def orders(session: AgentSession) -> QuerySet[HistoryEntry]:
    return HistoryEntry.objects.filter(session_id=session.session_id, kind__in=("order", "edit"))


def test_a_pause_is_an_order_with_actor_reason_and_source(olga, create):
    session = create()
    response = olga.post(f"/sessions/{session.session_id}/pauses", {"reason": "lunch"})
    assert response.status_code == 200, response.content
    done = response.json()
    assert done["changed"] is True
    assert (done["session"]["state"], done["session"]["order"]["confirmed"]) == ("paused", False)
    entry = orders(session).get()
    assert (entry.actor, entry.reason, entry.source) == ("olga", "lunch", "api")


def test_what_is_so_already_is_no_change(olga, create):
    session = create()
    olga.post(f"/sessions/{session.session_id}/pauses")
    again = olga.post(f"/sessions/{session.session_id}/pauses")
    assert (again.status_code, again.json()["changed"]) == (200, False)
    assert orders(session).count() == 1


def test_every_verb_has_its_noun(olga, create, checkpoint):
    session = create(step=0)
    checkpoint(session, "first", step=1)
    checkpoint(session, "second", step=2)
    path = f"/sessions/{session.session_id}"
    why = {"reason": "because"}
    steps = [
        ("pauses", {}, "paused"),
        ("resumes", {}, "active"),
        ("completions", {"result": {"grade": 2}}, "completed"),
        ("rollbacks", why | {"checkpoint": 2}, "active"),
        ("failures", why, "failed"),
        ("rollbacks", why | {"checkpoint": f"{session.session_id}:3"}, "active"),
        ("edits", why | {"context": {"step": 9}}, "active"),
        ("edits", why | {"metadata": {"note": "x"}}, "active"),
        ("deletions", why, "deleted"),
        ("restorations", {}, "active"),
    ]
    for noun, body, expected in steps:
        response = olga.post(f"{path}/{noun}", body)
        assert response.status_code == 200, (noun, response.content)
        assert response.json()["session"]["state"] == expected
        assert response.json()["changed"] is True
    found = olga.get(path).json()
    assert (found["context"], found["metadata"]) == ({"step": 9}, {"note": "x"})


def test_rolling_back_brings_the_context_back(olga, create, checkpoint):
    session = create(step=0)
    checkpoint(session, "first", step=1)
    checkpoint(session, "second", step=2)
    body = {"reason": "wrong essay", "checkpoint": 2}
    done = olga.post(f"/sessions/{session.session_id}/rollbacks", body).json()
    assert done["session"]["context"] == {"step": 1}


@pytest.mark.parametrize(
    "noun",
    [
        "pauses",
        "resumes",
        "completions",
        "failures",
        "rollbacks",
        "deletions",
        "restorations",
        "edits",
    ],
)
def test_who_may_only_look_may_not_order(viktor, create, noun):
    session = create()
    more: dict[str, Any] = {"rollbacks": {"checkpoint": 1}, "edits": {"context": {}}}
    body = {"reason": "x", **more.get(noun, {})}
    response = viktor.post(f"/sessions/{session.session_id}/{noun}", body)
    assert response.status_code == 403
    right = next((v.right for v in VERBS.values() if v.noun == noun), "edit_session")
    assert f"({right})" in response.json()["detail"]
    assert state(session) == "active"


def test_a_browser_needs_the_csrf_token_and_a_program_does_not(operator, create):
    session = create()
    path = f"/api/sessions/{session.session_id}/pauses"
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator)
    assert browser.post(path, "{}", content_type="application/json").status_code == 403
    assert state(session) == "active"
    browser.get("/")
    token = browser.cookies["csrftoken"].value
    done = browser.post(path, "{}", content_type="application/json", headers={"X-CSRFToken": token})
    assert (done.status_code, state(session)) == (200, "paused")


def test_a_forbidden_step_names_state_and_verb(olga, create):
    session = create()
    olga.post(f"/sessions/{session.session_id}/completions")
    response = olga.post(f"/sessions/{session.session_id}/pauses")
    assert response.status_code == 409
    found = response.json()
    assert (found["title"], found["state"], found["verb"]) == (
        "invalid-transition",
        "completed",
        "pause",
    )
    assert found["detail"] == "“Pause” is not possible: the session is completed."


def test_a_missing_reason_is_asked_for(olga, create):
    session = create()
    response = olga.post(f"/sessions/{session.session_id}/failures")
    assert (response.status_code, response.json()["title"]) == (422, "invalid-input")
    assert "reason" in response.json()["detail"]
    assert state(session) == "active"


@pytest.mark.parametrize(
    ("checkpoint", "status"),
    [(99, 404), ("nonsense", 422), ("0a0b0c0d-0000-4000-8000-000000000001:1", 404), (-1, 422)],
)
def test_a_checkpoint_that_is_not_there(olga, create, checkpoint, status):
    session = create()
    body = {"reason": "x", "checkpoint": checkpoint}
    assert olga.post(f"/sessions/{session.session_id}/rollbacks", body).status_code == status


def test_a_session_that_is_not_there(olga):
    response = olga.post(f"/sessions/{uuid.uuid4()}/pauses")
    assert (response.status_code, response.json()["title"]) == (404, "session-not-found")


def test_the_same_key_again_has_one_effect(olga, create):
    session = create()
    path = f"/sessions/{session.session_id}"
    first = olga.post(f"{path}/pauses", Idempotency_Key="one")
    olga.post(f"{path}/resumes")
    again = olga.post(f"{path}/pauses", Idempotency_Key="one")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["session"]["state"] == "active"
    assert orders(session).count() == 2


def test_fifty_at_once_with_one_key_have_one_effect(olga, create, checkpoint, monkeypatch):
    # on a busy machine some wait for a connection for longer than five seconds
    monkeypatch.setattr(cast(Any, connection).pool, "timeout", HANGS)
    session = create(step=0)
    checkpoint(session, "first", step=1)
    path = f"/sessions/{session.session_id}/rollbacks"
    found = []

    def send():
        body = {"reason": "again", "checkpoint": 1}
        try:
            found.append(olga.post(path, body, Idempotency_Key="fifty").status_code)
        finally:
            # the test client keeps the thread's connection; a server would close it
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 50
    assert orders(session).count() == 1


@pytest.mark.parametrize(
    ("noun", "first", "second"),
    [
        ("pauses", {"reason": "a"}, {"reason": "b"}),
        ("rollbacks", {"reason": "a", "checkpoint": 1}, {"reason": "a", "checkpoint": 2}),
        ("edits", {"reason": "a", "context": {"n": 1}}, {"reason": "a", "context": {"n": 2}}),
        ("completions", {"result": 1}, {"result": 2}),
    ],
)
def test_the_same_key_with_another_body_is_refused(olga, create, checkpoint, noun, first, second):
    session = create(step=0)
    checkpoint(session, "first", step=1)
    path = f"/sessions/{session.session_id}/{noun}"
    assert olga.post(path, first, Idempotency_Key="k").json()["changed"] is True
    refused = olga.post(path, second, Idempotency_Key="k")
    assert (refused.status_code, refused.json()["title"]) == (422, "request-reused")
    assert refused.json()["detail"] == "This Idempotency-Key was used before for another request."
    assert orders(session).count() == 1


def test_a_key_of_one_caller_is_nothing_to_another(olga, viewer, create):
    from django.contrib.auth.models import Group

    from sessions_app.api import tokens

    from .conftest import Api

    viewer.groups.add(Group.objects.get(name="leads"))
    other = Api(tokens.make(viewer, "other"))
    session = create()
    olga.post(f"/sessions/{session.session_id}/pauses", Idempotency_Key="one")
    olga.post(f"/sessions/{session.session_id}/resumes")
    done = other.post(f"/sessions/{session.session_id}/pauses", Idempotency_Key="one")
    assert done.json()["changed"] is True


def test_who_decided_upon_an_old_version_is_told_who_was_faster(olga, create):
    session = create()
    actions.perform("pause", session.session_id, actor="viktor", reason="mine")
    response = olga.post(
        f"/sessions/{session.session_id}/failures", {"reason": "x"}, If_Match='"1"'
    )
    assert response.status_code == 412
    found = response.json()
    assert (found["title"], found["actor"], found["state"], found["version"]) == (
        "conflict",
        "viktor",
        "paused",
        2,
    )
    assert "viktor" in found["detail"]
    assert state(session) == "paused"


def test_a_checkpoint_made_meanwhile_is_no_conflict(olga, create, checkpoint):
    session = create()
    checkpoint(session, "step")
    done = olga.post(f"/sessions/{session.session_id}/pauses", If_Match='"1"')
    assert done.status_code == 200


def test_an_edit_of_a_context_that_changed_meanwhile_is_refused(olga, create, checkpoint):
    session = create(step=0)
    checkpoint(session, "step", step=1)
    body = {"reason": "x", "context": {"step": 5}}
    response = olga.post(f"/sessions/{session.session_id}/edits", body, If_Match='"1"')
    assert (response.status_code, response.json()["title"]) == (412, "conflict")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400), ("[]", 400), ("[1]", 400), ("1", 400), ("", 400), ('{"reason": 5}', 422), ('{"reason": "' + "x" * 2001 + '"}', 422),
        ('{"reason": "a\\u0000b"}', 422), ('{"reason": "\\ud800"}', 422), (b"\xff\xfe", 400),
        ("[" * 20_000, 400),
    ],
)  # fmt: skip
def test_a_body_nobody_can_read(olga, create, body, status):
    session = create()
    response = olga.post(f"/sessions/{session.session_id}/pauses", body)
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert state(session) == "active"


@pytest.mark.parametrize(
    "context",
    [
        '{"a": NaN}',
        '{"a": "\\u0000"}',
        '{"a": "\\ud800"}',
        '{"a": ' + "[" * 80 + "]" * 80 + "}",
        '"text"',
        "[1]",
        "1",
    ],
)
def test_a_context_nobody_can_store(olga, create, context):
    session = create(step=1)
    body = f'{{"reason": "x", "context": {context}}}'
    response = olga.post(f"/sessions/{session.session_id}/edits", body)
    assert (response.status_code, response["Content-Type"]) == (422, "application/problem+json")
    assert models.AgentSession.objects.get(pk=session.session_id).context == {"step": 1}


@pytest.mark.parametrize(("where", "size"), [("edits", 51 * 1024 * 1024), ("pauses", 3_000_000)])
def test_a_body_that_is_too_large_is_refused(olga, create, where, size):
    session = create()
    body = {"reason": "x", "context": {"text": "x" * size}}
    response = olga.post(f"/sessions/{session.session_id}/{where}", body)
    assert (response.status_code, response.json()["title"]) == (413, "too-large")


def test_a_context_that_may_be_stored_can_be_edited(olga, create):
    session = create()
    context = {"text": "ä" * 2_000_000}  # six bytes each as a client escapes them
    response = olga.post(
        f"/sessions/{session.session_id}/edits", {"reason": "x", "context": context}
    )
    assert response.status_code == 200
    assert models.AgentSession.objects.get(pk=session.session_id).context == context


def test_an_edit_of_nothing_is_refused(olga, create):
    session = create()
    response = olga.post(f"/sessions/{session.session_id}/edits", {"reason": "x"})
    assert response.status_code == 422


def test_an_if_match_that_is_no_version_is_refused(olga, create):
    session = create()
    response = olga.post(f"/sessions/{session.session_id}/pauses", If_Match='"abc"')
    assert (response.status_code, state(session)) == (400, "active")


def test_while_the_database_is_away_it_says_try_again(olga, create, monkeypatch):
    """Outages are tested with real servers elsewhere; this tests the response only."""
    session = create()

    def away(operation):
        raise StorageUnavailable("PostgreSQL did not answer")

    monkeypatch.setattr(manager_portal, "call", away)
    response = olga.post(f"/sessions/{session.session_id}/pauses")
    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert response.json()["title"] == "storage-unavailable"


def test_an_edit_keeps_what_the_agent_wrote_meanwhile(olga, create, checkpoint):
    session = create(skill="fractions", position=1)
    seen = olga.get(f"/sessions/{session.session_id}")
    checkpoint(session, "turn", position=2)
    checkpoint(session, "turn", position=3)
    wanted = seen.json()["context"] | {"skill": "decimals"}
    body = {"reason": "x", "context": wanted}
    done = olga.post(f"/sessions/{session.session_id}/edits", body, If_Match=seen["ETag"])
    assert done.status_code == 200
    assert done.json()["session"]["context"] == {"skill": "decimals", "position": 3}
    assert orders(session).latest("version").paths == ["skill"]


def test_a_conflict_of_one_path_says_what_was_loaded_what_is_there_and_who_wrote_it(olga, create):
    session = create(skill="loaded", level=1)
    theirs = {"skill": "theirs", "level": 1, "new": 1}
    actions.perform("edit", session.session_id, actor="erika", reason="y", context=theirs)
    body = {"reason": "x", "context": {"skill": "mine", "level": 2}}
    response = olga.post(f"/sessions/{session.session_id}/edits", body, If_Match='"1"')
    found = response.json()
    assert (response.status_code, found["title"], found["version"]) == (412, "conflict", 2)
    [conflict] = found["conflicts"]
    assert conflict.pop("at")
    assert conflict == {
        "part": "context",
        "path": ["skill"],
        "loaded": "loaded",
        "now": "theirs",
        "mine": "mine",
        "actor": "erika",
    }
    assert "erika" in found["detail"]
    again = olga.post(f"/sessions/{session.session_id}/edits", body, If_Match='"2"')
    assert again.json()["session"]["context"] == {"skill": "mine", "level": 2}


def test_metadata_is_compared_with_what_the_caller_read(olga, create, checkpoint):
    session = create()
    first, second = {"class": "7b", "room": 1}, {"class": "7b", "room": 2}
    actions.perform("edit", session.session_id, actor="erika", reason="y", metadata=first)
    actions.perform("edit", session.session_id, actor="erika", reason="y", metadata=second)
    body = {"reason": "x", "metadata": {"class": "8a", "room": 1}}
    lost = olga.post(f"/sessions/{session.session_id}/edits", body, If_Match='"2"')
    assert (lost.status_code, lost.json()["loaded_known"]) == (412, False)
    body["seen_metadata"] = first
    done = olga.post(f"/sessions/{session.session_id}/edits", body, If_Match='"2"')
    assert done.json()["session"]["metadata"] == {"class": "8a", "room": 2}


@pytest.mark.parametrize(
    ("where", "body"),
    [
        ("edits", '{"reason": "x", "context": {"mark": 1, "mark": 2}}'),
        ("edits", '{"reason": "x", "context": {"deep": [{"mark": 1, "mark": 1}]}}'),
        ("pauses", '{"mark": "x", "mark": "y"}'),
        ("completions", '{"result": {"mark": 1, "mark": 2}}'),
    ],
)
def test_a_key_that_stands_twice_is_refused_and_named(olga, create, where, body):
    session = create(step=1)
    response = olga.post(f"/sessions/{session.session_id}/{where}", body)
    assert (response.status_code, response.json()["title"]) == (422, "invalid-input")
    assert '"mark"' in response.json()["detail"]
    assert models.AgentSession.objects.get(pk=session.session_id).version == 1


@pytest.mark.parametrize(
    ("noun", "body"),
    [
        *(("rollbacks", {"checkpoint": n}) for n in (True, False, 1.0, 2.0, None, [1], {"n": 1})),
        ("rollbacks", {}),
        *(("pauses", {"reason": reason}) for reason in (True, 1, None, ["x"])),
        *(("edits", {part: value}) for part in ("context", "metadata", "seen_metadata")
          for value in (True, 1, 1.0, "{}", [["a", 1]])),
        ("pauses", {"reasn": "lunch"}),
        ("resumes", {"checkpoint": 1}),
        ("edits", {"contxt": {"step": 5}, "context": {}}),
    ],
)  # fmt: skip
def test_a_value_of_another_type_or_field_is_refused_and_not_converted(
    olga, create, checkpoint, noun, body
):
    session = create(step=0)
    checkpoint(session, "first", step=1)
    response = olga.post(f"/sessions/{session.session_id}/{noun}", {"reason": "x", **body})
    assert (response.status_code, response.json()["title"]) == (422, "invalid-input")
    assert response.json()["errors"]
    assert not orders(session).exists()


@pytest.mark.parametrize("version", ["99999", str(2**63 - 1)])
def test_a_version_that_the_session_does_not_have_blames_nobody(olga, create, version):
    session = create(step=0)
    for noun, body in (
        ("failures", {"reason": "x"}),
        ("pauses", {}),
        ("edits", {"reason": "x", "context": {"step": 1}}),
        ("edits", {"reason": "x", "metadata": {"note": 1}}),
    ):
        path = f"/sessions/{session.session_id}/{noun}"
        response = olga.post(path, body, If_Match=f'"{version}"')
        found = response.json()
        assert (response.status_code, found["title"], found["actor"]) == (412, "conflict", None)
        assert "meanwhile" not in found["detail"]
        assert found["version"] == 1
    assert not orders(session).exists()


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_page_says_so_too(client, operator, create, language):
    session = create()
    client.force_login(operator)
    response = client.post(
        f"/sessions/{session.session_id}/pauses/",
        {"seen_version": "99999", "request_id": str(uuid.uuid4())},
        headers={"Accept-Language": language, "X-Requested-With": "fetch"},
    )
    said = {
        "en": "This session does not have the version that you saw",
        "de": "Die Version, die Sie gesehen haben, gibt es bei dieser Sitzung nicht",
    }
    assert said[language] in response.content.decode()
    assert state(session) == "active"


@pytest.mark.parametrize(
    "tag", ['W/"1"', 'W/"9999"', "W/1", '""', '"0"', '"1', '1"', '""1""', '"1", "2"', '"-1"', '"1.0"', '"٣"', '"*"', " "],
)  # fmt: skip
def test_a_condition_that_cannot_be_read_is_refused_and_not_dropped(olga, create, tag):
    session = create()
    response = olga.post(
        f"/sessions/{session.session_id}/pauses", If_Match=tag.encode().decode("latin-1")
    )
    assert (response.status_code, response.json()["title"]) == (400, "malformed")
    assert ("strong" in response.json()["detail"]) is tag.startswith("W/")
    assert state(session) == "active"


def test_an_empty_idempotency_key_is_refused(olga, create):
    session = create()
    response = olga.post(f"/sessions/{session.session_id}/pauses", Idempotency_Key="")
    assert (response.status_code, state(session)) == (400, "active")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("", "The body is empty: a JSON object is needed, at least {}."),
        ("[" * 100_000, "Invalid JSON: nested too deeply."),
        ('{"reason": ' + "[" * 100_000 + "]" * 100_000 + "}", "Invalid JSON: nested too deeply."),
        ('{"result": ' + "9" * 1_000_000 + "}", "Invalid JSON: a number or a character cannot be read."),
        ('{"reason": ', "Invalid JSON: the error is in line 1, column 12."),
        (b'{"reason": "\x80"}', "Invalid JSON: a number or a character cannot be read."),
        ("[1]", "The body cannot be read: a JSON object is needed."),
    ],
    ids=["empty", "list", "deep", "number", "cut", "bytes", "no object"],
)  # fmt: skip
def test_the_answer_says_what_is_wrong_with_a_body(olga, create, body, sentence):
    session = create()
    response = olga.post(f"/sessions/{session.session_id}/completions", body)
    assert (response.status_code, response.json()["title"]) == (400, "malformed")
    assert response.json()["detail"] == sentence
    assert state(session) == "active"


@pytest.mark.parametrize("noun", ["", "/pauses", "/edits"])
def test_a_refusal_claims_no_right_that_is_missing(create, django_user_model, noun):
    nobody = Api(tokens.make(django_user_model.objects.create_user("nobody"), "test"))
    path = f"/sessions/{create().session_id}{noun}"
    body = {"reason": "x", **({"context": {}} if noun == "/edits" else {})}
    answer = nobody.post(path, body) if noun else nobody.get(path)
    assert answer.status_code == 403
    assert (
        answer.json()["detail"] == "You need the right “See sessions” (view_agentsession) for this."
    )
