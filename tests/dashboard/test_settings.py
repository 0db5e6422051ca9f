from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard import environment
from tests.support.dashboard import free_port, own_environment

IMPORTED = re.compile(r"""from\s*["']([^"']+)["']""")


def test_nothing_from_elsewhere_and_nothing_inline_may_run(db: None) -> None:
    policy = Client().get("/login/")["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["object-src"] == "'none'"
    assert "unsafe" not in policy


def test_every_answer_has_the_headers_that_protect_it(db: None) -> None:
    answer = Client().get("/login/")
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize(("said", "spoken"), [("de", "de"), ("en", "en"), ("fr", "de")])
def test_the_page_speaks_the_readers_language_or_german(db: None, said: str, spoken: str) -> None:
    answer = Client().get("/login/", headers={"accept-language": said})
    assert answer["Content-Language"] == spoken


def test_figures_are_for_staff_only(admin_user: User, viewer: User) -> None:
    client = Client()
    assert client.get("/metrics").status_code == 401
    viewer.is_staff = False
    viewer.save()
    client.force_login(viewer)
    assert client.get("/metrics").status_code == 403
    client.force_login(admin_user)
    assert b"django_http_requests_total" in client.get("/metrics").content


def test_static_files_are_served_without_being_collected(db: None) -> None:
    assert Client().get("/static/admin/css/base.css").status_code == 200


def test_collected_static_files_are_hashed_down_to_what_a_module_imports(tmp_path: Path) -> None:
    parts = ("agent_sessions", "dashboard", "locale", "sessions_app", "static", "templates")
    for part in parts:
        shutil.copytree(environment.BASE_DIR / part, tmp_path / part)
    shutil.copy(environment.BASE_DIR / "manage.py", tmp_path)
    done = by_hand("manage.py", "collectstatic", "--no-input", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    program = """
import django; django.setup()
from django.templatetags.static import static
from django.test import Client
url = static("js/core/basic_page.js")
answer = Client(headers={"host": "localhost"}).get(url)
print(url, answer["Cache-Control"], b"".join(answer).decode())
"""
    words = by_hand("-c", program, cwd=tmp_path).stdout.split(maxsplit=1)
    assert re.fullmatch(r"/static/js/core/basic_page\.[0-9a-f]{12}\.js", words[0])
    assert words[1].startswith("max-age=315360000, public, immutable")
    imported = IMPORTED.findall(words[1])
    assert imported
    assert all(re.search(r"\.[0-9a-f]{12}\.js$", name) for name in imported)


def by_hand(
    *command: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env=own_environment({"PYTHONPATH": str(cwd), **(env or {})}),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def check_deploy(**env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        env=own_environment(env),
        cwd=environment.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )


LOGIN = """
import django; django.setup()
from django.test import Client
answer = Client(headers={"host": "localhost", "x-forwarded-proto": "https"}).get("/healthz-not")
print(answer.headers.get("Strict-Transport-Security"))
"""
YEAR = str(365 * 24 * 3600)


@pytest.mark.parametrize(
    ("env", "header"),
    [
        ({}, "None"),
        ({"HSTS_SECONDS": "3600"}, "max-age=3600"),
        (
            {"HSTS_SECONDS": "3600", "HSTS_INCLUDE_SUBDOMAINS": "1"},
            "max-age=3600; includeSubDomains",
        ),
        (
            {"HSTS_SECONDS": YEAR, "HSTS_INCLUDE_SUBDOMAINS": "1", "HSTS_PRELOAD": "1"},
            f"max-age={YEAR}; includeSubDomains; preload",
        ),
    ],
)
def test_browsers_are_bound_to_https_for_as_long_and_as_far_as_was_chosen(
    db: None, env: dict[str, str], header: str
) -> None:
    done = by_hand("-c", LOGIN, cwd=environment.BASE_DIR, env={"BEHIND_HTTPS": "1", **env})
    assert done.stdout.strip() == header, done.stderr


def test_behind_https_django_has_nothing_to_say_against_the_settings() -> None:
    done = check_deploy(
        BEHIND_HTTPS="1",
        ALLOWED_HOSTS="dashboard.example.org",
        DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/none",
    )
    assert "wurde nicht geprüft: " in done.stderr
    assert done.returncode == 0, done.stderr


def test_single_sign_on_is_there_when_it_is_configured() -> None:
    values = dict.fromkeys(environment.OIDC_REQUIRED, "https://login.example.org/x")
    program = (
        "import django; django.setup(); from django.urls import reverse;"
        "print(reverse('oidc_authentication_init'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=own_environment(values),
        cwd=environment.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "/oidc/authenticate/", done.stderr
