"""Every error under /api/ is a problem document in English."""

from __future__ import annotations

import http.client
import json
import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from sessions_app.api import tokens
from sessions_app.models import ApiToken
from tests.support.dashboard import LiveDashboard
from tests.support.waiting import HANGS

from .conftest import Api

GERMAN = {"Accept-Language": "de"}


def problem(response: Any) -> dict[str, Any]:
    assert response["Content-Type"] == "application/problem+json", response.content[:200]
    found: dict[str, Any] = json.loads(response.content)
    assert found["status"] == response.status_code
    assert found["type"] == f"urn:agent-sessions:{found['title']}"
    assert found["detail"]
    assert response["Cache-Control"] == "no-store"
    return found


PATHS = (
    "/", "/nothing", "/sessions/", "/sessions/seven", "/sessions/seven/history", "/sessions/%00",
    "/sessions/%ff", "/sessions/../../etc/passwd", "/history.exe?since=2026-01-01T00:00:00Z", "/openapi.yaml",
    f"/sessions/{uuid.UUID(int=7)}/explosions", f"/sessions/{uuid.UUID(int=7)}/history.exe", "/" + "x" * 9000,
)  # fmt: skip


def test_a_path_that_is_not_there(olga):
    for path in PATHS:
        assert problem(olga.get(path))["title"] == "not-found", path
        assert problem(olga.post(path))["title"] in ("not-found", "method-not-allowed"), path
        assert problem(Client().get(f"/api{path}"))["title"] in ("not-found", "not-logged-in")


@pytest.mark.parametrize("path", ["/sessions", "/sessions/{id}/pauses", "/watch"])
def test_a_method_that_is_not_there(olga, create, path):
    address = f"/api{path.format(id=create().session_id)}"
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "EXPLODE"):
        response = Client().generic(method, address, headers=olga.headers)
        assert (response.status_code, problem(response)["title"]) == (405, "method-not-allowed")
        assert response["Allow"] in ("GET", "POST")


def test_the_description_is_only_read(olga):
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        response = Client().generic(method, "/api/openapi.json", headers=olga.headers)
        assert (response.status_code, problem(response)["title"]) == (405, "method-not-allowed")


OTHER_TYPES = (
    "text/plain", "text/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense", "",
)  # fmt: skip
JSON_TYPES = ("application/json", "Application/JSON; charset=utf-8", "application/vnd.school+json")


def test_a_body_is_json_and_says_so(olga, create):
    path = f"/api/sessions/{create().session_id}/pauses"
    for kind in OTHER_TYPES:
        response = Client().generic("POST", path, '{"reason": "x"}', kind, headers=olga.headers)
        assert (response.status_code, problem(response)["title"]) == (415, "unsupported-media-type")
    for kind in JSON_TYPES:
        response = Client().generic("POST", path, '{"reason": "x"}', kind, headers=olga.headers)
        assert response.status_code == 200, response.content


def test_a_body_that_is_no_object(olga, create):
    path = f"/sessions/{create().session_id}/pauses"
    for body in ("{", "[]", b"\xff\xfe", '{"a": 1', "[" * 20_000, '{"a": NaN}x'):
        response = olga.post(path, body)
        assert (response.status_code, problem(response)["title"]) == (400, "malformed")


@pytest.mark.parametrize("path", ["/api/sessions", "/api/watch", "/api/openapi.json"])
@pytest.mark.parametrize("token", ["", "Bearer", "Bearer ", "Bearer ags_x", "Basic b2xnYTpvbGdh", "ä", "Bearer \udcff"])  # fmt: skip
def test_a_token_that_is_none(db, path, token):
    response = Client().get(
        path, headers={"Authorization": token.encode("utf-8", "surrogateescape").decode("latin-1")}
    )
    assert (response.status_code, problem(response)["title"]) == (401, "not-logged-in")
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/sessions", "/openapi.json"])
def test_a_token_that_has_expired(operator, path):
    expired = Api(tokens.make(operator, "old", days=1))
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    response = expired.get(path)
    assert (response.status_code, problem(response)["title"]) == (401, "not-logged-in")


def test_who_has_no_log_in_gets_a_problem_and_no_log_in_page(db):
    response = Client().get("/api/openapi.json")
    assert (response.status_code, problem(response)["title"]) == (401, "not-logged-in")


