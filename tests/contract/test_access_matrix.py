"""Who may use which address: each page, API operation and socket against each kind of caller.

An address without a row in the table fails, and so does a row without an address.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from agent_sessions import AgentSession
from sessions_app.accounts.models import AgentTypeLimit
from sessions_app.api import tokens
from sessions_app.bulk.models import BulkJob
from sessions_app.choices import VERBS
from sessions_app.live.sockets import auth, close_codes
from sessions_app.models import ApiToken
from sessions_app.permissions import (
    CONTENT,
    EDIT,
    EXPORT,
    GROUPS,
    PEOPLE,
    VIEW,
    access_of,
    ensure_groups,
    labels,
)
from sessions_app.saved_views.models import SavedView
from tests.app.pages.conftest import make_session
from tests.app.pages.test_hostile_addresses import ADDRESSES
from tests.support.dashboard import session_cookie

__all__ = ["make_session"]

ANYONE, LOGGED_IN, STAFF, ADMIN = "anyone", "logged in", "staff", "superuser"
"""What an address needs where it is no right on sessions. Superusers and the right groups of Django's admin are ADMIN."""


class Row(NamedTuple):
    """`needs`: all of these. `body`: it is a POST."""

    address: str
    needs: tuple[str, ...]
    body: dict[str, Any] | None = None


SESSION, API = "sessions/<uuid:id>/", "api/sessions/<uuidstr:id>"
ORDER_PAGES = [
    Row(f"{SESSION}<slug:noun>/", (VIEW, verb.right), {"noun": verb.noun, "checkpoint": "1"})
    for verb in VERBS.values()
]
ORDER_CALLS = [
    Row(
        f"{API}/{verb.noun}", (VIEW, verb.right), {"checkpoint": 1} if verb.needs_checkpoint else {}
    )
    for verb in VERBS.values()
]
TABLE = (
    Row("", (VIEW,)),
    Row("chart/", (VIEW,)),
    Row("completions/", (VIEW,)),
    Row("conversations/", (VIEW, CONTENT)),
    Row("watch/", (VIEW,)),
    Row("wall/", (VIEW,)),
    Row("wall/<int:id>/", (VIEW,)),
    Row("views/", (VIEW,), {"name": "x", "query": "q=a"}),
    Row("views/counts/", (VIEW,)),
    Row("views/<int:id>/<slug:act>/", (VIEW,), {"act": "defaults"}),
    Row("preferences/list/", (VIEW,), {"density": "compact"}),
    Row("preferences/theme/", (ANYONE,), {"theme": "dark"}),
    Row("drafts/", (VIEW,), {}),
    Row("bulk/", (VIEW,)),
    Row("bulk/", (VIEW, "pause_session"), {"verb": "pause", "id": "<uuid>"}),
    Row("bulk/matching/", (VIEW,)),
    Row("bulk/<uuid:id>/", (VIEW,)),
    Row("bulk/<uuid:id>/<slug:act>/", (VIEW, "pause_session"), {"act": "stops"}),
    Row(SESSION, (VIEW,)),
    Row(f"{SESSION}panels/", (VIEW,)),
    Row(f"{SESSION}at/", (VIEW,)),
    Row(f"{SESSION}timeline/", (VIEW,)),
    Row(f"{SESSION}presence/", (VIEW,), {}),
    Row(f"{SESSION}conversation/", (VIEW, CONTENT)),
    Row(f"{SESSION}<part:part>/", (VIEW, CONTENT)),
    Row(f"{SESSION}compare/", (VIEW, CONTENT)),
    Row(f"{SESSION}edits/new/", (VIEW, CONTENT, EDIT)),
    Row(f"{SESSION}edits/new/", (VIEW, CONTENT, EDIT), {"part": "context"}),
    Row(f"{SESSION}rollbacks/new/", (VIEW, "rollback_session")),
    *ORDER_PAGES,
    Row("api/sessions", (VIEW,)),
    Row(API, (VIEW,)),
    Row(f"{API}/history", (VIEW,)),
    Row(f"{API}/checkpoints", (VIEW,)),
    Row(f"{API}/history.<format>", (VIEW, EXPORT)),
    Row("api/history.<format>", (VIEW, EXPORT)),
    Row("api/watch", (VIEW,)),
    Row("api/openapi.json", (LOGGED_IN,)),
    Row(f"{API}/edits", (VIEW, CONTENT, EDIT), {"context": {}, "reason": ""}),
    *ORDER_CALLS,
    Row("metrics", (STAFF,)),
    Row("jsi18n/", (ANYONE,)),
    Row("i18n/setlang/", (ANYONE,), {"language": "en"}),
    Row("login/", (ANYONE,)),
    Row("admin/sessions_app/agentsession/", (STAFF, VIEW)),
    Row("admin/sessions_app/agentsession/<path:object_id>/change/", (STAFF, VIEW)),
    Row("admin/auth/user/", (STAFF, VIEW, PEOPLE)),
    Row("admin/auth/user/add/", (STAFF, VIEW, PEOPLE)),
    Row("admin/auth/group/", (ADMIN,)),
    Row("admin/auth/group/add/", (ADMIN,)),
    Row("admin/sessions_app/apitoken/", (ADMIN,)),
    Row("admin/sessions_app/loginattempts/", (ADMIN,)),
    Row("admin/sessions_app/provideridentity/", (ADMIN,)),
    Row("admin/sessions_app/provideridentity/add/", (ADMIN,)),
)
# Forms of Django's own, which the lists above stand for, and what logs out or is found nowhere.
WITHOUT_A_ROW = ("admin/", "logout/", "api/")
CALLERS = ("anonymous", "nobody", *GROUPS, "superuser")


