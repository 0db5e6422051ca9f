"""The feed's reading of the database: in a thread of its own, so that neither pages nor sockets wait for it."""

import asyncio
import copy
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, ParamSpec, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections
from django.db.utils import load_backend
from django.urls import set_script_prefix

from sessions_app.rendering.row_html import RowParts, render_row_in, row_parts
from sessions_app.selectors.filters import ListFilter
from sessions_app.selectors.rows import Row, load_rows

from ..limits import LIMITS
from ..sockets.frames import row_fragment
from .change_buffer import FirstSeen
from .queries import found_inside

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Versions = dict[str, tuple[int, int]]


class DatabaseUnavailable(Exception):
    """The database could not be read; what was to be read has to be read again."""


def _prepare_thread() -> None:
    """Rows are drawn here, outside any request: their links need the path prefix too."""
    set_script_prefix(settings.FORCE_SCRIPT_NAME or "/")
    _connect_outside_the_pool()


def _connect_outside_the_pool() -> None:
    """This thread's own connection: pages that exhaust or lose their pool do not blind the feed."""
    given = copy.deepcopy(connections["default"].settings_dict)
    given["OPTIONS"].pop("pool", None)
    given["CONN_MAX_AGE"] = None
    connections["default"] = load_backend(given["ENGINE"]).DatabaseWrapper(given, "default")


class DatabaseThread:
    """One thread with one connection; given up and replaced when the database does not answer."""

    def __init__(self, name: str, *, timeout: float = LIMITS.read) -> None:
        self._name, self._timeout = name, timeout
        self._thread = self._new_thread()
        self._one = asyncio.Lock()

    def _new_thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, self._name, initializer=_prepare_thread)

    async def read(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises DatabaseUnavailable instead of whatever the driver says, and drops the connection."""

        def ask() -> T:
            try:
                return question(*args, **kwargs)
            except (DatabaseError, InterfaceError):
                connections.close_all()
                raise

        try:
            async with self._one, asyncio.timeout(self._timeout):
                return await asyncio.get_running_loop().run_in_executor(self._thread, ask)
        except TimeoutError:
            self._thread.shutdown(wait=False)
            self._thread = self._new_thread()
            raise DatabaseUnavailable("the database does not answer") from None
        except (DatabaseError, InterfaceError) as error:
            raise DatabaseUnavailable(str(error)) from error

    async def close(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._thread, connections.close_all)
        except TimeoutError:
            log.warning("the thread %s is still waiting for the database", self._name)
        self._thread.shutdown(wait=False, cancel_futures=True)


class RenderedRow(NamedTuple):
    """Its entry in a frame, None as long as it looks as is known; `looks` is None where it could not be drawn."""

    fragment: str | None
    looks: RowParts | None


@dataclass(slots=True)
class Snapshot:
    """The rows that changed, drawn once per language: id → language → row."""

    rows: dict[str, Row] = field(default_factory=dict)
    drawn: dict[str, dict[str, RenderedRow]] = field(default_factory=lambda: defaultdict(dict))
    missing: set[str] = field(default_factory=set)

    def entry(self, row: Row, language: str, belongs: bool) -> str:
        """The row in a frame. Raises KeyError where it was not read in this language."""
        session_id = str(row.id)
        found = self.drawn[session_id][language]
        if found.fragment is None:  # it looks as before, but not everybody has seen that
            found = self.drawn[session_id][language] = _draw(session_id, row, language, None)
        return f"{found.fragment}{'true' if belongs else 'false'}}}"


class Arrivals(NamedTuple):
    """Who may have come into a list: those whose state is another, and of the searches inside who is found."""

    ids: set[str]
    rows: dict[str, Row]
    inside: dict[ListFilter, dict[str, bool]]


def drawn(shown: Mapping[str, Mapping[str, RowParts | None]]) -> Snapshot:
    """`shown`: id → languages it is on screens in → how it looks there, where that is known."""
    found = Snapshot(rows_of(shown))
    for session_id, languages in shown.items():
        if row := found.rows.get(session_id):
            for language, known in languages.items():
                found.drawn[session_id][language] = _draw(session_id, row, language, known)
        else:
            found.missing.add(session_id)
    return found


def find_arrivals(candidates: Mapping[str, FirstSeen], deep: Collection[ListFilter]) -> Arrivals:
    came = arrived(candidates)
    inside = {wanted: found_inside(wanted, candidates) for wanted in deep}
    return Arrivals(came, rows_of(came), inside)


def rows_of(ids: Collection[str]) -> dict[str, Row]:
    return {str(row.id): row for row in load_rows([UUID(i) for i in ids])} if ids else {}


def _draw(session_id: str, row: Row, language: str, known: RowParts | None) -> RenderedRow:
    """One row that cannot be drawn costs its own drawing, not everybody's feed."""
    try:
        looks = row_parts(row, language=language)
        if looks == known:
            return RenderedRow(None, looks)
        html = render_row_in(row, language=language)
    except (DatabaseError, InterfaceError):
        raise
    except Exception:
        log.exception("session %s cannot be drawn", session_id)
        return RenderedRow(row_fragment(session_id, row.version, None), None)
    return RenderedRow(row_fragment(session_id, row.version, html), looks)


# A checkpoint brings no session into anybody's list; its creation or another state may.
_ARRIVED = """
SELECT DISTINCT h.session_id::text
FROM unnest(%s::uuid[], %s::bigint[]) AS c(id, first)
JOIN agent_session_history h ON h.session_id = c.id AND h.version >= c.first
WHERE h.from_state IS DISTINCT FROM h.to_state AND h.at > now() - interval '1 day'
"""
_ARRIVED_SINCE = """
SELECT session_id::text, extract(epoch FROM max(at))::float8
FROM agent_session_history
WHERE at > to_timestamp(%s) AND from_state IS DISTINCT FROM to_state
GROUP BY session_id ORDER BY 2 DESC LIMIT %s
"""
_VERSIONS = """
SELECT id::text, version, coalesce(floor(extract(epoch FROM last_heartbeat) * 1000), 0)::bigint
FROM agent_sessions WHERE id = ANY(%s)
"""


def current_timeline() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT agent_session_timeline()")
        return str(cursor.fetchone()[0])


def arrived(candidates: Mapping[str, FirstSeen]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            _ARRIVED,
            [[UUID(i) for i in candidates], [heard.version for heard in candidates.values()]],
        )
        return {row[0] for row in cursor.fetchall()}


def arrived_since(since: float, most: int) -> dict[str, float]:
    """Sessions that were created or changed their state since then, with when."""
    with connection.cursor() as cursor:
        cursor.execute(_ARRIVED_SINCE, [since, most])
        return dict(cursor.fetchall())


def versions(ids: Sequence[str]) -> Versions:
    """id → version and last heartbeat in milliseconds; what does not exist is left out."""
    with connection.cursor() as cursor:
        cursor.execute(_VERSIONS, [[UUID(i) for i in ids]])
        return {session_id: (version, beat) for session_id, version, beat in cursor.fetchall()}
