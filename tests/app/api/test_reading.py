"""Reading sessions over the API."""

from __future__ import annotations

import os
import uuid
from typing import Any

import pytest
from django.test import Client

from sessions_app import actions, manager_portal, models
from sessions_app.choices import KINDS


def ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [item["id"] for item in response.json()["items"]]


def test_the_list_comes_newest_first_and_page_by_page(viktor, create):
    made = [create(user=str(n)).session_id for n in range(5)]
    first = viktor.get("/sessions?limit=2")
    assert ids(first) == made[:2:-1]
    second = viktor.get(f"/sessions?limit=2&after={first.json()['next']}")
    assert ids(second) == [made[2], made[1]]
    back = viktor.get(f"/sessions?limit=2&before={second.json()['previous']}")
    assert ids(back) == ids(first)
    last = viktor.get(f"/sessions?limit=2&after={second.json()['next']}")
    assert last.json()["next"] is None


def test_it_filters_as_the_page_does(viktor, create):
    grader, tutor = create("grader"), create("tutor", "maria")
    actions.perform("pause", tutor.session_id, actor="olga")
    assert ids(viktor.get("/sessions?state=paused")) == []
    assert ids(viktor.get("/sessions?type=grader")) == [grader.session_id]
    assert ids(viktor.get("/sessions?q=user:mar")) == [tutor.session_id]
    assert ids(viktor.get("/sessions?state=pausing")) == [tutor.session_id]
    assert ids(viktor.get("/sessions?state=deleted")) == []


def test_an_order_shows_whether_the_agent_has_confirmed_it(viktor, create):
    session = create()
    actions.perform("pause", session.session_id, actor="olga", reason="look")
    [item] = viktor.get("/sessions").json()["items"]
    assert (item["state"], item["health"]) == ("paused", "on_time")
    order = item["order"]
    assert (order["verb"], order["actor"], order["confirmed"]) == ("pause", "olga", False)


def test_an_order_says_how_many_parts_keep_it_from_being_confirmed(viktor, create):
    session = create()
    ordered = actions.perform("pause", session.session_id, actor="olga").session
    [item] = viktor.get("/sessions").json()["items"]
    assert (item["order"]["parts"], item["order"]["parts_at_work"]) == (None, None)
    manager_portal.call(lambda m: m.report_parts(session.session_id, ordered.order_version, 3, 2))
    for order in (
        viktor.get("/sessions").json()["items"][0]["order"],
        viktor.get(f"/sessions/{session.session_id}").json()["order"],
    ):
        assert (order["confirmed"], order["parts"], order["parts_at_work"]) == (False, 3, 2)
    manager_portal.call(lambda m: m.acknowledge(session.session_id, ordered.order_version))
    order = viktor.get(f"/sessions/{session.session_id}").json()["order"]
    assert (order["confirmed"], order["parts"], order["parts_at_work"]) == (True, None, None)


@pytest.mark.parametrize(
    "query",
    [
        "state=sleeping",
        "state=",
        "type=%00",
        "user=%00",
        "user=",
        "q=%00",
        "q=state:%22%22",
        "q=colour:red",
        "q=id:xyz",
        "sort=user",
        "after=somewhere",
        "limit=0",
        "limit=9999",
    ],
)
def test_what_does_not_exist_is_refused_rather_than_ignored(viktor, create, query):
    create()
    response = viktor.get(f"/sessions?{query}")
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["detail"]


def test_one_session_comes_whole_and_with_its_version(viktor, create, checkpoint):
    session = create(class_="7b")
    checkpoint(session, "essay_marked", marked=3)
    response = viktor.get(f"/sessions/{session.session_id}")
    found = response.json()
    assert found["context"] == {"class_": "7b", "marked": 3}
    assert found["last_checkpoint"]["name"] == "essay_marked"
    assert response["ETag"] == f'"{found["version"]}"' == '"2"'


def test_what_is_not_there_is_not_found(viktor):
    for path in ("", "/history", "/checkpoints", "/history.csv"):
        response = viktor.get(f"/sessions/{uuid.uuid4()}{path}")
        assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


def test_history_says_who_did_what_and_why(viktor, create):
    session = create()
    actions.perform("pause", session.session_id, actor="olga", reason="lunch")
    newest, oldest = viktor.get(f"/sessions/{session.session_id}/history").json()["items"]
    assert oldest["kind"] == "created"
    assert (newest["kind"], newest["verb"]) == ("order", "pause")
    assert (newest["actor"], newest["reason"], newest["source"]) == ("olga", "lunch", "page")
    assert (newest["from_state"], newest["to_state"]) == ("active", "paused")
    assert newest["detail"] is None


def test_history_and_checkpoints_come_page_by_page(viktor, create, checkpoint):
    session = create()
    for n in range(4):
        checkpoint(session, f"step {n}")
    for path, number in (("history", "version"), ("checkpoints", "n")):
        first = viktor.get(f"/sessions/{session.session_id}/{path}?limit=3").json()
        rest = viktor.get(
            f"/sessions/{session.session_id}/{path}?limit=3&before={first['next']}"
        ).json()
        assert [item[number] for item in (*first["items"], *rest["items"])] == [5, 4, 3, 2, 1]
        assert rest["next"] is None


def test_a_checkpoint_says_whether_its_context_was_captured(viktor, create):
    session = create()
    [item] = viktor.get(f"/sessions/{session.session_id}/checkpoints").json()["items"]
    assert item["id"] == f"{session.session_id}:1"
    assert (item["name"], item["context_captured"]) == ("session_created", True)


