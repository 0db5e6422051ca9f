"""Bad input at the pages: URLs, searches, orders, and forged requests of other sites."""

from __future__ import annotations

import uuid
from typing import Any

from django.test import Client

from tests.contract.bad_input.case import Case, Give, Place, told

ENGLISH = {"Accept-Language": "en"}
LONG = "x" * 10_000
S = "/sessions/{id}"
FORM = "application/x-www-form-urlencoded"
MANY_FIELDS = "&".join(f"id={n}" for n in range(3000))
GONE = (
    "404 Page not found The address is mistyped, or the session was removed for good."
    " Deleted sessions stay in the trash for a while."
)
TOO_LARGE = (
    "413 This form is too large Nothing was stored. Go back: what you typed is still there."
    " A context may have 4 MiB."
)
DAMAGED = (
    "400 This request could not be read The address or the form was damaged on its way."
    " Go back and try once more."
)
EXPIRED = (
    "403 The form has expired For your safety a form can be sent only from a page that was opened here a short while"
    " ago. Nothing was done. Go back, reload the page and send it again."
)


def heard(answer: Any, client: Client) -> str:
    """The status, and the alerts and messages of the page to which the answer leads."""
    landed = answer
    if answer.status_code == 302:
        landed = client.get(answer.url, headers=ENGLISH)
    page = landed.content.decode()
    assert "Traceback" not in page
    return f"{answer.status_code} {told(page)}".strip()


def gets(path: str, /, **query: Any) -> Give:
    def give(place: Place) -> str:
        address = path.replace("{id}", place.id)
        return heard(place.client.get(address, query, headers=ENGLISH), place.client)

    return give


def gets_raw(path: str, **headers: str) -> Give:
    """A GET of a URL that no form would produce."""
    return sends(path, b"", "text/plain", "GET", **headers)


def posts(path: str, /, **fields: Any) -> Give:
    def give(place: Place) -> str:
        address = path.replace("{id}", place.id)
        return heard(place.client.post(address, fields, headers=ENGLISH), place.client)

    return give


def sends(path: str, body: bytes | str, kind: str, method: str = "POST", **headers: str) -> Give:
    def give(place: Place) -> str:
        address = path.replace("{id}", place.id)
        answer = place.client.generic(method, address, body, kind, headers={**ENGLISH, **headers})
        return heard(answer, place.client)

    return give


def strictly(path: str, **headers: str) -> Give:
    """A POST as another site makes a browser send it: with the cookies, without the CSRF token."""

    def give(place: Place) -> str:
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = place.client.cookies
        address = path.replace("{id}", place.id)
        return heard(strict.post(address, {}, headers={**ENGLISH, **headers}), strict)

    return give


