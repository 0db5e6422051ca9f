"""The load generator works, prints its figures, and ends by itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User

from tests.support.dashboard import LiveDashboard, own_environment
from tests.support.waiting import HANGS
from tools.load.__main__ import shares
from tools.load.figures import Latencies

pytestmark = pytest.mark.django_db(transaction=True)


def test_three_agents_are_seen_on_three_pages_and_the_summary_says_so(
    live_dashboard: LiveDashboard, operator: User, database_url: str
) -> None:
    # with the dashboard's hasher, not the tests'
    operator.password = PBKDF2PasswordHasher().encode("olga", "salt")
    operator.save()
    given = {
        "AGENTS": "3",
        "PAGES": "3",
        "SECONDS": "5",
        "URL": live_dashboard.url,
        "LOAD_USER": operator.username,
        "LOAD_PASSWORD": "olga",
        "DATABASE_URL": database_url,
        "VALKEY_URL": settings.VALKEY_URL,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tools.load"],
        env={**own_environment(given), "COLUMNS": "120", "PATH": os.environ["PATH"]},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = {
        words[1].strip(): int(words[2].replace(",", ""))
        for line in done.stdout.splitlines()
        if len(words := line.split("│")) > 3
    }
    assert numbers["checkpoint stored"] >= 6
    assert numbers["change on a page"] >= 3 * 3
    assert numbers["heartbeat on a page"] >= 3 * 3
    assert "page lost" not in numbers


def test_latencies_are_counted_not_kept() -> None:
    found = Latencies({1: 98, 50: 1, 900: 1})
    assert [found.quantile(share) for share in (0.5, 0.99, 1)] == [1, 50, 900]
    assert Latencies().quantile(0.5) is None


def test_processes_share_evenly() -> None:
    assert shares(3, 500) == [3]
    assert shares(501, 250) == [167, 167, 167]
