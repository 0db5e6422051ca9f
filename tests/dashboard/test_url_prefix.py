"""The dashboard below a path prefix, behind a proxy that keeps or removes the prefix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.conf import settings
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.urls import get_script_prefix

from dashboard import environment, url_prefix
from dashboard.errors import SetupError
from dashboard.listen_address import url_of
from sessions_app.live.state.database_thread import DatabaseThread
from tests.support.dashboard import LiveDashboard, give_password
from tests.support.waiting import HANGS

PREFIX = "/agents"
TOKEN = "0123456789abcdef"
OIDC = {name: f"https://login.example.org/{name.lower()}" for name in environment.OIDC_REQUIRED}
ADDRESSES = re.compile(r'\b(?:href|src|action|data-[a-z-]+)="(/[^"]*)"')

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def dashboard(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDashboard]:
    log = tmp_path_factory.mktemp("dashboard") / "daphne.log"
    live = LiveDashboard.start(log, {"URL_PREFIX": PREFIX, "METRICS_TOKEN": TOKEN, **OIDC})
    yield live
    live.stop()


@pytest.fixture(params=[PREFIX, ""], ids=["the prefix passed on", "the prefix taken away"])
def ask(request: pytest.FixtureRequest, dashboard: LiveDashboard) -> Iterator[Ask]:
    """Sends a request as the proxy does: `ask("GET", "/login/")` is a browser's /agents/login/."""
    with requests.Session() as session:

        def ask(method: str, path: str, **options: Any) -> requests.Response:
            url = f"{dashboard.url}{request.param}{path}"
            return session.request(method, url, allow_redirects=False, timeout=HANGS, **options)

        ask.session = session  # type: ignore[attr-defined]
        yield ask


@pytest.fixture
def operator(operator: User) -> User:
    give_password(operator, "olga")
    return operator


def token_of(page: requests.Response) -> str:
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None
    return token[1]


def paths_of_cookies(answer: requests.Response) -> list[tuple[str, str]]:
    sent = SimpleCookie()
    for header in answer.raw.headers.getlist("Set-Cookie"):
        sent.load(header)
    return [(name, cookie["path"]) for name, cookie in sent.items()]


def log_in(ask: Ask) -> requests.Response:
    token = token_of(ask("GET", "/login/"))
    form = {"username": "olga", "password": "olga", "csrfmiddlewaretoken": token}
    # The cookies are valid for the browser's path; a proxy forwards them unchanged.
    cookies = dict(ask.session.cookies)  # type: ignore[attr-defined]
    answer = ask("POST", "/login/", data={**form, "next": f"{PREFIX}/wall/"}, cookies=cookies)
    ask.session.cookies.update(answer.cookies)  # type: ignore[attr-defined]
    for cookie in ask.session.cookies:  # type: ignore[attr-defined]
        cookie.path = "/"
    return answer


@pytest.mark.parametrize("path", ["/", "/bulk/", "/wall/", "/conversations/", "/admin/"])
def test_every_address_of_a_page_is_below_the_prefix(ask: Ask, operator: User, path: str) -> None:
    assert log_in(ask).headers["Location"] == f"{PREFIX}/wall/"
    page = ask("GET", path)
    assert page.status_code == 200
    found = ADDRESSES.findall(page.text)
    assert len(found) > 5
    assert [address for address in found if not address.startswith(f"{PREFIX}/")] == []


def test_what_the_pages_load_is_there(ask: Ask) -> None:
    page = ask("GET", "/login/")
    loaded = re.findall(r'<(?:script|link)[^>]+(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) > 5
    answers = {path: ask("GET", path.removeprefix(PREFIX)).status_code for path in loaded}
    assert set(answers.values()) == {200}, answers


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/", "/agents/login/?next=/agents/"),
        ("/bulk", "/agents/bulk/"),
        ("/admin/", "/agents/admin/login/?next=/agents/admin/"),
        (
            "/sessions/00000000-0000-0000-0000-000000000000/?at=x",
            "/agents/login/?next=/agents/sess",
        ),
        ("/oidc/callback/", "/agents/login/"),
    ],
)
def test_a_redirect_leads_below_the_prefix(ask: Ask, path: str, leads_to: str) -> None:
    answer = ask("GET", path)
    assert answer.status_code in (301, 302)
    assert answer.headers["Location"].startswith(leads_to)


def test_the_prefix_alone_leads_to_the_list(dashboard: LiveDashboard) -> None:
    answer = requests.get(f"{dashboard.url}{PREFIX}", allow_redirects=False, timeout=HANGS)
    assert (answer.status_code, answer.headers["Location"]) == (301, f"{PREFIX}/")


def test_a_path_that_only_begins_like_the_prefix_is_none_below_it(dashboard: LiveDashboard) -> None:
    for path in (f"{PREFIX}2/login/", f"{PREFIX}{PREFIX}/login/", "//login/"):
        assert requests.get(f"{dashboard.url}{path}", timeout=HANGS).status_code == 404


