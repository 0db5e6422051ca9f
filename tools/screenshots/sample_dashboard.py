"""A dashboard of its own for the screenshots, with many sessions where a scene needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent_sessions import SessionManager
from dashboard.embedded import postgres, valkey
from tests.support.dashboard import everything

CROWD = 1_500


@dataclass(frozen=True)
class Served:
    address: str
    password: str
    data_dir: Path

    async def add_crowd(self) -> None:
        """Adds sessions, so many that a bulk order takes visible time."""
        connected = SessionManager.connect(postgres.url(self.data_dir), valkey.url(self.data_dir))
        async with await connected as manager:
            for first in range(0, CROWD, 500):
                await asyncio.gather(
                    *(
                        manager.create_session("translator", f"klasse-{n}")
                        for n in range(first, first + 500)
                    )
                )


@contextmanager
def dashboard(demo: bool = True) -> Iterator[Served]:
    with everything(DEMO=str(int(demo))) as found:
        yield Served(found.url, found.password, found.data_dir)
