"""An open page that follows static/js/core/feed.js: versions, acknowledgements, reconnects."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from agent_sessions.backoff import Backoff
from tests.support.page import Credit, Versions, hello, open_socket

FIRST_WAIT, LONGEST_WAIT = 0.25, 10.0
SILENCE, OFFLINE_AFTER, ASK_AGAIN_AFTER, LOOK = 12.0, 6.0, 0.3, 0.1


class Reload(Exception):
    """The database was restored or failed over: the page reloads itself."""


@dataclass(frozen=True)
class Claim:
    """What the page showed at one moment."""

    at: float
    state: str
    beats_are_old: bool
    versions: dict[str, int]
    paused: frozenset[str]


@dataclass
class Shown:
    versions: Versions
    confirmed_paused: set[str] = field(default_factory=set)

    def take(self, rows: dict[str, dict[str, Any]]) -> None:
        for session_id, row in rows.items():
            if not self.versions.takes(session_id, row):
                continue
            says = 'data-state="paused"' in row["html"] and 'data-order=""' in row["html"]
            (self.confirmed_paused.add if says else self.confirmed_paused.discard)(session_id)

    def touch(self, touches: dict[str, dict[str, Any]]) -> bool:
        """Takes what it can; returns whether one of them builds on a version that is missing here."""
        taken = [self.versions.takes_touch(*touch) for touch in touches.items()]
        return None in taken


class ClaimingPage:
    def __init__(self, address: str, cookie: str, rows: Iterable[str]) -> None:
        self._address, self._cookie = address, cookie
        self.shown = Shown(Versions(dict.fromkeys(rows, 0)))
        self.claims: list[Claim] = []
        self.codes: list[int] = []
        self.reloads = 0
        self._timeline: str | None = None
        self._socket: ClientConnection | None = None
        self._backoff = Backoff(FIRST_WAIT, LONGEST_WAIT)
        self._seq = 0
        self._lost_at = self._heard_at = time.time()
        self._tasks: list[asyncio.Task[None]] = []
        self._forget()

    def _forget(self) -> None:
        self._last, self._credit = 0, Credit()
        self._told: dict[str, Any] = {}
        self._answered = self._missing = self._more = False

    async def __aenter__(self) -> ClaimingPage:
        self._tasks = [asyncio.create_task(self._live()), asyncio.create_task(self._look())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _live(self) -> None:
        while True:
            try:
                await self._visit()
            except (OSError, websockets.WebSocketException, TimeoutError):
                pass
            except Reload:
                self.reloads += 1
                self.shown = Shown(Versions(dict.fromkeys(self.shown.versions, 0)))
                self._timeline = None
                self._backoff.reset()
            if self._socket is not None:
                self.codes.append(self._socket.close_code or 0)
                self._socket, self._lost_at = None, time.time()
            await asyncio.sleep(self._backoff.next())

    async def _visit(self) -> None:
        async with open_socket(self._address, self._cookie) as socket:
            self._forget()
            self._socket = socket
            await self._hello()
            while True:
                text = await asyncio.wait_for(socket.recv(), SILENCE)
                await self._receive(json.loads(text))
                if self._credit.is_due(self._last, len(text)):
                    await self._say({"type": "ack", "n": self._last})

    async def _hello(self) -> None:
        self._answered = self._missing = False
        self._seq += 1
        await self._say(hello(self._seq, self.shown.versions))

    async def _say(self, message: dict[str, Any]) -> None:
        if self._socket is not None:
            await self._socket.send(json.dumps(message))

    async def _receive(self, frame: dict[str, Any]) -> None:
        self._heard_at = time.time()
        self._backoff.reset()
        if frame["n"] > self._last + 1:
            await self._ask_again()
        if frame["n"] > self._last:
            self._note(frame)
            self._compare_timeline(frame)
        self.shown.take(frame.get("rows", {}))
        if self.shown.touch(frame.get("touched", {})) and self._answered:
            await self._ask_again()

    async def _ask_again(self) -> None:
        self._missing = True
        await asyncio.sleep(ASK_AGAIN_AFTER)
        await self._hello()

    def _note(self, frame: dict[str, Any]) -> None:
        self._last, self._told = frame["n"], frame["feed"]
        self._more = frame.get("more") is True
        self._answered = self._answered or frame.get("hello") == self._seq

    def _compare_timeline(self, frame: dict[str, Any]) -> None:
        if timeline := frame.get("timeline"):
            changed = self._timeline not in (None, timeline)
            self._timeline = timeline
            if changed or frame.get("reload"):
                self._answered = False
                raise Reload

    async def _look(self) -> None:
        while True:
            self.claims.append(
                Claim(
                    time.time(),
                    self.state,
                    bool(self._told.get("beats_since")),
                    dict(self.shown.versions),
                    frozenset(self.shown.confirmed_paused),
                )
            )
            await asyncio.sleep(LOOK)

    @property
    def state(self) -> str:
        if self._socket is None:
            offline = time.time() - self._lost_at > OFFLINE_AFTER
            return "offline" if offline else "reconnecting"
        if self._told.get("status") == "blind":
            return "offline"
        complete = self._answered and not self._more and not self._missing
        return "live" if complete and self._told.get("status") == "live" else "catching-up"

    def said(self, since: float, until: float) -> list[str]:
        """The states in order; one that lasts is listed once."""
        states = (claim.state for claim in self.claims if since <= claim.at <= until)
        return [state for state, _ in groupby(states)]
