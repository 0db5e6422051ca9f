"""Every URL with any value gets an answer that is not an error of the server."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.conf import settings
from django.forms import BaseForm
from django.http import QueryDict
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from agent_sessions import AgentSession
from sessions_app import forms
from sessions_app.bulk.models import BulkJob
from sessions_app.numbers import BIGINT, whole
from sessions_app.saved_views.models import SavedView

HOSTILE = (
    "9" * 4_400, "²", "٣", "\x00", "x\x00y", "-1", "1e9", "9" * 19, str(2**31), str(2**63 - 1), "٣" * 18,
    "9999-12-31T23:59:59", "0001-01-01T00:00:00+14:00", "9" * 15, "a" * 20_000, "[]", '["a", 1e999]', "\ud800",
    "{}", "[" * 3_000, "\u202e", "%", "'", "1-" + "f" * 32, "-62135596800000000-" + "0" * 32, "older:99999w",
)  # fmt: skip
# Long and odd paths; Django's converters refuse most of them.
PATHS = ("9" * 4_400, "9" * 30, "²", "٣", "\x00", "-1", "a" * 2_000, "\u202e", "r")
READ = re.compile(r"""(?:asked|query|request\.(?:GET|POST)|post|sent)\.get(?:list)?\("(\w+)\"""")
CHOICES = {"part": "context", "format": "csv", "noun": "pauses", "act": "starts"}


def patterns(resolver: URLResolver, before: str = "") -> Iterator[str]:
    """Every URL pattern in Django's notation: `sessions/<uuid:id>/`."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry, before + str(entry.pattern))
        elif isinstance(entry, URLPattern):
            yield before + str(entry.pattern)


ADDRESSES = sorted({p.replace("^", "").replace("$", "") for p in patterns(get_resolver())})


def parameters() -> set[str]:
    """Every parameter name that the code reads from a URL or form, and those of the admin's lists."""
    files = [*Path(settings.BASE_DIR / "sessions_app").rglob("*.py")]
    named = {name for file in files for name in READ.findall(file.read_text())}
    for form in vars(forms).values():
        if isinstance(form, type) and issubclass(form, BaseForm):
            named |= set(form().fields)
    return named | {"state", "agent_type", "p", "o", "q", "all", "state__exact", "id__in", "_changelist_filters"}  # fmt: skip


@pytest.fixture
def known(admin_user: Any, make_session: Callable[..., AgentSession]) -> dict[str, str]:
    """Values for which a URL finds something."""
    session = make_session(checkpoints=("a", "b"), context={"a": [1, 2]})
    view = SavedView.objects.create(owner=admin_user, name="a", query="q=a")
    job = BulkJob.objects.create(id=uuid.uuid4(), owner=admin_user, verb="pause")
    return {"uuid": session.session_id, "int": str(view.pk), "job": str(job.pk)}


def filled(address: str, known: dict[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        kind, _colon, name = found[1].rpartition(":")
        if address.startswith("bulk") and kind == "uuid":
            return known["job"]
        return known.get(kind) or CHOICES.get(name) or known["uuid"]

    return "/" + re.sub(r"<([^>]+)>", value, address)


def status(client: Client, address: str, post: dict[str, str] | None = None) -> int:
    try:
        response = client.get(address) if post is None else client.post(address, post)
        if response.streaming:
            b"".join(response)
    except Exception as error:
        raise AssertionError(f"{address[:200]} {str(post)[:200]}: {error!r}") from error
    return response.status_code


def test_a_number_is_read_in_one_place() -> None:
    assert [whole(text) for text in ("7", "007", "²", "٣", "-1", "", "1.0", str(2**31))] == [7, 7] + [None] * 6  # fmt: skip
    assert whole("9" * 4_400, BIGINT) is None
    assert whole(str(BIGINT), BIGINT) == BIGINT
    by_hand = re.compile(r"int\(\w+\) if |\.isdecimal\(\)|\.isnumeric\(\)")
    for file in Path(settings.BASE_DIR / "sessions_app").rglob("*.py"):
        assert file.name == "numbers.py" or not by_hand.search(file.read_text()), file


@pytest.mark.parametrize("address", [a for a in ADDRESSES if "<" in a and "static" not in a])
def test_an_address_with_a_hostile_part_is_answered(
    address: str, admin_client: Client, known: dict[str, str]
) -> None:
    for hostile in PATHS:
        for part in re.findall(r"<[^>]+>", address):
            tried = filled(address.replace(part, "\0"), known).replace("\0", quote(hostile))
            assert status(admin_client, tried) < 500, tried[:200]


# Without the two that log out, and without the admin's catch-all patterns.
FILLED = [a for a in ADDRESSES if a not in ("logout/", "admin/logout/") and "(?P<" not in a]


@pytest.mark.parametrize("address", FILLED)
def test_hostile_values_of_every_parameter_are_answered(
    address: str, admin_client: Client, known: dict[str, str]
) -> None:
    at, names = filled(address, known), parameters()
    for hostile in HOSTILE:
        asked = urlencode(dict.fromkeys(names, hostile), errors="surrogatepass")
        assert status(admin_client, f"{at}?{asked}") < 500, (at, hostile[:40])


# Each page with the parameters that it reads only after others, or by a form or a schema.
PAGES = {
    "/": {"agent_type", "column", "density", "doing"},
    "/chart/": {"q", "state"},
    "/admin/sessions_app/agentsession/": {"o", "state__exact", "id__in", "agent_type", "_changelist_filters"},
    "/sessions/<uuid>/": {"after", "kind", "history", "checkpoints", "step"},
    "/sessions/<uuid>/context/": set(),
    "/sessions/<uuid>/compare/": set(),
    "/sessions/<uuid>/at/": set(),
    "/sessions/<uuid>/rollbacks/new/": {"seen", "reason"},
    "/api/sessions/<uuid>/history": {"after", "limit"},
    "/api/sessions": {"after", "before", "limit"},
    "/conversations/": {"q"},
    "/bulk/<job>/": {"outcome", "after", "full"},
}  # fmt: skip


def names_read(client: Client, page: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Parameters that a page reads from its URL; others have no effect there."""
    found: set[str] = set()
    with monkeypatch.context() as patch:
        for method in ("get", "getlist", "__getitem__", "__contains__"):
            reads = getattr(QueryDict, method)

            def noted(self: QueryDict, name: str, *more: Any, _reads: Any = reads) -> Any:
                found.add(name)
                return _reads(self, name, *more)

            patch.setattr(QueryDict, method, noted)
        assert status(client, page) < 500
    return found & parameters()


@pytest.mark.parametrize("path", PAGES)
def test_a_hostile_value_of_one_parameter_is_answered(
    path: str, admin_client: Client, known: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = path.replace("<uuid>", known["uuid"]).replace("<job>", known["job"])
    for name in sorted(names_read(admin_client, at, monkeypatch) | PAGES[path]):
        for hostile in HOSTILE:
            asked = urlencode({name: hostile}, errors="surrogatepass")
            assert status(admin_client, f"{at}?{asked}") < 500, (path, name, hostile[:40])


# The log-in itself, and the translations for scripts.
FOR_EVERYBODY = {"admin/login/", "jsi18n/", "login/"}


@pytest.mark.parametrize(
    "address", [a for a in ADDRESSES if "(?P<" not in a and a not in FOR_EVERYBODY]
)
def test_a_visitor_without_a_log_in_is_shown_nothing(
    address: str, client: Client, known: dict[str, str]
) -> None:
    assert status(client, filled(address, known)) in {302, 401, 403, 404, 405}