def test_a_host_that_is_not_ours(olga):
    response = Client().get("/api/sessions", headers={**olga.headers, "Host": "evil.example"})
    assert (response.status_code, problem(response)["title"]) == (400, "malformed")


def test_more_parameters_than_django_takes(olga):
    response = olga.get("/sessions?" + "&".join(f"state={n}" for n in range(1500)))
    assert (response.status_code, problem(response)["title"]) == (400, "malformed")


def test_an_error_of_ours(olga, monkeypatch):
    def broken(*args: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("sessions_app.api.sessions.read_watchdog_status", broken)
    client = Client(raise_request_exception=False)
    for debug in (False, True):
        settings.DEBUG = debug
        response = client.get("/api/watch", headers=olga.headers)
        assert (response.status_code, problem(response)["title"]) == (500, "internal-error")
        assert b"secret" not in response.content
    settings.DEBUG = False


ANSWERS = [
    ("GET", "/nothing", ""),
    ("PUT", "/sessions", ""),
    ("GET", "/sessions?state=asleep", ""),
    ("GET", "/sessions?q=colour:red", ""),
    ("GET", "/sessions?q=older:soon", ""),
    ("GET", "/sessions?limit=0", ""),
    ("GET", "/sessions?sort=user", ""),
    ("GET", "/history.json?since=2026-01-01T00:00:00", ""),
    ("GET", "/history.json?since=soon", ""),
    ("GET", "/sessions/{id}/history.exe", ""),
    ("POST", "/sessions/{id}/pauses", "{"),
    ("POST", "/sessions/{id}/pauses", ""),
    ("POST", "/sessions/{id}/pauses", '{"reason": 7}'),
    ("POST", "/sessions/{id}/pauses", '{"a": 1, "a": 2}'),
    ("POST", "/sessions/{id}/pauses", '{"reason": "\\u0000"}'),
    ("POST", "/sessions/{id}/failures", "{}"),
    ("POST", "/sessions/{id}/restorations", "{}"),
    ("POST", "/sessions/{id}/edits", '{"reason": "x"}'),
    ("POST", "/sessions/{id}/edits", '{"reason": "x", "context": {"a": "\\u0000"}}'),
    ("POST", "/sessions/{id}/rollbacks", '{"reason": "x", "checkpoint": 99}'),
    ("POST", "/sessions/{id}/rollbacks", '{"reason": "x", "checkpoint": "first"}'),
]


def test_it_is_said_in_english_whatever_the_caller_reads(olga, create):
    id = create().session_id
    for method, path, body in ANSWERS:
        check_language(olga, method, f"/api{path.format(id=id)}", body)


def check_language(olga: Api, method: str, address: str, body: str) -> None:
    said = []
    for language in ("en", "de"):
        client = Client()
        client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
        headers = {**olga.headers, "Accept-Language": language}
        response = client.generic(method, address, body, "application/json", headers=headers)
        said.append(problem(response))
        assert response.get("Content-Language", "en") == "en"
    assert said[0] == said[1]


def test_pages_stay_in_the_language_asked_for(client, operator):
    client.force_login(operator)
    assert "Sitzungen" in client.get("/", headers=GERMAN).content.decode()
    client.get("/api/sessions", headers=GERMAN)
    assert "Sitzungen" in client.get("/", headers=GERMAN).content.decode()


def answered(live: LiveDashboard, method: str, path: str, length: int) -> tuple[int, int]:
    """The status, and the one in the document. The announced body is not sent."""
    wire = http.client.HTTPConnection(urlsplit(live.url).netloc, timeout=HANGS)
    wire.putrequest(method, path)
    wire.putheader("Content-Length", str(length))
    wire.endheaders()
    response = wire.getresponse()
    assert response.headers["Content-Type"] == "application/problem+json"
    found = json.loads(response.read())
    wire.close()
    return response.status, found["status"]


def test_what_the_server_refuses_itself(live_dashboard):
    assert answered(live_dashboard, "POST", "/api/sessions", 300_000_000) == (413, 413)
    assert answered(live_dashboard, "GET", "/api/nothing", 0) == (404, 404)
