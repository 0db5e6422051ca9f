"""Disconnects the connections that a forked child copied from its parent, which waits for answers on them.

A cancellation in the child would ask the server to cancel the parent's statement, and would read the answer that the
parent waits for. So the copies are disconnected before anything else runs in the child.
"""

from __future__ import annotations

import os
import socket
import weakref
from contextlib import suppress
from typing import Any

import psycopg

# Connections that are checked out of a pool.
in_use: weakref.WeakSet[psycopg.AsyncConnection[Any]] = weakref.WeakSet()


def _cut_off() -> None:
    for connection in in_use:
        with suppress(psycopg.Error):
            here, there = socket.socketpair()
            there.close()
            with here:  # bytes written while closing go here, not to the server
                os.dup2(here.fileno(), connection.pgconn.socket)
            connection.pgconn.finish()
    in_use.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_cut_off)
