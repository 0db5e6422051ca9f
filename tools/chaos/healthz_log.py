"""Records /healthz during a fault and after it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from tools.chaos.http_client import Visitor

GRACE = 4.0  # seconds; an answer is cached for one and may take two to compute


class HealthzLog:
    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._found: list[tuple[float, float, dict[str, Any]]] = []  # (requested, answered, body)

    async def look(self) -> None:
        while True:
            asked = time.time()
            answer = await asyncio.to_thread(self._visitor.get, "/healthz")
            if answer.status in (200, 503):
                said = json.loads(answer.text)
                self._found.append((asked, time.time(), {**said, "code": answer.status}))
            await asyncio.sleep(0.5)

    def is_well(self, since: float) -> bool:
        return any(
            asked > since and said["code"] == 200 and said["valkey"] == "ok"
            for asked, _, said in self._found
        )

    def wrong(self, unwell: str, since: float, until: float) -> list[str]:
        """One entry for each time that `unwell` was called ok between `since` and `until`."""
        wrongly = {"": lambda _: False, "valkey": _of_valkey, "database": _of_database}[unwell]
        return [
            f"/healthz: {unwell} is ok"
            for asked, answered, said in self._found
            if since + GRACE < asked and answered < until and wrongly(said)
        ]


def _of_valkey(said: dict[str, Any]) -> bool:
    return bool(said["valkey"] == "ok")


def _of_database(said: dict[str, Any]) -> bool:
    return bool(said["code"] == 200) or said["database"] == "ok"
