"""The list page with a million rows and with a thousand, each with 500 live sessions.

Its queries are compared with the same using OFFSET, the page with the changelist of Django's admin.
A page counts when it shows the right rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

from tools.bench import seed_large_tables
from tools.bench.comparison import Arm, Bar, Comparison, Measured, NotRight
from tools.bench.django_client import Dashboard, again, dashboard, milliseconds, queries, timed
from tools.bench.peers import default_admin
from tools.bench.stage import Stage

MANY, FEW = "bench_list_many", "bench_list_few"
ROWS, FEW_ROWS = 1_000_000, 1_000
PAGE, DEEP = 50, 1_000
TIMES = 8
QUERIES = 6
Ids = list[UUID]
# Every query but the last two matches more than one page of rows.
LOOKS = {
    "first page, with its counts": "/",
    "filter": "/?state=completed&type=grader",
    "search by user": "/?q=user:teacher-7",
    "search by id": "/?q=id:0",
    "search inside the context": "/?q=context.class:7",
    "search for a user who is not there": "/?q=user:nobody",
    "search for text that is not there": "/?q=Astronomie",
}


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    rows = round(ROWS * stage.scale)
    with dashboard(stage) as pages:
        for database, count in ((MANY, rows), (FEW, FEW_ROWS)):
            await pages.prepare(database)
            seed_large_tables.fill(stage, database, count)
        deep = {MANY: min(DEEP, rows // PAGE // 2), FEW: 10}
        for look, path in LOOKS.items():
            yield _beside_few(pages, rows, look, {MANY: path, FEW: path})
        places = {database: _after(stage, database, page * PAGE) for database, page in deep.items()}
        yield _beside_few(pages, rows, f"next page, {deep[MANY]:,} deep", places)
        for look in LOOKS:
            yield _queries(pages, rows, look)
        yield _beside_offset(stage, pages, rows, deep[MANY] * PAGE)
        yield _beside_admin(pages, rows, "changelist", "/", "")
        yield _beside_admin(pages, rows, "search", "/?q=user:teacher-7", "q=teacher-7")


def _beside_few(pages: Dashboard, rows: int, look: str, paths: dict[str, str]) -> Comparison:
    return Comparison(
        f"{look}, {rows:,} rows",
        f"itself with {FEW_ROWS:,}",
        _page(pages, MANY, paths[MANY]),
        _page(pages, FEW, paths[FEW]),
        (Bar("ms", "ms", at_most=1.25), Bar("queries", "queries", at_most=1)),
    )


def _queries(pages: Dashboard, rows: int, look: str) -> Comparison:
    arm = _page(pages, MANY, LOOKS[look])
    bars = (Bar("queries", "queries", at_most=QUERIES),)
    return Comparison(f"{look}, {rows:,} rows", "", arm, None, bars, warm=False, pairs=1)


def _page(pages: Dashboard, database: str, path: str) -> Arm:
    async def arm() -> Measured:
        return {
            "ms": await pages.over(database, lambda client: timed(client, path, TIMES)),
            "queries": await pages.over(database, lambda client: queries(client, path)),
        }

    return arm


def _after(stage: Stage, database: str, rows: int) -> str:
    found = stage.fetch(
        database,
        "SELECT (extract(epoch FROM created_at) * 1000000)::bigint, replace(id::text, '-', '')"
        " FROM agent_sessions WHERE state <> 'deleted' ORDER BY created_at DESC, id DESC OFFSET %s LIMIT 1",
        (rows - 1,),
    )
    return f"/?after={found[0][0]}-{found[0][1]}"


def _beside_offset(stage: Stage, pages: Dashboard, rows: int, offset: int) -> Comparison:
    key = _after(stage, MANY, offset).removeprefix("/?after=")
    return Comparison(
        f"the query of page {offset // PAGE:,}, {rows:,} rows",
        "the same by OFFSET",
        _query(pages, lambda: _by_key(key), lambda: _by_offset(offset)),
        _query(pages, lambda: _by_offset(offset), lambda: _by_key(key)),
        (Bar("ms", "ms", at_most=1 / 100),),
    )


def _query(pages: Dashboard, read: Callable[[], Ids], other: Callable[[], Ids]) -> Arm:
    """The query alone, in PostgreSQL and on the connection: the Python before it is the same for both."""

    def both(client: Any) -> float:
        if read() != other() or len(read()) != PAGE:
            raise NotRight("the key's page is not the offset's")
        return milliseconds(again(read), TIMES)

    async def arm() -> Measured:
        return {"ms": await pages.over(MANY, both)}

    return arm


def _by_key(key: str) -> Ids:
    from sessions_app.models import AgentSession
    from sessions_app.selectors.filters import ListFilter
    from sessions_app.selectors.pagination import PageKey, read_page

    sessions = ListFilter().queryset(AgentSession.objects.all())
    return [row.id for row in read_page(sessions, after=PageKey.parse(key)).rows]


def _by_offset(offset: int) -> Ids:
    from sessions_app.models import AgentSession
    from sessions_app.selectors.filters import ListFilter
    from sessions_app.selectors.rows import from_values, with_row_columns

    sessions = ListFilter().queryset(AgentSession.objects.order_by("-created_at", "-id"))
    found = with_row_columns(sessions)[offset : offset + PAGE]
    return [from_values(values).id for values in found]


def _beside_admin(pages: Dashboard, rows: int, what: str, path: str, query: str) -> Comparison:
    async def ours() -> Measured:
        return {"ms": await pages.over(MANY, lambda client: timed(client, path, TIMES))}

    def changelist(client: Any) -> float:
        from django.contrib.auth.models import User

        user = User.objects.get(username="bench")
        return milliseconds(lambda: default_admin.changelist(user, query), 2)

    async def theirs() -> Measured:
        return {"ms": await pages.over(MANY, changelist)}

    return Comparison(
        f"{what}, {rows:,} rows",
        "Django admin's default changelist",
        ours,
        theirs,
        (Bar("ms", "ms", at_most=1 / 10),),
        pairs=3,
    )