CASES = [
    # --- URLs
    Case("an id that is no uuid", gets("/sessions/seven/"), GONE),
    Case("an id with SQL", gets("/sessions/' OR 1=1 --/"), GONE),
    Case("an id with NUL", gets_raw("/sessions/%00/"), GONE),
    Case("an id that is not UTF-8", gets_raw("/sessions/%ff%fe/"), GONE),
    Case("an id of 10,000 characters", gets(f"/sessions/{LONG}/"), GONE),
    Case("a way out of the folder", gets_raw("/sessions/../../etc/passwd"), GONE),
    Case("a way out of the static files", gets_raw("/static/%2e%2e/%2e%2e/etc/passwd"), GONE),
    Case("panels of no uuid", gets("/sessions/seven/panels/"), GONE),
    Case("panels of nobody", gets(f"/sessions/{uuid.UUID(int=7)}/panels/"), GONE),
    Case("an order to no uuid", posts("/sessions/seven/pauses/"), GONE),
    Case("an order to nobody", posts(f"/sessions/{uuid.UUID(int=7)}/pauses/"), GONE),
    Case("an order nobody knows", posts(f"{S}/explosions/"), GONE),
    Case("the past at no time", gets(f"{S}/at/", t="soon"), "200"),
    Case("a branch that is not there", gets(f"{S}/context/", path="a.b.c\x00"), GONE),
    Case("a branch of 10,000 characters", gets(f"{S}/context/", path=LONG), GONE),
    Case("a job of no uuid", gets("/bulk/seven/"), GONE),
    Case("a view with a giant number", posts("/views/99999999999999999999/pin/"), GONE),
    Case("a host that is not ours", gets_raw("/", Host="evil.example"), DAMAGED),
    # --- searching
    Case("an unknown key", gets("/", q="colour:red"), "200 The search does not know “colour:”. It knows state:, agent:, user:, checkpoint:, context.…:, metadata.…:, older:, id:."),
    Case("a key with a slip", gets("/", q="stat:active"), "200 The search does not know “stat:”. Did you mean “state:”?"),
    Case("an unknown state", gets("/", q="state:asleep"), "200 There is no state “asleep”. States: active, pausing, paused, completed, failed, deleted, late, lost, no-progress."),
    Case("an id with other digits", gets("/", q="id:xyz"), "200 “xyz” cannot be part of an id: ids have the digits 0–9 and a–f."),
    Case("a search of 10,000 characters", gets("/", q=LONG), "200 The search is longer than 500 characters."),
    Case("a search with NUL", gets("/", q="a\x00b"), "200 The search contains an unusable character (NUL). Please remove it."),
    Case("a search that is not UTF-8", gets_raw("/?q=%ed%a0%80%ff"), "200"),
    Case("a search of quotes", gets("/", q='"" "" ":" :: user:"'), "200"),
    Case("a search with wildcards", gets("/", q="%_\\ user:%"), "200"),
    Case("a search of script", gets("/", q="<script>alert(1)</script>"), "200"),
    Case("an unknown state in the rail", gets("/", state="asleep"), "200 There is no state “asleep”. States: active, pausing, paused, completed, failed, deleted, late, lost, no-progress."),
    Case("a type with NUL", gets("/", type="a\x00"), "200 The search contains an unusable character (NUL). Please remove it."),
    Case("a user with NUL", gets("/", user="\x00"), "200 The search contains an unusable character (NUL). Please remove it."),
    Case("a page key of nonsense", gets("/", after="9" * 5000), "200"),
    Case("a page key of another age", gets("/", before=f"{-10**30}-{uuid.UUID(int=1).hex}"), "200"),
    Case("a sort nobody knows", gets("/", sort="password"), "200 The list cannot be sorted by “\u2068password\u2069”."),
    Case("1,500 states", gets_raw("/?" + "&".join(f"state={n}" for n in range(1500))), DAMAGED),
    Case("an address of 100,000 characters", gets("/", nobody="y" * 100_000), "200"),
    # --- orders
    Case("a reason with NUL", posts(f"{S}/pauses/", reason="a\x00b"), "422 Reason: contains a character that cannot be stored (NUL). Please remove it."),
    Case("a missing reason", posts(f"{S}/failures/", reason=" "), "422 Please give a reason: it is stored with the action."),
    Case("a reason of 10,000 characters", posts(f"{S}/failures/", reason=LONG), "422 Reason: too long with 10,000 characters; 2,000 are allowed."),
    Case("a request id that is none", posts(f"{S}/pauses/", request_id="seven"), "302 Pause ordered.", "paused"),
    Case("a version that is none", posts(f"{S}/pauses/", seen_version="²"), "302 Pause ordered.", "paused"),
    Case("a version of 30 digits", posts(f"{S}/pauses/", seen_version="9" * 30), "302 Pause ordered.", "paused"),
    Case("a version of 18 digits", posts(f"{S}/pauses/", seen_version="9" * 18), "409 This session does not have the version that you saw; perhaps the database was restored. Look at it again, then decide."),
    Case("a rollback to nowhere", posts(f"{S}/rollbacks/", checkpoint="99", reason="x"), GONE),
    Case("a rollback without a checkpoint", posts(f"{S}/rollbacks/", reason="x"), GONE),
    Case("a rollback to 18 digits", posts(f"{S}/rollbacks/", checkpoint="9" * 18, reason="x"), GONE),
    Case("a preview of no number", gets(f"{S}/rollbacks/new/", checkpoint="first"), GONE),
    Case("a preview of 18 digits", gets(f"{S}/rollbacks/new/", checkpoint="9" * 18), GONE),
    Case("a preview below zero", gets(f"{S}/rollbacks/new/", checkpoint="-1"), GONE),
    Case("a form that is not UTF-8", sends(f"{S}/pauses/", b"reason=%ff%fe\xff", FORM), "302 Pause ordered.", "paused"),
    Case("a form that is JSON", sends(f"{S}/failures/", "{", "application/json"), "422 Please give a reason: it is stored with the action."),
    Case("a form of 3 MB", sends(f"{S}/pauses/", b"reason=" + b"x" * 3_000_000, FORM), TOO_LARGE),
    Case("a form of 3,000 fields", sends("/bulk/", MANY_FIELDS, FORM), DAMAGED),
    Case("a broken multipart form", sends(f"{S}/pauses/", b"--x", "multipart/form-data; boundary=x"), "302 Pause ordered.", "paused"),
    Case("an order by PUT", sends(f"{S}/pauses/", b"", FORM, "PUT"), "405"),
    Case("an order by DELETE", sends(f"{S}/", b"", FORM, "DELETE"), "405"),
    Case("bulk of ids that are none", posts("/bulk/", verb="pause", id=["seven", "\x00"]), "302 Nothing was selected. Tick the sessions first."),
    Case("bulk of a verb nobody knows", posts("/bulk/", verb="explode", all="yes"), "302 Nothing was selected. Tick the sessions first."),
    Case("a theme nobody knows", posts("/preferences/theme/", theme='"><script>', next="//evil.example/"), "302"),
    # --- forged
    Case("an order without a token", strictly(f"{S}/pauses/"), EXPIRED),
    Case("an order from another page", strictly(f"{S}/pauses/", Origin="https://evil.example"), EXPIRED),
    Case("an order from a sandbox", strictly(f"{S}/pauses/", Origin="null"), EXPIRED),
]  # fmt: skip