def test_the_watch_endpoint_says_that_no_watchdog_runs(viktor):
    found = viktor.get("/watch").json()
    assert (found["sees"], found["runs"], found["looked_at"]) == (False, False, None)


PATHS = ["/sessions", "/sessions/{id}", "/sessions/{id}/history", "/sessions/{id}/checkpoints", "/watch",
         "/sessions/{id}/history.csv", "/history.json?since=2026-01-01T00:00:00Z"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_who_may_not_look_sees_nothing(nora, create, path):
    response = nora.get(path.format(id=create().session_id))
    assert response.status_code == 403
    assert "(view_agentsession)" in response.json()["detail"]


@pytest.mark.parametrize("path", PATHS)
def test_who_is_not_logged_in_is_asked_to(create, path):
    response = Client().get(
        f"/api{path.format(id=create().session_id)}", headers={"Accept-Language": "en"}
    )
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert "token" in response.json()["detail"]


def test_the_description_lists_every_path_and_asks_for_a_log_in(viewer):
    client = Client()
    assert client.get("/api/openapi.json").status_code == 401
    client.force_login(viewer)
    found = client.get("/api/openapi.json").json()
    nouns = (
        "pauses",
        "resumes",
        "completions",
        "failures",
        "rollbacks",
        "deletions",
        "restorations",
        "edits",
    )
    for noun in nouns:
        assert f"/api/sessions/{{id}}/{noun}" in found["paths"]


def test_a_session_says_who_works_on_it(viktor, create):
    session = create()
    free = viktor.get(f"/sessions/{session.session_id}").json()
    assert (free["owner"], free["handed_back_at"], free["failed_attempts"]) == (None, None, 0)
    context = manager_portal.call(lambda m: _entered(m, session.session_id))
    owned = viktor.get(f"/sessions/{session.session_id}").json()
    assert owned["owner"]["name"].endswith(f"process {os.getpid()}")
    assert owned["owner"]["lease_until"] > owned["owner"]["since"]
    manager_portal.call(lambda _: context.__aexit__(None, None, None))
    left = viktor.get(f"/sessions/{session.session_id}").json()
    assert left["owner"] is None and left["handed_back_at"] is not None


async def _entered(manager: Any, session_id: str) -> Any:
    context = manager.attach(session_id, complete=False)
    await context.__aenter__()
    return context


EVERY = (
    "/sessions", "/sessions/{id}", "/sessions/{id}/history", "/sessions/{id}/checkpoints", "/watch", "/openapi.json",
    "/sessions/{id}/history.json", "/history.json?since=2026-01-01T00:00:00Z",
)  # fmt: skip


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize(
    "unknown", ["stat=active", "kinds=order", "Limit=1", "view=7", "=x", "%00=1"]
)
def test_an_unknown_parameter_is_refused_wherever_it_is_given(viktor, create, path, unknown):
    address = path.format(id=create().session_id)
    response = viktor.get(f"{address}{'&' if '?' in address else '?'}{unknown}")
    assert (response.status_code, response.json()["title"]) == (422, "invalid-input")
    assert "There is no parameter" in response.json()["detail"]


def test_an_unknown_parameter_of_an_order_is_refused_too(olga, create):
    session = create()
    response = olga.post(f"/sessions/{session.session_id}/pauses?reason=lunch")
    assert (response.status_code, response.json()["title"]) == (422, "invalid-input")
    assert models.AgentSession.objects.get(pk=session.session_id).state == "active"


@pytest.mark.parametrize(
    "query",
    [
        "/sessions?limit=1&limit=2",
        "/sessions?limit=1&limit=1",
        "/sessions?q=late&q=lost",
        "/sessions?sort=created&sort=-created",
        "/sessions/{id}/history?before=2&before=3",
        "/sessions/{id}/checkpoints?limit=1&limit=2",
        "/history.json?since=2026-01-01T00:00:00Z&since=2020-01-01T00:00:00Z",
        "/history.json?since=2026-01-01T00:00:00Z&actor=a&actor=b",
        "/sessions?limit=2.0",
        "/sessions?limit=1_0",
        "/sessions?limit=%D9%A3",
        "/sessions?limit=+5",
        "/sessions?limit=",
        "/sessions/{id}/history?before=2.0",
        "/sessions/{id}/history?before=",
        "/history.json?since=5",
        "/history.json?since=1767225600",
        "/history.json?since=2026-01-01",
        "/history.json?since=2026-01-01T00:00:00Z&until=1767225600",
        "/history.json?since=2026-01-01T00:00:00Z&kind=nope",
        "/history.json?since=2026-01-01T00:00:00Z&kind=order&kind=",
        "/history.csv?since=2026-01-01T00:00:00Z&kind=Order",
        "/history.json?since=2026-01-01T00:00:00Z&actor=",
        "/history.json?since=2026-01-01T00:00:00Z&actor=ol%00ga",
    ],
)
def test_a_parameter_that_is_repeated_or_converted_or_empty_is_refused(viktor, create, query):
    response = viktor.get(query.format(id=create().session_id))
    assert (response.status_code, response.json()["title"]) == (422, "invalid-input")


def test_what_may_come_several_times_still_may(viktor, create):
    create()
    for query in ("state=active&state=late", "type=grader&type=tutor", "user=a&user=b"):
        assert viktor.get(f"/sessions?{query}").status_code == 200


def test_every_kind_that_a_page_knows_can_be_exported(viktor, create):
    create()
    kinds = "&".join(f"kind={kind}" for kind in KINDS)
    response = viktor.get(f"/history.csv?since=2026-01-01T00:00:00Z&{kinds}")
    assert response.status_code == 200
