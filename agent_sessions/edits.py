"""Three-way merge of an edit: the differences to the loaded version are applied to the current one."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from agent_sessions.json_merge import MISSING, Change, JsonPath, apply, diff, same
from agent_sessions.models import AgentSession

MAX_PATHS = 50


@dataclass(frozen=True)
class Wanted:
    """The wanted `value` of one part (context or metadata), and the value that its author had loaded.

    `compared` is false if the caller named no loaded version: then `value` replaces the current one. Otherwise `loaded`
    is None if that version is not stored any more.
    """

    part: str
    value: dict[str, Any]
    compared: bool = False
    loaded: dict[str, Any] | None = None


@dataclass(frozen=True)
class PathConflict:
    """A path changed by the edit and, differently, by someone else. MISSING: no value."""

    part: str
    path: JsonPath
    loaded: Any
    now: Any
    mine: Any
    actor: str | None = None
    source: str | None = None
    at: datetime | None = None

    @property
    def name(self) -> str:
        return named(self.part, self.path)


@dataclass(frozen=True)
class Writer:
    """The author of an entry of the history, and the paths that it changed; None if the entry does not name them.

    `context_restored`: a rollback, which replaced the whole context.
    """

    actor: str | None
    source: str
    at: datetime
    paths: Sequence[str] | None
    context_restored: bool


@dataclass(frozen=True)
class Merged:
    """`merged` has the edit's changes without a conflict; `mine` has all of them."""

    part: str
    now: dict[str, Any]
    merged: dict[str, Any]
    mine: dict[str, Any]
    conflicts: list[PathConflict] = field(default_factory=list)
    loaded_known: bool = True

    @property
    def paths(self) -> list[str]:
        return [named(self.part, change.path) for change in diff(self.now, self.merged)]


@dataclass(frozen=True)
class EditPreview:
    """The effect of an edit on `session`, as it is stored now. A part that is None stays unchanged."""

    session: AgentSession
    context: Merged | None = None
    metadata: Merged | None = None

    @property
    def parts(self) -> list[Merged]:
        return [part for part in (self.context, self.metadata) if part is not None]

    @property
    def conflicts(self) -> list[PathConflict]:
        return [conflict for part in self.parts for conflict in part.conflicts]

    @property
    def loaded_known(self) -> bool:
        return all(part.loaded_known for part in self.parts)


def named(part: str, path: JsonPath) -> str:
    """The name of a path, as in the history."""
    return ".".join(path if part == "context" else (part, *path))


def preview(session: AgentSession, wanted: Iterable[Wanted]) -> EditPreview:
    parts = {one.part: _merge(getattr(session, one.part), one) for one in wanted}
    return EditPreview(session, parts.get("context"), parts.get("metadata"))


def _merge(now: dict[str, Any], wanted: Wanted) -> Merged:
    if not wanted.compared:
        return Merged(wanted.part, now, wanted.value, wanted.value)
    if wanted.loaded is None:
        return Merged(wanted.part, now, now, wanted.value, loaded_known=False)
    changes = list(diff(wanted.loaded, wanted.value))
    free, conflicts = [], []
    for change in changes:
        there = _at(now, change.path)
        if same(there, change.old) and _has_parents(now, change.path):
            free.append(change)
        elif not same(there, change.new):
            conflicts.append(PathConflict(wanted.part, change.path, change.old, there, change.new))
    merged = copy.deepcopy(now)
    apply(merged, free)
    mine = copy.deepcopy(merged)
    apply(mine, [Change(c.path, c.now, c.mine) for c in conflicts])
    return Merged(wanted.part, now, merged, mine, conflicts)


def _at(value: Any, path: JsonPath) -> Any:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value


def _has_parents(value: dict[str, Any], path: JsonPath) -> bool:
    return len(path) == 1 or isinstance(_at(value, path[:-1]), dict)


def signed(conflicts: Iterable[PathConflict], writers: Sequence[Writer]) -> list[PathConflict]:
    """Adds to each conflict the last author of its path.

    `writers` are those since the loaded version, newest first.
    """
    return [_signed(conflict, writers) for conflict in conflicts]


def _signed(conflict: PathConflict, writers: Sequence[Writer]) -> PathConflict:
    in_context = conflict.part == "context"  # a rollback leaves metadata as it is
    sure = (
        one
        for one in writers
        if (one.context_restored and in_context) or _names(one.paths, conflict.name)
    )
    # an entry of the history names fifty paths at most, and none for a change of metadata by an agent
    possible = (one for one in writers if _may_name(one))
    found = next(sure, None) or next(possible, None)
    if found is None:
        return conflict
    return replace(conflict, actor=found.actor, source=found.source, at=found.at)


def _may_name(writer: Writer) -> bool:
    if writer.paths is None:
        return not writer.context_restored
    return len(writer.paths) >= MAX_PATHS


def _names(paths: Sequence[str] | None, name: str) -> bool:
    return any(
        path == name or path.startswith(f"{name}.") or name.startswith(f"{path}.")
        for path in paths or ()
    )
