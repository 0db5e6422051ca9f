"""One file a row of the table: an async generator that prepares, yields comparisons and cleans up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from tools.bench.comparison import Comparison
from tools.bench.rows import (
    beats_for_ever,
    changes,
    checkpoint,
    commit_to_dom,
    create,
    growth,
    heartbeat,
    idle_socket,
    list_page,
    old_upsert,
    read,
    session_page,
    sockets,
    stalled_readers,
    sweep,
    trigger_cost,
    web_process,
)
from tools.bench.stage import Stage

BenchRow = Callable[[Stage], AsyncIterator[Comparison]]

ROWS: dict[str, BenchRow] = {
    "heartbeat": heartbeat.row,
    "checkpoint": checkpoint.row,
    "create": create.row,
    "read": read.row,
    "writers": trigger_cost.row,
    "old-upsert": old_upsert.row,
    "hot": beats_for_ever.row,
    "sweep": sweep.row,
    "list": list_page.row,
    "session-page": session_page.row,
    "growth": growth.row,
    "sockets": sockets.row,
    "changes": changes.row,
    "stalled": stalled_readers.row,
    "commit-to-dom": commit_to_dom.row,
    "web-process": web_process.row,
    "idle-socket": idle_socket.row,
}
