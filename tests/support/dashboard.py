"""The dashboard as the operator starts it: daphne, a process of its own, on a free port."""

from __future__ import annotations

import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from dashboard.embedded import process
from tests.support.waiting import HANGS

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ASYNC_UNSAFE = "DJANGO_ALLOW_ASYNC_UNSAFE"


@dataclass
class LiveDashboard:
    url: str
    child: process.Child
    log: Path

    @classmethod
    def start(cls, log: Path, env: Mapping[str, str], ready: str = "/healthz") -> LiveDashboard:
        """`ready`: what answers once it serves."""
        port = free_port()
        child = process.start(
            "daphne",
            [
                *(sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port)),
                "dashboard.asgi:application",
            ],
            log=log,
            cwd=settings.BASE_DIR,
            env=own_environment(env),
        )
        live = cls(f"http://127.0.0.1:{port}", child, log)
        live._wait(ready)
        return live

    def _wait(self, ready: str = "/healthz") -> None:
        deadline = time.monotonic() + HANGS
        while time.monotonic() < deadline and self.child.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}{ready}", timeout=HANGS):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        self.stop()
        raise AssertionError(f"daphne does not serve:\n{self.log.read_text()}")

    def stop(self) -> None:
        self.child.stop()

    def __str__(self) -> str:
        return self.url


def own_environment(env: Mapping[str, str]) -> dict[str, str]:
    """As in production: the tests' own settings and licences stay with the tests."""
    inherited = {name: value for name, value in os.environ.items() if name != ASYNC_UNSAFE}
    return {**inherited, "DJANGO_SETTINGS_MODULE": "dashboard.settings", **env}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def give_password(user: User, password: str) -> None:
    """One that a dashboard of its own knows: it does not take the tests' quick hashes."""
    user.password = PBKDF2PasswordHasher().encode(password, "salt", iterations=1)
    user.save(update_fields=["password"])


def session_cookie(url: str, user: User) -> dict[str, Any]:
    from django.test import Client

    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": url}
