"""An administrator over HTTP: log-in, pages, orders through their forms."""

from __future__ import annotations

import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

from tools.chaos.world import PASSWORD

PATIENCE = 15
_FIELD = re.compile(r'name="(csrfmiddlewaretoken|request_id|seen_version)" value="([^"]*)"')


@dataclass(frozen=True)
class Answer:
    status: int
    text: str

    @property
    def words(self) -> str:
        """The page's heading."""
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.text, re.DOTALL)
        return re.sub(r"<[^>]+>|\s+", " ", found[1]).strip() if found else ""


class Visitor:
    def __init__(self, address: str) -> None:
        self.address = address
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._cookies)
        )

    def get(self, path: str) -> Answer:
        return self._open(urllib.request.Request(f"{self.address}{path}"))  # noqa: S310

    def post(self, path: str, fields: dict[str, str]) -> Answer:
        data = urllib.parse.urlencode(fields).encode()
        headers = {"Origin": self.address, "X-Requested-With": "fetch"}
        request = urllib.request.Request(f"{self.address}{path}", data, headers)  # noqa: S310
        return self._open(request)

    def _open(self, request: urllib.request.Request) -> Answer:
        """Status 0: no answer in time."""
        try:
            with self._opener.open(request, timeout=PATIENCE) as answer:
                return Answer(answer.status, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode("utf-8", "replace"))
        except OSError as error:
            return Answer(0, str(error))

    def log_in(self) -> None:
        fields = self._form("/login/")
        answer = self.post("/login/", {**fields, "username": "admin", "password": PASSWORD})
        if answer.status != 200 or "sessionid" not in self.cookie:
            raise RuntimeError(f"logging in was answered with {answer.status}")

    @property
    def cookie(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)

    def _form(self, path: str) -> dict[str, str]:
        return dict(_FIELD.findall(self.get(path).text))

    def form(self, session_id: str, noun: str) -> dict[str, str]:
        """The fields of the order's dialog: opened before the fault, sent during it."""
        return self._form(f"/sessions/{session_id}/{noun}/")

    def order(self, session_id: str, noun: str, form: dict[str, str]) -> Answer:
        return self.post(f"/sessions/{session_id}/{noun}/", {**form, "reason": "chaos"})
