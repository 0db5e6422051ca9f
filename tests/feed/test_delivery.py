"""A change reaches every page that shows it, whoever wrote it, and no other page."""

from __future__ import annotations

import pytest

from sessions_app.feed.hub import Hub

from . import writers
from .conftest import until
from .screen import Screen

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_pause_in_psql_is_on_the_page_after_the_next_tick(
    hub: Hub, database_url: str
) -> None:
    (session_id,) = writers.create(database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    writers.pause(database_url, session_id)
    await until(lambda: hub.pending, step=lambda: _nothing())
    await hub.tick()
    await screen.settled()
    row = screen.rows[session_id]
    assert row["version"] == 2
    assert 'data-state="paused"' in row["html"]
    assert row["matches"] is True


async def _nothing() -> None:
    pass