def test_the_provider_sends_the_browser_back_below_the_prefix(ask: Ask) -> None:
    answer = ask("GET", f"/oidc/authenticate/?next={PREFIX}/wall/")
    back = parse_qs(urlsplit(answer.headers["Location"]).query)["redirect_uri"]
    assert urlsplit(back[0]).path == f"{PREFIX}/oidc/callback/"


def test_cookies_are_for_the_prefix_alone_and_under_names_of_their_own(
    ask: Ask, operator: User
) -> None:
    page = ask("GET", "/login/")
    form = {"csrfmiddlewaretoken": token_of(page), "theme": "dark", "language": "en"}
    cookies = dict(ask.session.cookies)  # type: ignore[attr-defined]
    answers = [
        page,
        log_in(ask),
        ask("POST", "/preferences/theme/", data=form, cookies=cookies),
        ask("POST", "/i18n/setlang/", data=form, cookies=cookies),
    ]
    sent = [cookie for answer in answers for cookie in paths_of_cookies(answer)]
    names = ("csrftoken", "sessionid", "theme", "django_language")
    assert set(sent) == {(f"{name}_agents", f"{PREFIX}/") for name in names}


def test_a_log_in_of_another_program_of_the_host_does_not_hide_ours(
    ask: Ask, operator: User
) -> None:
    """A browser sends the cookie for "/" after ours, and the last one of a name counts."""
    log_in(ask)
    ask.session.cookies.set("sessionid", "of-another-program", path="/")  # type: ignore[attr-defined]
    assert ask("GET", "/").status_code == 200


def test_monitoring_is_answered_with_and_without_the_prefix(ask: Ask) -> None:
    assert ask("GET", "/healthz").json()["database"] == "ok"
    figures = ask("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert figures.status_code == 200
    assert ask("GET", "/metrics").status_code == 401


def test_the_api_answers_and_describes_itself_below_the_prefix(ask: Ask, operator: User) -> None:
    refused = ask("GET", "/api/sessions")
    assert refused.status_code == 401
    assert refused.headers["Content-Type"].startswith("application/problem+json")
    missing = ask("GET", "/api/nothing", headers={"Accept-Language": "de"})
    assert missing.headers["Content-Type"].startswith("application/problem+json")
    log_in(ask)
    described = ask("GET", "/api/openapi.json").json()
    assert f"{PREFIX}/api/sessions" in described["paths"]
    assert all(path.startswith(f"{PREFIX}/api/") for path in described["paths"])


def test_a_body_that_is_too_large_is_refused_in_the_api_s_own_form(ask: Ask) -> None:
    answer = ask("POST", "/api/sessions", headers={"Content-Length": str(10**10)})
    assert answer.status_code == 413
    assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_a_prefix_that_a_client_names_counts_for_nothing(ask: Ask) -> None:
    answer = ask("GET", "/", headers={"Daphne-Root-Path": "/elsewhere"})
    assert answer.headers["Location"] == f"{PREFIX}/login/?next={PREFIX}/"


async def test_rows_that_the_feed_draws_have_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "FORCE_SCRIPT_NAME", PREFIX)
    thread = DatabaseThread("feed")
    try:
        assert await thread.read(get_script_prefix) == f"{PREFIX}/"
    finally:
        await thread.close()


@pytest.mark.parametrize("first", ["admin", "api", "sessions", "static", "login", "healthz", "ws"])
def test_a_prefix_that_is_an_address_of_the_dashboard_is_refused(first: str) -> None:
    with pytest.raises(SetupError, match=f"/{first} is an address of the dashboard itself"):
        url_prefix.check(f"/{first}")
    with pytest.raises(SetupError, match="choose another first part"):
        url_prefix.check(f"/{first}/more")
    url_prefix.check(f"/agents/{first}")
    url_prefix.check(f"/{first}-board")


def test_the_check_names_a_prefix_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "URL_PREFIX", "/admin")
    (found,) = [each for each in run_checks() if each.id == "sessions_app.E001"]
    assert "/admin is an address of the dashboard itself" in found.msg
    monkeypatch.setattr(settings, "URL_PREFIX", PREFIX)
    assert [each for each in run_checks() if each.id == "sessions_app.E001"] == []


def test_without_the_setting_everything_stands_where_it_stood() -> None:
    assert (settings.URL_PREFIX, settings.FORCE_SCRIPT_NAME) == ("", None)
    assert settings.STATIC_URL == "/static/"
    assert settings.SESSION_COOKIE_NAME == "sessionid"
    assert settings.CSRF_COOKIE_NAME == "csrftoken"
    assert (settings.SESSION_COOKIE_PATH, settings.CSRF_COOKIE_PATH) == ("/", "/")
    url_prefix.check("")


def test_the_address_that_the_start_prints_has_the_prefix() -> None:
    assert url_of("127.0.0.1", 8000, PREFIX) == "http://127.0.0.1:8000/agents/"
