"""Calls the runs of this process when a head of their session becomes known."""

from __future__ import annotations

from collections.abc import Callable

from agent_sessions.models import Head

# Called with the current head; with None if it has to be read.
OnHead = Callable[[Head | None], None]


class HeadListeners:
    def __init__(self) -> None:
        self._listeners: dict[str, set[OnHead]] = {}

    def add(self, session_id: str, listener: OnHead) -> None:
        self._listeners.setdefault(session_id, set()).add(listener)

    def remove(self, session_id: str, listener: OnHead) -> None:
        listeners = self._listeners.get(session_id, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(session_id, None)

    def call(self, session_id: str, head: Head | None) -> None:
        for listener in self._listeners.get(session_id, ()):
            listener(head)

    def call_all(self) -> None:
        """Calls each listener with None: all heads have become unknown."""
        for session_id in self._listeners:
            self.call(session_id, None)
