"""Named recovery points of one session, kept within bounds."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from agent_sessions import argument_checks as check
from agent_sessions import validation
from agent_sessions.basic_errors import InvalidInput
from agent_sessions.clock import utc_now
from agent_sessions.json_errors import Encode
from agent_sessions.models import SessionCheckpoint
from agent_sessions.states import CHECKPOINT_NAMES

logger = logging.getLogger(__name__)

KEEP_LAST = 20
MAX_CHECKPOINTS = 100
COMPRESS_AFTER = 50


class Named(Protocol):
    @property
    def name(self) -> str: ...


C = TypeVar("C", bound=Named)


def compress(
    checkpoints: Sequence[C], *, after: int = COMPRESS_AFTER, limit: int = MAX_CHECKPOINTS
) -> list[C]:
    """The first, the last 20 and the newest of each other name between them; never more than `limit`."""
    if len(checkpoints) <= min(after, limit):
        return list(checkpoints)
    first, rest = checkpoints[:1], checkpoints[1:]
    between, last = rest[:-KEEP_LAST], rest[-KEEP_LAST:]
    shown = {c.name for c in [*first, *last]}
    newest = {c.name: i for i, c in enumerate(between) if c.name not in shown}
    kept = [*first, *(between[i] for i in sorted(newest.values())), *last]
    return kept if len(kept) <= limit else [*first, *kept[len(kept) - limit + 1 :]][:limit]


def effective(checkpoints: Sequence[SessionCheckpoint]) -> list[SessionCheckpoint]:
    """The checkpoints that count: a rollback discards those after its target."""
    for i in range(len(checkpoints) - 1, -1, -1):
        mark = checkpoints[i]
        to = mark.data.get("n") if mark.name == CHECKPOINT_NAMES["rollback"] else None
        if isinstance(to, int):
            then = [c for c in checkpoints[:i] if c.n is not None and c.n <= to]
            return [*effective(then), *checkpoints[i:]]
    return list(checkpoints)


@dataclass(frozen=True)
class Checkpoint:
    id: str
    name: str
    timestamp: datetime
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "timestamp": self.timestamp.isoformat(),
            "data": self.data,
            "metadata": self.metadata,
        }


class CheckpointManager:
    """Checkpoints of one session in memory: at most `max_checkpoints`, compressed past `compress_after`."""

    def __init__(
        self,
        session_id: str,
        max_checkpoints: int = MAX_CHECKPOINTS,
        compress_after: int = COMPRESS_AFTER,
        *,
        clock: Callable[[], datetime] = utc_now,
        encode: Encode | None = None,
    ) -> None:
        check.whole(max_checkpoints, "max_checkpoints", 1)
        check.whole(compress_after, "compress_after")
        self.session_id = session_id
        self.max_checkpoints = max_checkpoints
        self.compress_after = compress_after
        self._clock = clock
        self._encode = encode
        self._checkpoints: list[Checkpoint] = []
        self._callbacks: list[Callable[[Checkpoint], object]] = []
        self._next = 1

    def create(
        self, name: str, data: dict[str, Any], metadata: dict[str, Any] | None = None
    ) -> Checkpoint:
        """Raises InvalidInput if it cannot be stored. Errors of callbacks are only logged."""
        validation.text(name, "the checkpoint's name", validation.MAX_NAME, required=True)
        _, data = validation.encoded(data, "data", validation.MAX_DATA_BYTES, self._encode)
        metadata = {} if metadata is None else metadata
        _, metadata = validation.encoded(metadata, "metadata", encode=self._encode)
        made = Checkpoint(
            f"{self.session_id}:{self._next}",
            name,
            self._clock(),
            copy.deepcopy(data),
            copy.deepcopy(metadata),
        )
        self._next += 1
        self._keep([*self._checkpoints, made])
        self._tell(made)
        return made

    def _tell(self, made: Checkpoint) -> None:
        for callback in self._callbacks:
            try:
                callback(made)
            except Exception:
                logger.exception("a callback failed for checkpoint %s", made.id)

    def _keep(self, checkpoints: list[Checkpoint]) -> None:
        self._checkpoints = compress(
            checkpoints, after=self.compress_after, limit=self.max_checkpoints
        )

    def get(self, checkpoint_id: str) -> Checkpoint | None:
        return next((c for c in self._checkpoints if c.id == checkpoint_id), None)

    def get_by_name(self, name: str) -> list[Checkpoint]:
        """Newest first."""
        return [c for c in reversed(self._checkpoints) if c.name == name]

    def get_latest(self, name: str | None = None) -> Checkpoint | None:
        return next((c for c in reversed(self._checkpoints) if name in (None, c.name)), None)

    def get_all(self) -> list[Checkpoint]:
        return list(self._checkpoints)

    def get_since(self, timestamp: datetime) -> list[Checkpoint]:
        """Strictly after; a time without an offset is taken as UTC."""
        since = validation.moment(timestamp, "timestamp")
        return [c for c in self._checkpoints if c.timestamp > since]

    def get_between(self, start: datetime, end: datetime) -> list[Checkpoint]:
        """Both ends included; a time without an offset is taken as UTC."""
        first, last = validation.moment(start, "start"), validation.moment(end, "end")
        return [c for c in self._checkpoints if first <= c.timestamp <= last]

    def rollback_to(self, checkpoint_id: str) -> dict[str, Any] | None:
        """Discards later checkpoints; returns the target's data, or None if it does not exist."""
        for i, checkpoint in enumerate(self._checkpoints):
            if checkpoint.id == checkpoint_id:
                del self._checkpoints[i + 1 :]
                return copy.deepcopy(checkpoint.data)
        return None

    def clear(self) -> int:
        """Returns how many there were. Their ids are not used again."""
        count = len(self._checkpoints)
        self._checkpoints = []
        return count

    def get_summary(self) -> dict[str, Any]:
        first = self._checkpoints[0] if self._checkpoints else None
        last = self._checkpoints[-1] if self._checkpoints else None
        names = list(dict.fromkeys(c.name for c in self._checkpoints))
        return {
            "total_count": len(self._checkpoints),
            "unique_names": len(names),
            "names": names,
            "first_checkpoint": first.timestamp.isoformat() if first else None,
            "last_checkpoint": last.timestamp.isoformat() if last else None,
            "duration_seconds": (last.timestamp - first.timestamp).total_seconds()
            if first and last
            else 0.0,
        }

    def on_checkpoint(self, callback: Callable[[Checkpoint], object]) -> None:
        self._callbacks.append(callback)

    def export(self) -> str:
        return json.dumps(
            {
                "session_id": self.session_id,
                "checkpoints": [c.to_dict() for c in self._checkpoints],
            }
        )

    def import_checkpoints(self, exported: str) -> int:
        """Adds exported checkpoints in order of time under new ids; returns how many.

        Raises InvalidInput, and imports nothing, if one of them is invalid.
        """
        entries = validation.from_json(exported, "these are no exported checkpoints")
        try:
            entries = entries["checkpoints"] if isinstance(entries, dict) else entries
            read = [_importable(entry) for entry in entries]
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInput(f"these are no exported checkpoints: {error}") from None
        imported = [
            Checkpoint(f"{self.session_id}:{n}", c.name, c.timestamp, c.data, c.metadata)
            for n, c in enumerate(read, self._next)
        ]
        self._next += len(imported)
        self._keep(sorted([*self._checkpoints, *imported], key=lambda c: c.timestamp))
        return len(imported)

    def __len__(self) -> int:
        return len(self._checkpoints)

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self.get_all())


def _importable(entry: Any) -> SessionCheckpoint:
    read = SessionCheckpoint.from_dict(entry)
    validation.text(read.name, "the checkpoint's name", validation.MAX_NAME, required=True)
    validation.json_object(read.data, "data", validation.MAX_DATA_BYTES)
    validation.json_object(read.metadata, "metadata")
    return read
