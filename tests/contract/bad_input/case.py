"""One bad input: what it is, how it is given, and the exact message of the answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from typing import Any, NamedTuple

import psycopg
from django.test import Client
from psycopg.rows import dict_row

from agent_sessions import AgentSession, SessionManager
from sessions_app import manager_portal

VOID = {"br", "hr", "img", "input", "link", "meta"}
ERROR_PAGE = re.compile(r'<main class="solo".*?<h1>(.*?)</h1>\s*<p>(.*?)</p>', re.DOTALL)


class Stored(NamedTuple):
    """All stored rows."""

    sessions: list[dict[str, Any]]
    checkpoints: list[dict[str, Any]]
    contexts: list[dict[str, Any]]


@dataclass(frozen=True)
class Place:
    """Where inputs are given: a stored session, an operator at the pages, a psql session."""

    session: AgentSession
    client: Client
    database_url: str
    valkey_url: str

    @property
    def id(self) -> str:
        return self.session.session_id

    def stored(self) -> Stored:
        with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
            return Stored(
                connection.execute("SELECT * FROM agent_sessions ORDER BY 1").fetchall(),
                connection.execute(
                    "SELECT * FROM agent_session_checkpoints ORDER BY 1, 2"
                ).fetchall(),
                connection.execute("SELECT * FROM agent_session_contexts ORDER BY 1, 2").fetchall(),
            )


Give = Callable[[Place], str]


@dataclass(frozen=True)
class Case:
    """`says` may contain the session's `{id}`; `becomes` is its state if the input is accepted."""

    what: str
    give: Give
    says: str
    becomes: str = "active"

    def __str__(self) -> str:
        return self.what


def manager(call: Callable[[SessionManager, AgentSession], Any]) -> Give:
    """Calls the library; the answer is the error that it raises."""

    def give(place: Place) -> str:
        try:
            manager_portal.call(lambda m: call(m, place.session))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "taken"

    return give


class _Told(HTMLParser):
    """Collects alerts and messages of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self._inside = 0
        self.parts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if self._inside:
            self._inside += tag not in VOID
        elif given.get("role") == "alert" or "flash-message" in given.get("class", ""):
            self._inside = 1
            self.parts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = max(0, self._inside - (tag not in VOID))

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.parts[-1] += data


def told(page: str) -> str:
    parts = [" ".join(part.split()) for part in _Told(page).parts]
    if error := ERROR_PAGE.search(page):
        parts += (unescape(part) for part in error.groups())
    return " ".join(parts)
