"""Where the load goes: a dashboard of its own with the embedded servers, or one that runs already."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

from dashboard.embedded import postgres, process, valkey
from dashboard.embedded.log_ins import LogIn
from dashboard.environment import BASE_DIR

START_SECONDS = 120
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@dataclass(frozen=True)
class Place:
    url: str
    environment: dict[str, str]
    user: str
    password: str

    def log_in(self) -> str:
        """As a person does; returns the cookies that a socket needs."""
        jar = CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        page = f"{self.url}/login/"
        with opener.open(page, timeout=30) as form:
            token = TOKEN.search(form.read().decode())
        fields = {"username": self.user, "password": self.password, "next": "/healthz"}
        fields["csrfmiddlewaretoken"] = token[1] if token else ""
        request = urllib.request.Request(page, urlencode(fields).encode(), {"Referer": page})  # noqa: S310
        opener.open(request, timeout=30).close()
        if not any(cookie.name == "sessionid" for cookie in jar):
            raise SystemExit(f"error: {self.user} cannot log in to {self.url}: set LOAD_PASSWORD")
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


@contextmanager
def place(url: str) -> Iterator[Place]:
    if not url:
        with _of_our_own() as found:
            yield found
        return
    if missing := [name for name in ("DATABASE_URL", "VALKEY_URL") if not os.environ.get(name)]:
        raise SystemExit(f"error: agents at {url} need {' and '.join(missing)} of that dashboard")
    user, password = os.environ.get("LOAD_USER", "admin"), os.environ.get("LOAD_PASSWORD", "")
    yield Place(url.rstrip("/"), dict(os.environ), user, password)


@contextmanager
def _of_our_own() -> Iterator[Place]:
    password = secrets.token_urlsafe()
    with tempfile.TemporaryDirectory(prefix="load-") as folder, socket.socket() as probe:
        data = Path(folder)
        data.chmod(0o711)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = {
            **{name: value for name, value in os.environ.items() if name != "MAKELEVEL"},
            "DATA_DIR": folder,
            "PORT": str(port),
            "DEMO": "0",
            "HOST": "127.0.0.1",
            "DASHBOARD_ADMIN_PASSWORD": password,
            "DATABASE_URL": "",
            "VALKEY_URL": "",
        }
        log = data / "serve.log"
        command = [sys.executable, "-m", "dashboard.devserver"]
        child = process.start("dashboard", command, log=log, cwd=BASE_DIR, env=environment)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, child.process, log)
            servers = {
                "DATABASE_URL": postgres.url(data, LogIn.AGENTS),
                "VALKEY_URL": valkey.url(data, LogIn.AGENTS),
            }
            yield Place(url, {**environment, **servers}, "admin", password)
        finally:
            child.stop()


def _wait(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5):  # noqa: S310
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise SystemExit(f"error: the dashboard does not serve: {process.last_words(log)}")
