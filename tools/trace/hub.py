"""`python -m tools.trace.hub`: from the notification of one changed row to the frame that leaves, on servers of its own.

The hub runs its own loops. What these do beside the change would be counted too, so the shortest of some runs counts.
`--steps` prints every function of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

import django

from tools.trace.recorder import EVERYTHING, Recorder

if TYPE_CHECKING:
    from sessions_app.live.hub import Hub

RUNS = 15
PAUSE = 0.6  # longer than a tick: each change finds the hub at rest
CHANGES = {
    "a change that the row shows": "UPDATE agent_sessions SET user_id = 'maria-' || version WHERE id = %s",
    "a change that no row shows": "UPDATE agent_sessions SET context = context || jsonb_build_object('n', version) WHERE id = %s",
}


class TracedPage:
    """A browser without a network, which shows one list of one row and acknowledges each frame."""

    def __init__(self, hub: Hub, session_id: str) -> None:
        from sessions_app.live.sockets.auth import Viewer
        from sessions_app.permissions import VIEW, Access

        self._hub = hub
        self.recorder: Recorder | None = None
        self.sent = asyncio.Event()
        self._socket = hub.gateway.join(self._send)
        hub.gateway.welcome(self._socket, Viewer(1, "key", "hash", "en", Access(frozenset({VIEW}))))
        self._say({"type": "hello", "page": "list", "rows": {session_id: 1}})

    async def _send(self, message: dict[str, Any]) -> None:
        if self.recorder is not None:
            Recorder.remove()
        frame = json.loads(message["text"])
        asyncio.get_running_loop().call_soon(self._say, {"type": "ack", "n": frame["n"]})
        if "rows" in frame or "touched" in frame:
            self.sent.set()

    def _say(self, message: dict[str, Any]) -> None:
        self._hub.gateway.on_message(self._socket, {"text": json.dumps(message)})


async def traced(hub: Hub, page: TracedPage, change: str, session_id: str) -> Recorder:
    from django.db import connection

    def write() -> None:
        with connection.cursor() as cursor:
            cursor.execute(change, [session_id])

    page.sent.clear()
    page.recorder = recorder = Recorder(EVERYTHING)
    await hub._reader.read(recorder.install)
    recorder.install()
    await asyncio.to_thread(write)
    await page.sent.wait()
    page.recorder = None
    Recorder.remove()
    await hub._reader.read(Recorder.remove)
    return recorder


def create() -> str:
    from django.db import connection

    session_id = str(uuid.uuid4())
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO agent_sessions (id, agent_type, user_id, state, context, checkpoints, created_at, updated_at,"
            " last_heartbeat) VALUES (%s, 'grader', 'maria', 'active', '{}', '[]', now(), now(), now())",
            [session_id],
        )
    return session_id


async def trace(steps: bool) -> None:
    from django.conf import settings

    from sessions_app.live.factory import listen_parameters
    from sessions_app.live.hub import Hub
    from sessions_app.live.limits import LIMITS

    session_id = await asyncio.to_thread(create)
    nobody_is_asked = replace(LIMITS, rights=inf)  # the page has no log-in
    namespace = settings.SESSION_NAMESPACE
    hub = Hub(listen_parameters, settings.VALKEY_URL, namespace, limits=nobody_is_asked)
    hub.start()
    try:
        while not (hub.status.current().status == "live" and hub.beats.live):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        page = TracedPage(hub, session_id)
        for name, change in CHANGES.items():
            found = []
            for _ in range(RUNS):
                await asyncio.sleep(PAUSE)
                found.append(await traced(hub, page, change, session_id))
            shortest = min(found[1:], key=lambda one: len(one.calls))
            print(f"{name}: {len(shortest.calls)} calls of {shortest.figures()}")
            if steps:
                print("\n".join(shortest.path()))
    finally:
        await hub.stop()


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from dashboard.embedded import Servers, running

    with running(Servers(settings.DATA_DIR, durable=False)):
        call_command("migrate", verbosity=0)
        began = time.monotonic()
        asyncio.run(trace("--steps" in sys.argv))
        print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