@pytest.fixture
def person(db: None, request: pytest.FixtureRequest) -> User | None:
    """Everybody with an account is staff here, so that the administration decides by rights alone."""
    ensure_groups()
    name = request.param
    if name == "anonymous":
        return None
    if name == "superuser":
        return User.objects.create_superuser("root")
    user = User.objects.create_user("petra", is_staff=True)
    user.groups.set(Group.objects.filter(name=name))
    return user


@pytest.fixture
def session(make_session: Any) -> AgentSession:
    made: AgentSession = make_session(checkpoints=("a", "b"), context={"a": 1})
    return made


@pytest.fixture
def filled(db: None, session: AgentSession) -> dict[str, str]:
    owner = User.objects.create_user("otto")
    view = SavedView.objects.create(owner=owner, name="a", query="q=a", shared=True)
    job = BulkJob.objects.create(
        id=uuid.uuid4(), owner=owner, verb="pause", state=BulkJob.State.DONE
    )
    return {
        "<uuid:id>": session.session_id, "<uuidstr:id>": session.session_id, "<int:id>": str(view.pk),
        "<job>": str(job.pk), "<part:part>": "context", "<format>": "json",
        "<path:object_id>": session.session_id,
    }  # fmt: skip


def path_of(row: Row, filled: dict[str, str]) -> str:
    path = row.address
    if path.startswith("bulk/<uuid"):
        path = path.replace("<uuid:id>", "<job>")
    for name in ("noun", "act"):
        path = path.replace(f"<slug:{name}>", (row.body or {}).get(name, ""))
    for part, value in filled.items():
        path = path.replace(part, value)
    if "compare" in path:
        path += "?a=1&b=now"
    if "rollbacks/new" in path:
        path += "?checkpoint=1"
    if path.startswith("api/history."):
        path += "?since=2026-01-01T00:00:00Z"
    return f"/{path}"


def answer(client: Client, row: Row, filled: dict[str, str], **headers: str) -> int:
    path = path_of(row, filled)
    if row.body is None:
        return status_of(client.get(path, headers=headers))
    body = {
        name: filled["<uuid:id>"] if value == "<uuid>" else value
        for name, value in row.body.items()
    }
    if path.startswith("/api/"):
        sent = client.post(path, json.dumps(body), content_type="application/json", headers=headers)
        return status_of(sent)
    return status_of(client.post(path, body, headers=headers))


def status_of(response: Any) -> int:
    """401 for a redirect to the log-in."""
    to = str(response.headers.get("Location", ""))
    return 401 if to.startswith(("/login/", "/admin/login/")) else int(response.status_code)


def is_let_in(row: Row, user: User | None) -> bool:
    if row.needs == (ANYONE,):
        return True
    if user is None:
        return False
    given = set(access_of(user).rights) | {LOGGED_IN}
    given |= {STAFF} if user.is_staff else set()
    given |= {ADMIN} if user.is_superuser else set()
    return set(row.needs) <= given


def refused(status: int, user: User | None) -> bool:
    """The administration leads an account that is no staff to the log-in, too."""
    return status == 401 or (user is not None and status == 403)


