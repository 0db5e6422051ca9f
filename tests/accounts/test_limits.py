"""Wrong passwords are limited by account and address before hashing, counted for all web processes."""

from __future__ import annotations

import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.db import connections
from django.db.models import F
from django.test import Client, RequestFactory

from sessions_app.accounts import login_throttling
from sessions_app.accounts.login_throttling import MOST, Kind
from sessions_app.accounts.models import LoginAttempts
from tests.support.dashboard import LiveDashboard

hashed: list[str] = []


class CountingHasher(MD5PasswordHasher):
    algorithm = "counting"

    def encode(self, password: str, salt: str) -> str:
        hashed.append(password)
        return super().encode(password, salt)


@pytest.fixture(autouse=True)
def _counted(settings: Any) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    hashed.clear()


def attempt(
    name: str, password: str = "wrong", at: str = "192.0.2.1", page: str = "/login/"
) -> Any:
    given = {"username": name, "password": password}
    headers = {"accept-language": "en"}
    client = browser()
    client.cookies.clear()
    return client.post(page, given, headers=headers, REMOTE_ADDR=at)


@cache
def browser_of(_thread: int) -> Client:
    """One client for each thread, because a new one loads all middleware again."""
    return Client()


def browser() -> Client:
    return browser_of(threading.get_ident())


def is_in(response: Any) -> bool:
    return bool(response.status_code == 302)


@pytest.mark.parametrize("page", ["/login/", "/admin/login/"])
def test_after_too_many_wrong_passwords_not_even_the_right_one_is_hashed(
    viewer: User, page: str
) -> None:
    hashed.clear()
    for _ in range(40):
        attempt("viktor", page=page)
    refused = attempt("viktor", "viktor", page=page)
    assert not is_in(refused)
    assert "Too many attempts. Please try again in 15 minutes." in refused.content.decode()
    assert len(hashed) == MOST[Kind.PAIR]


def test_the_answer_says_so_to_programs_too(viewer: User) -> None:
    answers = [attempt("viktor") for _ in range(MOST[Kind.PAIR] + 1)]
    assert {answer.status_code for answer in answers[:-1]} == {200}
    assert answers[-1].status_code == 429
    assert 0 < int(answers[-1]["Retry-After"]) <= 900


def test_an_address_may_not_go_on_with_other_accounts(viewer: User) -> None:
    hashed.clear()
    for number in range(60):
        attempt(f"account-{number}")
    assert len(hashed) == MOST[Kind.ADDRESS]
    assert not is_in(attempt("viktor", "viktor"))
    assert is_in(attempt("viktor", "viktor", at="192.0.2.2"))


def test_an_account_may_not_be_tried_from_ever_new_addresses(viewer: User) -> None:
    hashed.clear()
    for number in range(MOST[Kind.ACCOUNT] + 20):
        attempt("viktor", at=f"192.0.2.{number}")
    assert len(hashed) == MOST[Kind.ACCOUNT]


def test_one_address_keeps_nobody_out_elsewhere(viewer: User) -> None:
    for _ in range(200):
        attempt("viktor")
    assert is_in(attempt("viktor", "viktor", at="192.0.2.2"))


@pytest.mark.parametrize("spelling", ["VIKTOR", "Viktor", "ｖｉｋｔｏｒ"])
def test_another_spelling_is_the_same_account(db: None, spelling: str) -> None:
    for _ in range(MOST[Kind.PAIR]):
        attempt("viktor")
    assert attempt(spelling).status_code == 429


def test_the_right_password_ends_the_count(viewer: User) -> None:
    for _ in range(5):
        for _ in range(MOST[Kind.PAIR] - 1):
            attempt("viktor")
        LoginAttempts.objects.filter(kind__in=("address", "account")).delete()
        assert is_in(attempt("viktor", "viktor"))


def test_who_logs_in_often_is_not_limited(viewer: User) -> None:
    assert all(is_in(attempt("viktor", "viktor")) for _ in range(MOST[Kind.ACCOUNT] + 5))


