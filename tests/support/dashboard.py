"""A dashboard for tests: a web server process, or everything that `make run` starts."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from dashboard.embedded import process
from dashboard.environment import BASE_DIR
from dashboard.polling import poll
from tests.support.waiting import HANGS

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ASYNC_UNSAFE = "DJANGO_ALLOW_ASYNC_UNSAFE"


# Commands for `python -m`; {port} is replaced.
DAPHNE = ("daphne", "-b", "127.0.0.1", "-p", "{port}", "dashboard.asgi:application")
UVICORN = ("uvicorn", "--port", "{port}", "dashboard.asgi:application")
EVERYTHING = ("dashboard.all_in_one",)

Ready = Callable[[str], bool]


def answers_well(path: str = "/healthz") -> Ready:
    return lambda url: _status(f"{url}{path}") == 200


def answers(url: str) -> bool:
    """Whether /healthz answers, with any status: it answers 503 while a database is away."""
    return _status(f"{url}/healthz") is not None


def takes_connections(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(url).port or 80)) == 0


def _status(url: str) -> int | None:
    try:
        with urllib.request.urlopen(url, timeout=HANGS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


@dataclass
class LiveDashboard:
    url: str
    child: process.Child
    log: Path

    @classmethod
    def start(
        cls,
        log: Path,
        env: Mapping[str, str],
        *,
        command: Sequence[str] = DAPHNE,
        ready: Ready | None = None,
        port: int | None = None,
        patience: float = 15.0,
    ) -> LiveDashboard:
        """Returns once it is `ready`. Raises RuntimeError with the end of its log if it ends before."""
        port = port or free_port()
        words = [word.format(port=port) for word in command]
        child = process.start(
            words[0],
            [sys.executable, "-m", *words],
            log=log,
            cwd=BASE_DIR,
            env=own_environment(env),
            patience=patience,
        )
        live = cls(f"http://127.0.0.1:{port}", child, log)
        live._wait(ready or answers_well())
        return live

    def _wait(self, ready: Ready) -> None:
        for _is_last in poll(HANGS, 0.05):
            if self.child.process.poll() is not None:
                break
            if ready(self.url):
                return
        self.stop()
        said = self.log.read_text("utf-8", "replace")[-4000:]
        raise RuntimeError(f"{self.child.name} does not serve:\n{said}")

    def stop(self) -> None:
        self.child.stop()

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Everything:
    """Everything that `make run` starts, with its own servers and data folder."""

    url: str
    data_dir: Path
    password: str


@contextmanager
def everything(**env: str) -> Iterator[Everything]:
    port, password = free_port(), secrets.token_urlsafe()
    with tempfile.TemporaryDirectory(prefix="dashboard-") as folder:
        data_dir = Path(folder)
        data_dir.chmod(0o711)
        given = {
            "DATA_DIR": folder,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "DEMO": "0",
            "DASHBOARD_ADMIN_PASSWORD": password,
            "DATABASE_URL": "",
            "VALKEY_URL": "",
            **env,
        }
        live = LiveDashboard.start(
            data_dir / "everything.log", given, command=EVERYTHING, port=port, patience=60
        )
        try:
            yield Everything(live.url, data_dir, password)
        finally:
            live.stop()


def own_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The environment as in production: without what only the tests set."""
    inherited = {name: value for name, value in os.environ.items() if name != ASYNC_UNSAFE}
    return {**inherited, "DJANGO_SETTINGS_MODULE": "dashboard.settings", **env}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def give_password(user: User, password: str) -> None:
    """Sets a password by a hasher that other dashboards know, which do not accept the tests' fast one."""
    user.password = PBKDF2PasswordHasher().encode(password, "salt", iterations=1)
    user.save(update_fields=["password"])


def session_cookie(url: str, user: User) -> dict[str, Any]:
    from django.test import Client

    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": url}
