"""Hostile and broken requests, each with its answer: status and words. Nothing of it may be a 500.

`ask` gets a logged-in operator's client and the id of one session.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.test import Client, override_settings

from sessions_app.feed import messages, origin

Ask = Callable[[Client, str], Any]
ENGLISH = {"Accept-Language": "en"}
LONG = "x" * 10_000


@dataclass(frozen=True)
class Hostile:
    what: str
    ask: Ask
    status: int
    says: str = ""

    def __str__(self) -> str:
        return self.what


def gets(path: str, /, **query: Any) -> Ask:
    return lambda client, id: client.get(path.replace("{id}", id), query, headers=ENGLISH)


def gets_raw(path: str) -> Ask:
    """With an address that no form would make."""
    return lambda client, id: client.generic("GET", path.replace("{id}", id), headers=ENGLISH)


def posts(path: str, /, **fields: Any) -> Ask:
    def ask(client: Client, id: str) -> Any:
        return client.post(path.replace("{id}", id), fields, headers=ENGLISH)

    return ask


def sends(path: str, body: bytes | str, kind: str, method: str = "POST") -> Ask:
    def ask(client: Client, id: str) -> Any:
        return client.generic(method, path.replace("{id}", id), body, kind, headers=ENGLISH)

    return ask


def strictly(path: str, **headers: str) -> Ask:
    """As a browser on somebody else's page sends it: with our cookies and without our token."""

    def ask(client: Client, id: str) -> Any:
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = client.cookies
        given = {**ENGLISH, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return strict.post(path.replace("{id}", id), {}, headers=given)

    return ask


def says(message: Any) -> Ask:
    """A browser's word on the socket; the answer is the code it is closed with."""
    text = message if isinstance(message, str) else json.dumps(message)

    def ask(_client: Client, _id: str) -> HttpResponse:
        try:
            messages.parse(text)
        except messages.Malformed as error:
            return HttpResponse(str(error), status=440)
        return HttpResponse(status=200)

    return ask


def comes_from(*headers: tuple[bytes, bytes]) -> Ask:
    """A handshake of the socket; it is admitted or not before anything is read."""

    def ask(_client: Client, _id: str) -> HttpResponse:
        with override_settings(ALLOWED_HOSTS=["dashboard.example"]):
            ours = origin.is_ours({"headers": list(headers)})
        return HttpResponse(status=101 if ours else 403)

    return ask


def hello(**fields: Any) -> Ask:
    return says({"type": "hello", "page": "list", "query": "", "rows": {}, **fields})


HOST = (b"host", b"dashboard.example")
S = "/sessions/{id}"
FORM = "application/x-www-form-urlencoded"
MANY_FIELDS = "&".join(f"id={n}" for n in range(3000))

HOSTILE = [
    # --- addresses
    Hostile("an id that is no uuid", gets("/sessions/seven/"), 404),
    Hostile("an id with SQL", gets("/sessions/' OR 1=1 --/"), 404),
    Hostile("an id with NUL", gets_raw("/sessions/%00/"), 404),
    Hostile("an id that is not UTF-8", gets_raw("/sessions/%ff%fe/"), 404),
    Hostile("an id of 10,000 characters", gets(f"/sessions/{LONG}/"), 404),
    Hostile("a way out of the folder", gets_raw("/sessions/../../etc/passwd"), 404),
    Hostile("a way out of the static files", gets_raw("/static/%2e%2e/%2e%2e/etc/passwd"), 404),
    Hostile("panels of no uuid", gets("/sessions/seven/panels/"), 404),
    Hostile("panels of nobody", gets(f"/sessions/{uuid.UUID(int=7)}/panels/"), 404),
    Hostile("an order to no uuid", posts("/sessions/seven/pauses/"), 404),
    Hostile("an order to nobody", posts(f"/sessions/{uuid.UUID(int=7)}/pauses/"), 404),
    Hostile("an order nobody knows", posts(f"{S}/explosions/"), 404),
    Hostile("the past at no time", gets(f"{S}/at/", t="soon"), 200),
    Hostile("a branch that is not there", gets(f"{S}/context/", path="a.b.c\x00"), 404),
    Hostile("a branch of 10,000 characters", gets(f"{S}/context/", path=LONG), 404),
    Hostile("a job of no uuid", gets("/bulk/seven/"), 404),
    Hostile("a view with a giant number", posts("/views/99999999999999999999/pin/"), 404),
    Hostile("a host that is not ours", lambda c, _: c.get("/", headers={"Host": "evil.example"}), 400),
    # --- searching
    Hostile("an unknown key", gets("/", q="colour:red"), 200, "The search does not know “colour:”"),
    Hostile("a key with a slip", gets("/", q="stat:active"), 200, "Did you mean “state:”?"),
    Hostile("an unknown state", gets("/", q="state:asleep"), 200, "There is no state “asleep”"),
    Hostile("an id with other digits", gets("/", q="id:xyz"), 200, "cannot be part of an id"),
    Hostile("a search of 10,000 characters", gets("/", q=LONG), 200, "longer than 500 characters"),
    Hostile("a search with NUL", gets("/", q="a\x00b"), 200),
    Hostile("a search that is not UTF-8", gets_raw("/?q=%ed%a0%80%ff"), 200),
    Hostile("a search of quotes", gets("/", q='"" "" ":" :: user:"'), 200),
    Hostile("a search with wildcards", gets("/", q="%_\\ user:%"), 200),
    Hostile("a search of script", gets("/", q="<script>alert(1)</script>"), 200, "&lt;script&gt;"),
    Hostile("an unknown state in the rail", gets("/", state="asleep"), 200),
    Hostile("a type with NUL", gets("/", type="a\x00"), 200),
    Hostile("a user with NUL", gets("/", user="\x00"), 200),
    Hostile("a page key of nonsense", gets("/", after="9" * 5000), 200),
    Hostile("a page key of another age", gets("/", before=f"{-10**30}-{uuid.UUID(int=1).hex}"), 200),
    Hostile("a sort nobody knows", gets("/", sort="password"), 200),
    Hostile("1,500 states", gets_raw("/?" + "&".join(f"state={n}" for n in range(1500))), 400),
    Hostile("an address of 100,000 characters", gets("/", nobody="y" * 100_000), 200),
    # --- orders
    Hostile("a reason with NUL", posts(f"{S}/pauses/", reason="a\x00b"), 422, "NUL"),
    Hostile("a missing reason", posts(f"{S}/failures/", reason=" "), 422, "Please give a reason"),
    Hostile("a reason of 10,000 characters", posts(f"{S}/failures/", reason=LONG), 302),
    Hostile("a request id that is none", posts(f"{S}/pauses/", request_id="seven"), 302),
    Hostile("a version that is none", posts(f"{S}/pauses/", seen_version="²"), 302),
    Hostile("a version of 30 digits", posts(f"{S}/pauses/", seen_version="9" * 30), 302),
    Hostile("a version of 18 digits", posts(f"{S}/pauses/", seen_version="9" * 18), 302),
    Hostile("a rollback to nowhere", posts(f"{S}/rollbacks/", checkpoint="99", reason="x"), 404),
    Hostile("a rollback without a checkpoint", posts(f"{S}/rollbacks/", reason="x"), 404),
    Hostile("a rollback to 18 digits", posts(f"{S}/rollbacks/", checkpoint="9" * 18, reason="x"), 404),
    Hostile("a preview of no number", gets(f"{S}/rollbacks/new/", checkpoint="first"), 404),
    Hostile("a preview of 18 digits", gets(f"{S}/rollbacks/new/", checkpoint="9" * 18), 404),
    Hostile("a preview below zero", gets(f"{S}/rollbacks/new/", checkpoint="-1"), 404),
    Hostile("a form that is not UTF-8", sends(f"{S}/pauses/", b"reason=%ff%fe\xff", FORM), 302),
    Hostile("a form that is JSON", sends(f"{S}/failures/", "{", "application/json"), 422),
    Hostile("a form of 3 MB", sends(f"{S}/pauses/", b"reason=" + b"x" * 3_000_000, FORM), 400),
    Hostile("a form of 3,000 fields", sends("/bulk/", MANY_FIELDS, FORM), 400),
    Hostile("a broken multipart form", sends(f"{S}/pauses/", b"--x", "multipart/form-data; boundary=x"), 302),
    Hostile("an order by PUT", sends(f"{S}/pauses/", b"", FORM, "PUT"), 405),
    Hostile("an order by DELETE", sends(f"{S}/", b"", FORM, "DELETE"), 405),
    Hostile("bulk of ids that are none", posts("/bulk/", verb="pause", id=["seven", "\x00"]), 302),
    Hostile("bulk of a verb nobody knows", posts("/bulk/", verb="explode", all="yes"), 302),
    Hostile("a theme nobody knows", posts("/preferences/theme/", theme='"><script>', next="//evil.example/"), 302),
    # --- forged
    Hostile("an order without a token", strictly(f"{S}/pauses/"), 403),
    Hostile("an order from another page", strictly(f"{S}/pauses/", Origin="https://evil.example"), 403),
    Hostile("an order from a sandbox", strictly(f"{S}/pauses/", Origin="null"), 403),
    Hostile("a socket from another page", comes_from(HOST, (b"origin", b"https://evil.example")), 403),
    Hostile("a socket from a lookalike", comes_from(HOST, (b"origin", b"https://dashboard.example.evil")), 403),
    Hostile("a socket from nowhere", comes_from(HOST), 403),
    Hostile("a socket from a sandbox", comes_from(HOST, (b"origin", b"null")), 403),
    Hostile("a socket from a file", comes_from(HOST, (b"origin", b"file://dashboard.example")), 403),
    Hostile("a socket with a path in its origin", comes_from(HOST, (b"origin", b"https://dashboard.example/x")), 403),
    Hostile("a socket with a user in its origin", comes_from(HOST, (b"origin", b"https://dashboard.example@evil")), 403),
    Hostile("a socket to a host that is not ours", comes_from((b"host", b"evil"), (b"origin", b"http://evil")), 403),
    Hostile("an origin that is no address", comes_from(HOST, (b"origin", b"http://[::")), 403),
    Hostile("a socket from our own page", comes_from(HOST, (b"origin", b"https://dashboard.example")), 101),
    # --- words on the socket
    Hostile("no JSON", says("{"), 440, "not JSON"),
    Hostile("JSON 100,000 deep", says("[" * 100_000), 440, "not JSON"),
    Hostile("JSON that is a list", says([]), 440, "not a JSON object"),
    Hostile("a type nobody knows", says({"type": "shutdown"}), 440, "unknown type"),
    Hostile("a type that is a list", says({"type": []}), 440, "unknown type"),
    Hostile("an acknowledgement of NaN", says('{"type":"ack","n":NaN}'), 440, "whole number"),
    Hostile("an acknowledgement below zero", says({"type": "ack", "n": -1}), 440, "whole number"),
    Hostile("rows that are no ids", hello(rows={"seven": 1}), 440, "an id must be a UUID"),
    Hostile("a version of 2^70", hello(rows={str(uuid.UUID(int=1)): 2**70}), 440, "whole number"),
    Hostile("1,001 rows", hello(rows={str(uuid.UUID(int=n)): 1 for n in range(1001)}), 440, "at most 1000"),
    Hostile("a query of 5,000 characters", hello(query="x" * 5000), 440, "at most 4000"),
    Hostile("a query with half a character", hello(query="\ud800"), 440, "at most 4000"),
    Hostile("a page nobody has", hello(page="admin"), 440, "unknown page"),
]  # fmt: skip