@pytest.mark.parametrize("person", CALLERS, indirect=True)
def test_every_address_lets_in_who_has_its_rights_and_nobody_else(
    person: User | None, filled: dict[str, str]
) -> None:
    wrong = []
    for row in TABLE:
        client = Client()
        if person is not None:
            client.force_login(person)
        status = answer(client, row, filled)
        if is_let_in(row, person) == refused(status, person) or status >= 500:
            wrong.append(f"{row.address} {row.body}: {status}, needs {row.needs}")
    assert wrong == []


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    known = {row.address for row in TABLE}
    missing = {
        address
        for address in set(ADDRESSES) - known
        if not address.startswith(WITHOUT_A_ROW)
        or (address.startswith("api/") and address != "api/")
    }
    assert missing == set()
    assert known <= set(ADDRESSES)


OF_SESSIONS = ("<uuid:id>", "<uuidstr:id>", "<path:object_id>")


def test_out_of_the_limit_to_agent_types_nothing_is_found(
    filled: dict[str, str], operator: User
) -> None:
    """An administrator-like account, but for tutors alone; the session is a grader's, the bulk order another's."""
    operator.is_staff = True
    operator.save()
    AgentTypeLimit.objects.create(user=operator, agent_types=["tutor"])
    client, wrong = Client(), []
    client.force_login(operator)
    for row in TABLE:
        status, one = answer(client, row, filled), any(part in row.address for part in OF_SESSIONS)
        expected = {302, 404} if one else {200, 204, 302, 422}
        if row.address == "conversations/" or {ADMIN, PEOPLE} & set(row.needs):
            expected = {403}
        if status not in expected or (
            one and status == 302 and not row.address.startswith("admin/")
        ):
            wrong.append(f"{row.address} {row.body}: {status}")
    assert wrong == []


def calls() -> Iterator[Row]:
    yield from (row for row in TABLE if row.address.startswith("api/"))


def api_answers(token: str, filled: dict[str, str]) -> dict[str, int]:
    headers = {"Authorization": f"Bearer {token}"}
    return {row.address: answer(Client(), row, filled, **headers) for row in calls()}


def test_a_token_has_those_of_its_rights_that_its_user_has(
    filled: dict[str, str], operator: User
) -> None:
    token = tokens.make(operator, "export", rights=[EXPORT, "share_views"])
    given = {VIEW, EXPORT, LOGGED_IN}
    for row in calls():
        headers = {"Authorization": f"Bearer {token}"}
        status = answer(Client(), row, filled, **headers)
        assert (status == 403) == (not set(row.needs) <= given), (row, status)


def test_a_token_made_before_rights_could_be_chosen_has_all_of_its_user(
    filled: dict[str, str], operator: User
) -> None:
    token = tokens.make(operator, "old")
    assert ApiToken.objects.get().rights is None
    assert 403 not in api_answers(token, filled).values()
    operator.groups.clear()
    assert set(api_answers(token, filled).values()) == {200, 403}


@pytest.mark.parametrize("kind", ["expired", "foreign", "of a disabled user", "empty"])
def test_no_other_token_is_let_in(filled: dict[str, str], operator: User, kind: str) -> None:
    token = tokens.make(operator, "old")
    if kind == "expired":
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif kind == "foreign":
        token = "ags_" + "x" * 43
    elif kind == "of a disabled user":
        User.objects.filter(pk=operator.pk).update(is_active=False)
    else:
        token = ""
    assert set(api_answers(token, filled).values()) == {401}


@pytest.mark.parametrize("person", CALLERS, indirect=True)
def test_a_socket_lets_in_who_may_see_sessions(person: User | None) -> None:
    headers = []
    if person is not None:
        cookie = session_cookie("http://x", person)
        headers = [(b"cookie", f"{cookie['name']}={cookie['value']}".encode())]
    found = auth.identify({"headers": headers})
    if person is None:
        assert found == close_codes.NOT_LOGGED_IN
    elif access_of(person).sees_sessions:
        assert isinstance(found, auth.Viewer)
        assert found.access == access_of(person)
    else:
        assert found == close_codes.RIGHTS_CHANGED


def test_every_right_is_needed_somewhere() -> None:
    needed = {right for row in TABLE for right in row.needs}
    assert labels().keys() - needed == {"share_views"}, "held by tests of saved views"
