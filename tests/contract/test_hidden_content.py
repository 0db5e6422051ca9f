"""Who may not see contents of sessions gets none of them, on any page, by any call, in no search and no live update.

The same words are found by somebody who may see them, so that each test can fail.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from agent_sessions import AgentSession, SessionManager
from sessions_app import actions, manager_portal
from sessions_app.api import tokens
from sessions_app.bulk.models import BulkItem, BulkJob
from sessions_app.choices import VERBS
from sessions_app.drafts import drafts
from sessions_app.models import HistoryEntry
from sessions_app.permissions import CONTENT, VIEW, Access, access_of, ensure_permissions
from sessions_app.selectors.filters import ListFilter
from sessions_app.selectors.rows import load_rows
from tests.app.pages.conftest import make_session
from tests.app.pages.test_session_panels import talk

from .test_access_matrix import TABLE, Row, filled, path_of, session

__all__ = ["filled", "make_session", "session"]

PUPIL = "Amrei-Sofie"
ADMIN = "/admin/sessions_app/agentsession/"
READING = [row for row in TABLE if row.body is None and VIEW in row.needs]


@pytest.fixture
def told(session: AgentSession, filled: dict[str, str], operator: User) -> dict[str, str]:
    """A failed session whose every text names the pupil: context, metadata, data, reasons, error, turns."""
    id = session.session_id

    async def work(manager: Any) -> None:
        found = await manager.get_session(id)
        found.context["pupil"] = {PUPIL: PUPIL}
        found.metadata["pupil"] = PUPIL
        found.checkpoint("marked", {"pupil": PUPIL})
        await manager.update_session(found)

    manager_portal.call(work)
    for verb in ("pause", "resume"):
        actions.perform(verb, id, actor="olga", reason=f"wegen {PUPIL}")
    actions.perform("rollback", id, actor="olga", reason=f"wegen {PUPIL}", checkpoint_id=2)
    actions.perform("edit", id, actor="olga", reason=PUPIL, context={"pupil": PUPIL})
    actions.perform("fail", id, actor="olga", reason=f"Fehler bei {PUPIL}")
    talk(id, (f"Wie steht {PUPIL}?", f"{PUPIL} steht gut"))
    BulkJob.objects.update(reason=f"wegen {PUPIL}")
    return filled


def answer_of(client: Client, row: Row, told: dict[str, str], **headers: str) -> str:
    response: Any = client.get(path_of(row, told), headers=headers)
    if not response.streaming:
        return str(response.content.decode())
    return b"".join(response).decode()


def addresses_that_tell(user: User, told: dict[str, str]) -> set[str]:
    client = Client()
    client.force_login(user)
    return {row.address for row in READING if PUPIL in answer_of(client, row, told)}


def test_no_address_shows_a_word_of_the_contents(
    told: dict[str, str], plain_viewer: User, operator: User
) -> None:
    seen = addresses_that_tell(operator, told)
    assert {"sessions/<uuid:id>/", "sessions/<uuid:id>/at/", "bulk/<uuid:id>/"} <= seen
    assert len(seen) >= 15, seen
    assert addresses_that_tell(plain_viewer, told) == set()


def test_no_call_with_a_token_without_that_right_does(told: dict[str, str], operator: User) -> None:
    with_content = tokens.make(operator, "all")
    without = tokens.make(operator, "facts", rights=["export_history", "pause_session"])
    calls = [row for row in READING if row.address.startswith("api/")]
    told_by = {}
    for token in (with_content, without):
        headers = {"Authorization": f"Bearer {token}"}
        answers = [answer_of(Client(), row, told, **headers) for row in calls]
        told_by[token] = sum(PUPIL in text for text in answers)
    assert told_by[with_content] >= 5
    assert told_by[without] == 0


def test_the_answer_to_an_order_shows_none(told: dict[str, str], operator: User) -> None:
    token = tokens.make(operator, "facts", rights=["rollback_session"])
    answer = Client().post(
        f"/api/sessions/{told['<uuid:id>']}/rollbacks",
        {"checkpoint": 1, "reason": "again"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200
    assert PUPIL not in answer.content.decode()
    assert answer.json()["session"]["context"] is None


@pytest.mark.parametrize("query", [f"context.pupil:{PUPIL}", f"metadata.pupil:{PUPIL}", PUPIL])
@pytest.mark.parametrize("where", ["/?q=", "/api/sessions?q=", "/bulk/matching/?q="])
def test_it_is_not_searched(
    told: dict[str, str], plain_viewer: User, viewer: User, query: str, where: str
) -> None:
    id = told["<uuid:id>"]
    shown = {}
    for user in (plain_viewer, viewer):
        client = Client()
        client.force_login(user)
        text = client.get(f"{where}{query}").content.decode()
        shown[user.username] = id in text or '"n": 1' in text
    assert shown == {"vera": False, "viktor": True}


def test_a_search_inside_says_why_it_finds_nothing(client: Client, plain_viewer: User) -> None:
    client.force_login(plain_viewer)
    page = client.get("/?q=context.class:7b", headers={"accept-language": "en"}).content.decode()
    assert "Your account cannot see contents of sessions" in page
    answer = client.get("/api/sessions?q=context.class:7b")
    assert answer.status_code == 422


def test_no_key_or_value_is_suggested(
    told: dict[str, str], plain_viewer: User, viewer: User
) -> None:
    for user, expected in ((plain_viewer, False), (viewer, True)):
        client = Client()
        client.force_login(user)
        for word in ("context.pu", "context.pupil:", "kontext."):
            found = client.get("/completions/", {"word": word}).json()["suggestions"]
            assert bool(found) == expected, (user, word)


def test_a_live_list_of_such_a_search_stays_empty(told: dict[str, str], plain_viewer: User) -> None:
    wanted = ListFilter.from_query(f"q=context.pupil:{PUPIL}", access_of(plain_viewer))
    [row] = load_rows([UUID(told["<uuid:id>"])])
    assert not wanted.matches(row)
    assert not wanted.matches(row, shown=True)
    assert wanted != ListFilter.from_query(
        f"q=context.pupil:{PUPIL}", Access(frozenset({VIEW, CONTENT}))
    )


def test_the_facts_are_still_there(told: dict[str, str], plain_viewer: User) -> None:
    client = Client()
    client.force_login(plain_viewer)
    id = told["<uuid:id>"]
    page = client.get(f"/sessions/{id}/", headers={"accept-language": "en"}).content.decode()
    for fact in ("marked", "Ended as failed", "olga", "not shown to your account", "Contents"):
        assert fact in page
    found = client.get(f"/api/sessions/{id}/history").json()["items"]
    assert len(found) == HistoryEntry.objects.filter(session_id=id).count()
    assert {item["reason"] for item in found} == {None}
    assert {item["verb"] for item in found} >= {"pause", "fail"}


def test_the_administration_shows_no_contents_and_takes_none(
    told: dict[str, str], plain_viewer: User, operator: User
) -> None:
    at = f"/admin/sessions_app/agentsession/{told['<uuid:id>']}/change/"
    for user, expected in ((plain_viewer, False), (operator, True)):
        client = Client()
        client.force_login(user)
        assert (PUPIL in client.get(at).content.decode()) == expected, user


def test_the_administration_searches_no_contents(
    told: dict[str, str], plain_viewer: User, operator: User
) -> None:
    for user in (plain_viewer, operator):
        client = Client()
        client.force_login(user)
        assert client.get(f"{ADMIN}?state__exact=failed").status_code == 200
        for lookup in ("context__pupil", "metadata__pupil__startswith", "order_reason__icontains",
                       "change_reason__icontains", "checkpoints__icontains", "context__icontains"):  # fmt: skip
            assert client.get(ADMIN, {lookup: PUPIL[:3]}).status_code == 400, (user, lookup)


def test_a_draft_in_the_administration_shows_none(told: dict[str, str], plain_viewer: User) -> None:
    id = told["<uuid:id>"]
    with_orders(plain_viewer)
    conflict = json.dumps(
        ["context", ["pupil"], json.dumps(PUPIL), json.dumps(PUPIL), json.dumps(PUPIL)]
    )
    sent = {"reason": ["begun"], "verb": ["resume"], "conflict": [conflict]}
    drafts.keep(plain_viewer.pk, f"admin:session:{id}", sent)
    client = Client()
    client.force_login(plain_viewer)
    page = client.get(f"{ADMIN}{id}/change/").content.decode()
    assert "begun" in page, "the draft is shown"
    assert PUPIL not in page


def with_orders(user: User) -> None:
    known = ensure_permissions()
    user.user_permissions.add(*(known[verb.right] for verb in VERBS.values()))


def test_the_reason_of_another_person_is_in_no_plan(
    told: dict[str, str], make_session: Any, plain_viewer: User, viewer: User
) -> None:
    for user in (plain_viewer, viewer):
        with_orders(user)
    job, failed = BulkJob.objects.get(), make_session()
    BulkItem.objects.create(
        job=job, n=1, session_id=failed.session_id, agent_type="grader", outcome="failed", version=1
    )
    seen = {}
    for user in (plain_viewer, viewer):
        client = Client()
        client.force_login(user)
        page = client.post(f"/bulk/{job.pk}/retries/", follow=True)
        seen[user.username] = PUPIL in page.content.decode()
        plan = page.redirect_chain[-1][0]
    assert seen == {"vera": False, "viktor": True}
    client = Client()
    client.force_login(plain_viewer)
    assert PUPIL not in client.get(plan).content.decode(), "the plan of somebody who may see it"


def test_no_error_can_be_guessed_by_causing_it_again(
    make_session: Any, plain_viewer: User, viewer: User
) -> None:
    id = make_session(checkpoints=("a",)).session_id
    actions.perform("fail", id, actor="olga", reason=PUPIL)
    actions.perform("rollback", id, actor="olga", reason="r", checkpoint_id=2)
    actions.perform("fail", id, actor="olga", reason=PUPIL)
    said = {}
    for user in (plain_viewer, viewer):
        client = Client()
        client.force_login(user)
        page = client.get(f"/sessions/{id}/", headers={"accept-language": "en"}).content.decode()
        said[user.username] = "The same error" in page
    assert said == {"vera": False, "viktor": True}


async def save_a_turn() -> str:
    """As an agent does: of other writers the time axis marks no turns."""
    agents = await SessionManager.connect(settings.DATABASE_URL, settings.VALKEY_URL)
    try:
        found = await agents.create_session("tutor", "maria", {})
        found.context["turns"] = [{"role": "user", "content": PUPIL}]
        await agents.update_session(found)
        return str(found.session_id)
    finally:
        await agents.close()


def test_the_time_axis_marks_no_turns(plain_viewer: User, viewer: User) -> None:
    id = asyncio.run(save_a_turn())
    marked = {}
    for user in (plain_viewer, viewer):
        client = Client()
        client.force_login(user)
        moments = client.get(f"/sessions/{id}/timeline/").json()["moments"]
        marked[user.username] = any(flags & 2 for _version, _at, flags in moments)
    assert marked == {"vera": False, "viktor": True}
