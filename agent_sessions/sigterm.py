"""SIGTERM makes the runs that were attached with `stop_on_sigterm` leave at their next safe point."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agent_sessions.basic_errors import UsageError
from agent_sessions.run import Run

_runs: set[Run] = set()
_before: list[Any] = []  # what handled SIGTERM before the first of them


@contextmanager
def stops(run: Run, wanted: bool) -> Iterator[None]:
    """The handler is installed with the first such run; after the last the previous one is restored."""
    if not wanted:
        yield
        return
    if not _runs:
        _install()
    _runs.add(run)
    try:
        yield
    finally:
        _runs.discard(run)
        if not _runs and not run.lease.is_copy:
            _remove()


def _install() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _stop_all)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise UsageError(
            "stop_on_sigterm needs the event loop of the main thread; elsewhere call run.stop()"
        ) from error
    _before[:] = [before]


def _remove() -> None:
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    for before in _before:
        if before is not None:  # it was set by C code
            signal.signal(signal.SIGTERM, before)


def _stop_all() -> None:
    for run in _runs:
        run.stop()
