"""The dashboard under load: a new one on embedded servers, or a running one."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from urllib.parse import urlencode

from dashboard.embedded import postgres, valkey
from dashboard.embedded.credentials import LogIn
from tests.support.dashboard import everything

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@dataclass(frozen=True)
class LoadTarget:
    url: str
    environment: dict[str, str]
    user: str
    password: str

    def log_in(self) -> str:
        """Logs in through the form; returns the cookies for the socket."""
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
def place(url: str) -> Iterator[LoadTarget]:
    if not url:
        with _of_our_own() as found:
            yield found
        return
    if missing := [name for name in ("DATABASE_URL", "VALKEY_URL") if not os.environ.get(name)]:
        raise SystemExit(f"error: agents at {url} need {' and '.join(missing)} of that dashboard")
    user, password = os.environ.get("LOAD_USER", "admin"), os.environ.get("LOAD_PASSWORD", "")
    yield LoadTarget(url.rstrip("/"), dict(os.environ), user, password)


@contextmanager
def _of_our_own() -> Iterator[LoadTarget]:
    with everything() as found:
        servers = {
            "DATABASE_URL": postgres.url(found.data_dir, LogIn.AGENTS),
            "VALKEY_URL": valkey.url(found.data_dir, LogIn.AGENTS),
        }
        yield LoadTarget(found.url, {**os.environ, **servers}, "admin", found.password)
