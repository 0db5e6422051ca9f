"""`python -m tools.bench.peers.bare_listen PORT`: the minimum that brings a commit onto a screen.

Each notification is sent unchanged to every page that shows its session; the page writes the
version into its row.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import defaultdict
from http import HTTPStatus

import psycopg
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.http11 import Request, Response

PAGE = b"""<!doctype html><title>floor</title><div id="rows"><div id="row"></div></div><script>
const row = document.getElementById("row");
const socket = new WebSocket(`ws://${location.host}/ws/sessions/`);
socket.onopen = () => socket.send(JSON.stringify({ rows: { [location.search.slice(1)]: 1 } }));
socket.onmessage = ({ data }) => {
  const news = JSON.parse(data);
  if (news.hello) return document.body.dataset.status = "live";
  for (const [id, version] of news) Object.assign(row.dataset, { id, version });
};
</script>"""

showing: dict[str, set[ServerConnection]] = defaultdict(set)


def answer(connection: ServerConnection, request: Request) -> Response | None:
    if request.path.startswith("/ws/"):
        return None
    response = connection.respond(HTTPStatus.OK, PAGE.decode())
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "text/html"
    return response


async def page(connection: ServerConnection) -> None:
    rows = json.loads(await connection.recv())["rows"]
    for session_id in rows:
        showing[session_id].add(connection)
    await connection.send('{"hello":1}')
    try:
        await connection.wait_closed()
    finally:
        for session_id in rows:
            showing[session_id].discard(connection)


async def main(port: int) -> None:
    connection = await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"], autocommit=True)
    await connection.execute("LISTEN agent_sessions")
    async with serve(page, "127.0.0.1", port, process_request=answer, compression=None):
        async for notification in connection.notifies():
            changed = [session_id for session_id, _ in json.loads(notification.payload)]
            broadcast(set().union(*(showing[i] for i in changed)), notification.payload)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
