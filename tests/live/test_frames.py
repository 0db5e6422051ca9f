"""What does not fit into one frame comes with the next ones: each part of it, and once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sessions_app.live.sockets.frames import Update, VersionBump, row_fragment

IDS = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(6)]
BUMP = VersionBump(1, 2, 3, 4)


def row(session_id: str, version: int = 1) -> str:
    return row_fragment(session_id, version, "x" * 100) + "true}"


def frames(update: Update, most: int) -> list[dict[str, Any]]:
    sent, rest = [], update
    while rest is not None:
        first, rest = rest.split(most)
        sent.append(json.loads("{" + first.body()[1:]))
    return sent


@pytest.mark.parametrize("most", [1, 150, 500, 100_000])
def test_whatever_fits_all_parts_are_sent_once(most: int) -> None:
    update = Update(
        rows={i: row(i) for i in IDS[:4]},
        beats={IDS[0]: 5},
        counts='{"active":1}',
        session={"beat": "7"},
        members={IDS[4]: False, IDS[5]: True},
        touched={IDS[1]: BUMP, IDS[5]: BUMP},
    )
    sent = frames(update, most)
    for name, expected in {
        "rows": set(IDS[:4]),
        "beats": {IDS[0]},
        "counts": {"active"},
        "session": {"beat"},
        "members": set(IDS[4:]),
        "touched": {IDS[1], IDS[5]},
    }.items():
        parts = [frame[name] for frame in sent if name in frame]
        assert sorted(key for part in parts for key in part) == sorted(expected), name
    assert {"rows", "members", "touched"} & sent[-1].keys()


def test_a_row_comes_before_what_is_newer_than_it() -> None:
    update = Update(rows={i: row(i) for i in IDS[:3]}, touched={IDS[0]: BUMP, IDS[2]: BUMP})
    sent = frames(update, 1)
    for session_id in (IDS[0], IDS[2]):
        (at,) = [n for n, frame in enumerate(sent) if session_id in frame.get("rows", {})]
        (after,) = [n for n, frame in enumerate(sent) if session_id in frame.get("touched", {})]
        assert at <= after


def test_what_is_newer_merges_with_the_rest_and_loses_none_of_it() -> None:
    update = Update(rows={i: row(i) for i in IDS[:3]}, members={IDS[4]: False, IDS[5]: False})
    first, rest = update.split(1)
    assert rest is not None
    newer = Update(rows={IDS[2]: row(IDS[2], 2)}, members={IDS[5]: True})
    sent = frames(rest.merged(newer), 1)
    assert list(first.rows) == IDS[:1]
    assert [i for frame in sent for i in frame.get("rows", {})] == IDS[1:3]
    members = [frame["members"] for frame in sent if "members" in frame]
    assert members == [{IDS[4]: False, IDS[5]: True}]
