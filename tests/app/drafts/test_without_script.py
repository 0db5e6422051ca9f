"""Forms sent without JavaScript after the log-in ended, by another user, or refused: the author keeps the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.http import QueryDict
from django.test import Client

from agent_sessions import AgentSession
from sessions_app import manager_portal
from sessions_app.bulk.planning import plan_ticked
from sessions_app.drafts import signed_fields
from sessions_app.drafts.models import FormDraft
from sessions_app.models import AgentSession as Stored
from sessions_app.saved_views.models import SavedView

Make = Callable[..., AgentSession]
WORDS = "Grund, lange überlegt"


@dataclass
class Case:
    """Where a form is, where it is sent, what is written in it, and what must not have happened."""

    page: str
    action: str
    fields: dict[str, Any]

    def send(self, client: Client, shown: str, **extra: Any) -> Any:
        sent = {**self.fields, signed_fields.FIELD: token_in(shown, self.action)}
        return client.post(self.action, sent, **extra)


def token_in(html: str, action: str) -> str:
    """The signed field of the form for `action`, else of the first form: the admin's forms have no action."""
    forms = re.findall(r"<form[^>]*>.*?</form>", html, re.DOTALL)
    found = [form for form in forms if f'name="{signed_fields.FIELD}"' in form]
    exact = [form for form in found if f'action="{action}"' in form] or found
    match = re.search(rf'name="{signed_fields.FIELD}" value="([^"]*)"', exact[0])
    assert match
    return unescape(match.group(1))


def order(made: AgentSession, person: User) -> Case:
    address = f"/sessions/{made.session_id}/pauses/"
    return Case(address, address, {"reason": WORDS})


def rollback(made: AgentSession, person: User) -> Case:
    at = f"/sessions/{made.session_id}/rollbacks/"
    return Case(f"{at}new/?checkpoint=1", at, {"reason": WORDS, "checkpoint": "1"})


def edit(made: AgentSession, person: User) -> Case:
    address = f"/sessions/{made.session_id}/edits/new/"
    fields = {
        "part": "context",
        "text": f'{{"a": "{WORDS}"}}',
        "seen": "1",
        "step": "preview",
        "reason": "x",
    }
    return Case(f"{address}?part=context", address, fields)


def bulk(made: AgentSession, person: User) -> Case:
    job = plan_ticked("pause", {UUID(made.session_id): None}, person)
    return Case(f"/bulk/{job.pk}/", f"/bulk/{job.pk}/starts/", {"reason": WORDS})


def bulk_checkpoint(made: AgentSession, person: User) -> Case:
    job = plan_ticked("rollback", {UUID(made.session_id): None}, person)
    return Case(f"/bulk/{job.pk}/", f"/bulk/{job.pk}/checkpoints/", {"checkpoint": WORDS})


def new_view(made: AgentSession, person: User) -> Case:
    return Case("/?state=failed", "/views/", {"name": WORDS, "query": "state=failed"})


def view_name(made: AgentSession, person: User) -> Case:
    view = SavedView.objects.create(owner=person, name="alt", query="state=failed")
    return Case(f"/{view.address}", f"/views/{view.pk}/names/", {"name": WORDS})


def admin_session(made: AgentSession, person: User) -> Case:
    address = f"/admin/sessions_app/agentsession/{made.session_id}/change/"
    fields = {
        "context": "{}", "metadata": "{}", "initial-context": "{}", "initial-metadata": "{}",
        "verb": "pause", "reason": WORDS, "seen_version": "1",
        "request_id": "00000000-0000-4000-8000-000000000001",
    }  # fmt: skip
    return Case(address, address, fields)


def admin_orders(made: AgentSession, person: User) -> Case:
    address = "/admin/sessions_app/agentsession/"
    fields = {"action": "pause_sessions", "_selected_action": made.session_id, "reason": WORDS}
    return Case(address, address, fields)


CASES = [
    order, rollback, edit, bulk, bulk_checkpoint, new_view, view_name, admin_session, admin_orders,
]  # fmt: skip


@pytest.fixture
def made(make_session: Make) -> AgentSession:
    return make_session(checkpoints=("start",))


@pytest.fixture
def staff(operator: User) -> User:
    operator.is_staff = True
    operator.save()
    return operator


def client_of(person: User) -> Client:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(person)
    return client


def text_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return unescape(response.content.decode())


def is_untouched(made: AgentSession) -> bool:
    stored = Stored.objects.get(pk=made.session_id)
    found = manager_portal.call(lambda manager: manager.read(made.session_id))
    return not stored.order_verb and found is not None and found.context == {"step": 1}


@pytest.mark.parametrize("case", CASES)
def test_what_was_sent_after_the_session_expired_is_in_the_form_after_logging_in(
    case: Callable[..., Case], made: AgentSession, staff: User
) -> None:
    one, client = case(made, staff), client_of(staff)
    shown = text_of(client, one.page)
    assert WORDS not in shown
    Session.objects.all().delete()
    answer = one.send(client, shown)
    login = client.get(answer["Location"])
    assert urlsplit(answer["Location"]).path == "/login/"
    assert "nothing was done" in login.content.decode()
    assert WORDS not in unescape(login.content.decode())
    staff.set_password("richtig-lang-genug")
    staff.save()
    entered = client.post(
        answer["Location"], {"username": staff.username, "password": "richtig-lang-genug",
                             "next": login.context["next"]}
    )  # fmt: skip
    assert entered["Location"] == one.page
    filled = text_of(client, entered["Location"])
    assert WORDS in filled
    assert "what you wrote is" in filled
    assert is_untouched(made)
    assert not SavedView.objects.filter(name=WORDS).exists()


