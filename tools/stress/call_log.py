"""A log of every call at its caller: one JSON line when it begins, one when it ends.

A call without a second line has an unknown outcome: its process was killed, or the run ended first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from agent_sessions import AgentSession, SessionError

T = TypeVar("T")
NO_END = float("inf")
ONE_WRITE = ("update_session", "edit")
REFUSALS = ("Conflict", "StaleEpoch", "SessionEnded", "InvalidTransition", "InvalidInput")


@dataclass
class Call:
    """`facts`: what the caller requested. `copy`: the session that the call returned."""

    id: str
    who: str
    session: str
    name: str
    start: float
    end: float = NO_END
    error: str | None = None
    says: str = ""
    is_session_error: bool = True
    copy: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"end": None if self.end == NO_END else self.end}

    @property
    def acknowledged(self) -> bool:
        return self.end < NO_END and self.error is None

    @property
    def until(self) -> float:
        """The last time at which the call may have taken effect."""
        return self.end if self.acknowledged or self.refused else NO_END

    @property
    def refused(self) -> bool:
        """Whether the error says that nothing was stored. An attached run may store before it raises."""
        return self.name in ONE_WRITE and self.error in REFUSALS


def copied(session: AgentSession) -> dict[str, Any]:
    return {
        "version": session.version,
        "epoch": session.epoch,
        "state": session.state.value,
        "order_version": session.order_version,
        "context": session.context,
    }


class Log:
    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._prefix = path.stem
        self._calls = 0

    def close(self) -> None:
        self._file.close()

    async def call(
        self,
        who: str,
        session: str,
        name: str,
        work: Callable[[], Awaitable[T]],
        copy: Callable[[T], AgentSession | None] = lambda _: None,
        **facts: Any,
    ) -> T:
        """Runs `work` and logs its outcome; `copy` extracts the session from the result."""
        self._calls += 1
        call = f"{self._prefix}:{self._calls}"
        begin = {"who": who, "session": session, "name": name, "start": time.time()}
        self._write({"id": call, **begin, "facts": facts})
        try:
            result = await work()
        except BaseException as error:
            self._write({"id": call, "end": time.time(), **_error(error)})
            raise
        returned = copy(result)
        end = {"id": call, "end": time.time()}
        self._write(end if returned is None else end | {"copy": copied(returned)})
        return result

    async def failed(self, who: str, name: str, error: Exception) -> None:
        """Logs an error that no caller received."""

        async def fail() -> None:
            raise error

        with suppress(Exception):
            await self.call(who, "", name, fail)

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")


def _error(error: BaseException) -> dict[str, Any]:
    ours = isinstance(error, SessionError)
    says = str(error).split("\n")[0][:300]
    return {"error": type(error).__name__, "says": says, "is_session_error": ours}


def read(folder: Path) -> list[Call]:
    """All calls of all processes, ordered by their start."""
    calls: dict[str, Call] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for text in path.read_text("utf-8").split("\n")[:-1]:
            line = json.loads(text)
            if line["id"] in calls:
                for name in line.keys() - {"id"}:
                    setattr(calls[line["id"]], name, line[name])
            else:
                calls[line["id"]] = Call(**line)
    return sorted(calls.values(), key=lambda call: call.start)
