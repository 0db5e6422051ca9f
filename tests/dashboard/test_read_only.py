"""A read-only database: pages can be read, writes are refused as not stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from psycopg.conninfo import make_conninfo

from agent_sessions import AgentSession
from sessions_app.api import tokens
from tests.app.pages.conftest import _a_manager_of_its_own, make_session
from tests.support.dashboard import LiveDashboard, answers_well, session_cookie
from tests.support.waiting import HANGS

__all__ = ["_a_manager_of_its_own", "make_session"]
pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., AgentSession]


@pytest.fixture(scope="module")
def dashboard(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDashboard]:
    """A dashboard whose connections are read-only, as after `ALTER DATABASE … SET default_transaction_read_only`."""
    url = make_conninfo(migrated, options="-c default_transaction_read_only=on")
    log = tmp_path_factory.mktemp("dashboard") / "daphne.log"
    # /healthz answers 503 here, so readiness is checked on another page.
    live = LiveDashboard.start(log, {"DATABASE_URL": url}, ready=answers_well("/login/"))
    yield live
    live.stop()


@pytest.fixture
def visitor(dashboard: LiveDashboard, operator: User) -> Iterator[requests.Session]:
    with requests.Session() as session:
        cookie = session_cookie(dashboard.url, operator)
        session.cookies.set(cookie["name"], cookie["value"])
        session.headers["Accept-Language"] = "en"
        yield session


def send(visitor: requests.Session, url: str, **fields: Any) -> requests.Response:
    page = visitor.get(f"{url}/login/?next=/", allow_redirects=True, timeout=HANGS)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None
    form = {"csrfmiddlewaretoken": token[1], **fields}
    where = form.pop("to")
    return visitor.post(f"{url}{where}", data=form, allow_redirects=False, timeout=HANGS)


def test_pages_are_shown_and_health_says_that_nothing_is_stored(
    visitor: requests.Session, dashboard: LiveDashboard, make_session: Make
) -> None:
    session = make_session()
    for path in ("/", f"/sessions/{session.session_id}/", "/bulk/", "/wall/"):
        assert visitor.get(f"{dashboard.url}{path}", timeout=HANGS).status_code == 200
    health = requests.get(f"{dashboard.url}/healthz", timeout=HANGS)
    assert (health.status_code, health.json()["database"]) == (
        503,
        "read-only: nothing can be stored",
    )


@pytest.mark.parametrize(
    ("to", "fields"),
    [
        ("/views/", {"name": "Tutors", "query": "type=tutor"}),
        ("/preferences/list/", {"column": "user", "density": "compact"}),
        (
            "/admin/auth/group/add/",
            {
                "name": "more",
                "agenttypelimit-TOTAL_FORMS": "0",
                "agenttypelimit-INITIAL_FORMS": "0",
            },
        ),
        ("/logout/", {}),
        ("/bulk/", {"verb": "pause", "id": "{id}", "step": "confirmed", "reason": "x"}),
    ],
)
def test_what_would_be_stored_is_refused_as_not_stored(
    visitor: requests.Session,
    dashboard: LiveDashboard,
    make_session: Make,
    operator: User,
    to: str,
    fields: dict[str, str],
) -> None:
    operator.is_superuser = True
    operator.save()
    session = make_session()
    fields = {name: text.format(id=session.session_id) for name, text in fields.items()}
    answer = send(visitor, dashboard.url, to=to, **fields)
    assert answer.status_code == 503
    assert "The database stores nothing at the moment" in answer.text
    assert "Nothing was stored" in answer.text


def test_a_log_in_is_refused_as_not_stored(dashboard: LiveDashboard, operator: User) -> None:
    with requests.Session() as stranger:
        stranger.headers["Accept-Language"] = "en"
        answer = send(stranger, dashboard.url, to="/login/", username="olga", password="olga")
    assert answer.status_code == 503
    assert "The database stores nothing at the moment" in answer.text


def test_orders_of_pages_and_programs_are_refused_as_not_stored(
    visitor: requests.Session, dashboard: LiveDashboard, make_session: Make, operator: User
) -> None:
    session = make_session()
    page = send(visitor, dashboard.url, to=f"/sessions/{session.session_id}/pauses/", reason="x")
    assert page.status_code == 503
    assert "The database can only be read now. Your change may not have been saved" in page.text
    headers = {"Authorization": f"Bearer {tokens.make(operator, 'probe')}"}
    url = f"{dashboard.url}/api/sessions/{session.session_id}/pauses"
    answer = requests.post(url, json={}, headers=headers, timeout=HANGS)
    assert answer.status_code == 503
    assert answer.json()["title"] == "storage-unavailable"
    seen = requests.get(f"{dashboard.url}/api/sessions", headers=headers, timeout=HANGS)
    assert seen.status_code == 200