@pytest.mark.parametrize("case", CASES)
def test_a_form_is_not_carried_out_for_another_person_who_never_sees_its_words(
    case: Callable[..., Case], made: AgentSession, staff: User, django_user_model: type[User]
) -> None:
    one, client = case(made, staff), client_of(staff)
    shown = text_of(client, one.page)
    other = django_user_model.objects.create_superuser("otto", password="x")
    client.force_login(other)
    answer = one.send(client, shown)
    assert answer.status_code == 409
    said = answer.content.decode()
    assert "Somebody else is logged in now" in said
    assert WORDS not in unescape(said)
    assert is_untouched(made)
    if "view=" not in one.page:
        assert WORDS not in text_of(client, one.page)
    assert list(FormDraft.objects.values_list("user", flat=True)) == [staff.pk]
    assert WORDS in text_of(client_of(staff), one.page)


@pytest.mark.parametrize("case", CASES)
def test_what_is_carried_out_is_forgotten(
    case: Callable[..., Case], made: AgentSession, staff: User
) -> None:
    one, client = case(made, staff), client_of(staff)
    shown = text_of(client, one.page)
    token = token_in(shown, one.action)
    draft = {**one.fields, signed_fields.FIELD: token}
    assert client.post("/drafts/", draft).status_code == 204
    assert FormDraft.objects.count() == 1
    version = str(Stored.objects.get(pk=made.session_id).version)
    if "step" in one.fields:
        one.fields |= {"step": "save", "seen": version}
    if "seen_version" in one.fields:
        current = dict.fromkeys(("context", "initial-context"), '{"step": 1}')
        one.fields |= {"seen_version": version, **current}
    answer = one.send(client, shown)
    assert answer.status_code == 302, answer.content.decode()
    assert not FormDraft.objects.exists()


def test_with_rights_withdrawn_the_page_leads_back_to_the_filled_form(
    made: AgentSession, staff: User
) -> None:
    one, client = order(made, staff), client_of(staff)
    shown = text_of(client, one.page)
    groups = list(staff.groups.all())
    staff.groups.clear()
    answer = one.send(client, shown)
    assert answer.status_code == 403
    assert f'href="{one.page}"' in answer.content.decode()
    staff.groups.set(groups)
    assert WORDS in text_of(client, one.page)


def test_with_an_expired_token_the_page_leads_back_to_the_filled_form(
    made: AgentSession, staff: User
) -> None:
    client = Client(enforce_csrf_checks=True, headers={"Accept-Language": "en"})
    client.force_login(staff)
    one = order(made, staff)
    answer = one.send(client, text_of(client, one.page))
    assert answer.status_code == 403
    assert f'href="{one.page}"' in answer.content.decode()
    assert is_untouched(made)
    assert WORDS in text_of(client, one.page)


@pytest.mark.parametrize("case", CASES)
def test_without_any_cookie_it_is_in_the_form_after_logging_in(
    case: Callable[..., Case], made: AgentSession, staff: User
) -> None:
    one, client = case(made, staff), client_of(staff)
    shown = text_of(client, one.page)
    stranger = Client(enforce_csrf_checks=True, headers={"Accept-Language": "en"})
    answer = one.send(stranger, shown)
    assert urlsplit(answer["Location"]).path == "/login/"
    assert "nothing was done" in stranger.get(answer["Location"]).content.decode()
    assert is_untouched(made)
    assert WORDS in text_of(client, one.page)


def test_a_form_of_the_log_in_without_a_token_is_refused_as_before(db: None) -> None:
    answer = Client(enforce_csrf_checks=True).post("/login/", {"username": "a", "password": "b"})
    assert answer.status_code == 403


def test_a_name_of_a_view_that_is_taken_is_in_the_form_again(
    made: AgentSession, staff: User
) -> None:
    SavedView.objects.create(owner=staff, name=WORDS, query="state=active")
    client, one = client_of(staff), new_view(made, staff)
    one.fields["next"] = one.page
    one.send(client, text_of(client, one.page))
    assert f'value="{WORDS}"' in text_of(client, one.page)


def test_a_form_that_this_application_did_not_sign_keeps_nothing(
    made: AgentSession, staff: User
) -> None:
    one = order(made, staff)
    forged = (
        signed_fields.sign(signed_fields.DraftForm(staff.pk, "order:pauses", one.page))[:-1] + "!"
    )
    answer = Client().post(one.action, {**one.fields, signed_fields.FIELD: forged})
    assert answer["Location"].startswith("/login/?next=")
    assert "draft=" not in answer["Location"]
    assert not FormDraft.objects.exists()


def test_for_an_account_that_was_disabled_nothing_is_kept(made: AgentSession, staff: User) -> None:
    one, client = order(made, staff), client_of(staff)
    shown = text_of(client, one.page)
    User.objects.update(is_active=False)
    answer = one.send(client, shown)
    assert "draft=lost" in answer["Location"]
    assert not FormDraft.objects.exists()
    assert "could not be kept" in client.get(answer["Location"]).content.decode()


def test_without_the_database_the_page_comes_back_with_the_form_filled(
    made: AgentSession, staff: User, monkeypatch: pytest.MonkeyPatch, rf: Any
) -> None:
    from django.db import OperationalError

    from dashboard.database_errors import away

    one = order(made, staff)
    token = signed_fields.sign(signed_fields.DraftForm(staff.pk, "order:pauses", one.page))
    sent = QueryDict(mutable=True)
    sent.update(
        {**one.fields, "request_id": "1", signed_fields.FIELD: token, "csrfmiddlewaretoken": "t"}
    )
    request = rf.post(one.action, sent.urlencode(), "application/x-www-form-urlencoded")
    page = unescape(away(request, OperationalError("gone")).content.decode())
    assert f">{WORDS}</textarea>" in page
    assert 'name="request_id" value="1"' in page
    assert f'action="{one.action}"' in page