def test_the_limit_ends_with_its_time_and_refused_attempts_do_not_make_it_longer(
    viewer: User,
) -> None:
    for _ in range(20):
        attempt("viktor")
    LoginAttempts.objects.update(since=F("since") - login_throttling.WINDOW)
    assert is_in(attempt("viktor", "viktor"))


def test_old_counts_are_forgotten(db: None) -> None:
    attempt("one")
    LoginAttempts.objects.update(since=F("since") - login_throttling.KEPT - timedelta(seconds=1))
    attempt("two", at="192.0.2.2")
    assert not LoginAttempts.objects.filter(name__contains="one").exists()


@pytest.mark.parametrize(
    "name", ["", " ", "a\x00b", "x" * 5000, "\ud800", "'; --", "a\nb", "‮a", "ﷺ" * 150]
)
def test_any_name_is_answered(db: None, name: str) -> None:
    given = urllib.parse.urlencode({"username": name, "password": "x"}, errors="surrogatepass")
    kind = "application/x-www-form-urlencoded"
    assert browser().post("/login/", given, kind).status_code == 200


def test_it_is_logged_and_shown_to_administrators(
    viewer: User, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(MOST[Kind.PAIR] + 1):
        attempt("viktor")
    said = [str(record.msg) for record in caplog.records if "log-in" in str(record.msg)]
    assert len(said) == MOST[Kind.PAIR] + 1
    assert "too many attempts" in said[-1]
    assert "viktor" in said[-1]
    assert "192.0.2.1" in said[-1]
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    page = client.get("/admin/sessions_app/loginattempts/").content.decode()
    assert "viktor 192.0.2.1" in page
    assert "wrong" not in str(said)


def test_an_administrator_lets_an_account_in_again(viewer: User) -> None:
    for _ in range(MOST[Kind.PAIR] + 1):
        attempt("viktor")
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    pk = LoginAttempts.objects.get(kind="pair").pk
    client.post(f"/admin/sessions_app/loginattempts/{pk}/delete/", {"post": "yes"})
    assert is_in(attempt("viktor", "viktor"))


@pytest.mark.parametrize(
    ("behind", "remote", "forwarded", "address"),
    [
        (False, "192.0.2.1", "198.51.100.7", "192.0.2.1"),
        (True, "192.0.2.1", "198.51.100.7", "198.51.100.7"),
        (True, "192.0.2.1", "10.0.0.1, 198.51.100.7", "198.51.100.7"),
        (True, "192.0.2.1", None, "192.0.2.1"),
        (True, "192.0.2.1", "nonsense", "unknown"),
        (False, "2001:db8::1", None, "2001:db8::/64"),
        (False, "2001:db8::2", None, "2001:db8::/64"),
        (False, "::ffff:192.0.2.1", None, "192.0.2.1"),
        (False, "", None, "unknown"),
    ],
)
def test_the_address_is_what_the_nearest_proxy_saw(
    settings: Any, behind: bool, remote: str, forwarded: str | None, address: str
) -> None:
    settings.BEHIND_PROXY = behind
    request = RequestFactory().get("/", REMOTE_ADDR=remote)
    if forwarded is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded
    assert login_throttling.address_of(request) == address


def test_attempts_at_once_are_counted_too(viewer: User, transactional_db: None) -> None:
    hashed.clear()

    def tried(_: int) -> None:
        attempt("viktor")
        connections.close_all()

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(tried, range(40)))
    assert len(hashed) == MOST[Kind.PAIR]


def test_the_limit_holds_over_several_web_processes(
    start_dashboard: Callable[..., LiveDashboard],
) -> None:
    processes = [start_dashboard(), start_dashboard()]
    answers = [tried(processes[n % 2]) for n in range(MOST[Kind.PAIR] + 4)]
    assert answers[: MOST[Kind.PAIR]] == [200] * MOST[Kind.PAIR]
    assert set(answers[MOST[Kind.PAIR] :]) == {429}


def tried(live: LiveDashboard) -> int:
    given = {"username": "x", "password": "y", "csrfmiddlewaretoken": "x" * 32}
    headers = {"Cookie": f"csrftoken={'x' * 32}"}
    body = urllib.parse.urlencode(given).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{live.url}/login/", body, headers)
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
