"""Updates for pages, already encoded, so that a frame is a join of texts."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from sessions_app.numbers import milliseconds
from sessions_app.selectors.rows import Row

Beats = dict[str, int]


def row_fragment(session_id: str, version: int, html: str | None) -> str:
    """A row's entry except for its last value, which depends on the page's filter."""
    return f'"{session_id}":{{"version":{version},"html":{json.dumps(html)},"matches":'


def gone_fragment(session_id: str, version: int) -> str:
    return f'"{session_id}":{{"version":{version},"html":null,"matches":false,"gone":true}}'


class VersionBump(NamedTuple):
    """A change that is not visible in a row.

    `version` looks like `after` except for these times (ms).
    """

    after: int
    version: int
    heartbeat: int | None
    progress: int | None

    @classmethod
    def of(cls, row: Row, after: int) -> "VersionBump":
        return cls(
            after, row.version, milliseconds(row.last_heartbeat), milliseconds(row.last_progress)
        )

    def after_older(self, older: "VersionBump | None") -> "VersionBump":
        """Both merged, for pages that did not get the older one."""
        return self._replace(after=older.after) if older and older.version == self.after else self


class Update:
    """The next update of one subscription, shared by its connections until one of them has to merge."""

    __slots__ = (
        "_body", "_is_change", "_merged", "_split", "beats", "counts", "members", "rows", "session",
        "touched",
    )  # fmt: skip

    def __init__(
        self,
        rows: Mapping[str, str] = {},
        beats: Mapping[str, int] = {},
        counts: str | None = None,
        session: Mapping[str, str] = {},
        members: Mapping[str, bool] = {},
        touched: Mapping[str, VersionBump] = {},
    ) -> None:
        self.rows: dict[str, str] = dict(rows)
        self.beats: Beats = dict(beats)
        self.counts = counts
        self.session: dict[str, str] = dict(session)
        self.members: dict[str, bool] = dict(members)
        self.touched: dict[str, VersionBump] = dict(touched)
        # Computed once when the update is complete, because a thousand pages read it:
        self._body: str | None = None
        self._is_change: bool | None = None
        self._merged: tuple[Update, Update] | None = None
        self._split: tuple[Update, Update | None] | None = None

    def __bool__(self) -> bool:
        return bool(
            self.rows
            or self.touched
            or self.beats
            or self.session
            or self.members
            or self.counts is not None
        )

    def merged(self, newer: "Update") -> "Update":
        """Both merged, with the newer values, so that a slot never exceeds what its page shows.

        Pages with the same updates share the result.
        """
        if self._merged is None or self._merged[0] is not newer:
            self._merged = newer, self._both(newer)
        return self._merged[1]

    def _both(self, newer: "Update") -> "Update":
        return Update(
            self.rows | newer.rows,
            self.beats | newer.beats,
            self.counts if newer.counts is None else newer.counts,
            self.session | newer.session,
            {i: m for i, m in self.members.items() if i not in newer.rows} | newer.members,
            {i: t for i, t in self.touched.items() if i not in newer.rows}
            | {i: t.after_older(self.touched.get(i)) for i, t in newer.touched.items()},
        )

    @property
    def is_change(self) -> bool:
        """More than heartbeats and counts, which newer ones soon follow."""
        if self._is_change is None:
            self._is_change = bool(
                self.rows or self.touched or self.session.keys() - {"id", "beat"}
            )
        return self._is_change

    def split(self, most: int) -> tuple["Update", "Update | None"]:
        """The part that fits into one frame, and the rest. Computed once."""
        if self._split is None:
            self._split = self._in_two(most)
        return self._split

    def _in_two(self, most: int) -> tuple["Update", "Update | None"]:
        size = 0
        first: dict[str, str] = {}
        for session_id, fragment in self.rows.items():
            size += len(fragment) + 1
            if first and size > most:
                break
            first[session_id] = fragment
        if len(first) == len(self.rows):
            return self, None
        rest = {key: value for key, value in self.rows.items() if key not in first}
        return Update(first, self.beats, self.counts, self.session), Update(
            rest, members=self.members, touched=self.touched
        )

    def body(self) -> str:
        """The end of the frame, from the comma on. Encoded once for all sockets."""
        if self._body is None:
            self._body = self._encode()
        return self._body

    def _encode(self) -> str:
        texts: list[str] = []
        if self.rows:
            texts.append(f',"rows":{{{",".join(self.rows.values())}}}')
        if self.touched:
            touched = {i: touch._asdict() for i, touch in self.touched.items()}
            texts.append(f',"touched":{json.dumps(touched, separators=(",", ":"))}')
        if self.beats:
            texts.append(f',"beats":{json.dumps(self.beats, separators=(",", ":"))}')
        if self.counts is not None:
            texts.append(f',"counts":{self.counts}')
        if self.members:
            texts.append(f',"members":{json.dumps(self.members, separators=(",", ":"))}')
        if self.session:
            inner = ",".join(f'"{key}":{value}' for key, value in self.session.items())
            texts.append(f',"session":{{{inner}}}')
        texts.append("}")
        return "".join(texts)
