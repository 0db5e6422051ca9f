"""With any order of commits and any lost message, the page finally equals the database."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from sessions_app.selectors.rows import load_rows
from tests.support.dashboard import LiveDashboard
from tests.support.rows import row_parts_in

from ..support.page import Lossy, Page
from . import writers

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS = 16


def assert_it_looks_as_stored(page: Page) -> None:
    """Compares the version, and all of a row that does not depend on heartbeats and the clock."""
    for row in load_rows([UUID(session_id) for session_id in page.versions]):
        html, looks = page.html[str(row.id)], row_parts_in(row, language="de")
        assert f'data-version="{row.version}"' in html
        at = 0
        for part in looks[::2]:
            at = html.index(part, at) + len(part)


async def test_sixteen_writers_with_random_commit_delays_lose_nothing(
    live_dashboard: LiveDashboard, cookie: dict[str, Any], database_url: str
) -> None:
    ids = writers.create(database_url, 20)
    async with (
        Page(live_dashboard.url, cookie, ids) as whole,
        Page(live_dashboard.url, cookie, ids[:7]) as part,
        Page(live_dashboard.url, cookie, ids, wire=Lossy(seed=1)) as lossy,
        Page(live_dashboard.url, cookie, ids, wire=Lossy(seed=2)) as lossier,
    ):
        await whole.until(lambda: whole.is_live)
        writing = [
            asyncio.to_thread(writers.write_at_random, database_url, ids, 12, seed)
            for seed in range(WRITERS)
        ]
        await asyncio.gather(*writing)
        truth = writers.versions(database_url, ids)
        for page in (whole, part, lossy, lossier):
            expected = {session_id: truth[session_id] for session_id in page.versions}
            await page.shows(expected)
            await asyncio.to_thread(assert_it_looks_as_stored, page)
        assert sum(truth.values()) > WRITERS * 12
        assert whole.frames < sum(truth.values())


async def test_a_page_that_loses_one_frame_in_four_still_equals_the_database(
    live_dashboard: LiveDashboard, cookie: dict[str, Any], database_url: str
) -> None:
    ids = writers.create(database_url, 10)
    wire = Lossy(seed=3, loss=0.25)
    async with Page(live_dashboard.url, cookie, ids, wire=wire) as page:
        for n in range(12):
            await asyncio.to_thread(writers.write_at_random, database_url, ids, 4, n)
        truth = writers.versions(database_url, ids)
        await page.shows(truth)
        await asyncio.to_thread(assert_it_looks_as_stored, page)
        assert wire.lost > 0
