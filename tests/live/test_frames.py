"""What does not fit into one frame is sent with the next ones, each part once."""

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
    sent: list[dict[str, Any]] = []
    rest: Update | None = update
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


@pytest.mark.parametrize(
    ("part", "is_change"),
    [
        ({"rows": {IDS[0]: row(IDS[0])}}, True),
        ({"touched": {IDS[0]: BUMP}}, True),
        ({"session": {"id": "1", "head": "2"}}, True),
        ({"session": {"id": "1", "beat": "2"}}, False),
        ({"beats": {IDS[0]: 5}}, False),
        ({"counts": "{}"}, False),
        ({"members": {IDS[0]: False}}, False),
    ],
)
def test_each_part_alone_is_sent_and_only_what_no_newer_one_follows_soon_is_a_change(
    part: dict[str, Any], is_change: bool
) -> None:
    update = Update(**part)
    assert update
    assert [update.is_change, update.is_change] == [is_change, is_change]
    (sent,) = frames(update, 1)
    assert sent.keys() == part.keys()


def test_an_update_without_parts_is_false_and_no_change() -> None:
    assert not Update()
    assert not Update().is_change


def test_of_two_parts_the_newer_one_wins_and_what_only_one_has_stays() -> None:
    older = Update(
        {IDS[0]: row(IDS[0]), IDS[1]: row(IDS[1])}, {IDS[0]: 1}, '"old"', {"a": "1", "b": "1"}
    )
    newer = Update({IDS[0]: row(IDS[0], 2)}, {IDS[0]: 2}, '"new"', {"a": "2"})
    both = older.merged(newer)
    assert both.rows == {IDS[0]: row(IDS[0], 2), IDS[1]: row(IDS[1])}
    assert (both.beats, both.counts, both.session) == ({IDS[0]: 2}, '"new"', {"a": "2", "b": "1"})
    assert older.merged(newer) is both
    assert older.merged(Update(beats={IDS[0]: 3})).beats == {IDS[0]: 3}, "and each merge is its own"
    assert older.merged(Update()).counts == '"old"'


def test_a_newer_row_replaces_what_was_told_of_the_older_one() -> None:
    older = Update(touched={IDS[0]: BUMP, IDS[1]: BUMP}, members={IDS[0]: False, IDS[1]: False})
    both = older.merged(Update({IDS[0]: row(IDS[0], 3)}))
    assert both.touched.keys() == both.members.keys() == {IDS[1]}


@pytest.mark.parametrize(("newest_after", "told_after"), [(2, 1), (3, 3)])
def test_two_bumps_in_a_row_are_one_and_any_other_stays_what_it_is(
    newest_after: int, told_after: int
) -> None:
    newest = VersionBump(newest_after, 4, 5, 6)
    both = Update(touched={IDS[0]: BUMP}).merged(Update(touched={IDS[0]: newest, IDS[1]: newest}))
    assert both.touched == {
        IDS[0]: VersionBump(told_after, 4, 5, 6),
        IDS[1]: newest,
    }


@pytest.mark.parametrize(("most", "fit"), [(2, 2), (1.99, 1), (3, 3), (0.5, 1)])
def test_as_many_rows_as_fit_are_in_one_frame(most: float, fit: int) -> None:
    size = len(row(IDS[0])) + 1
    update = Update({i: row(i) for i in IDS[:3]})
    first, rest = update.split(int(most * size))
    assert list(first.rows) == IDS[:fit]
    assert list(rest.rows if rest else []) == IDS[fit:3]
    assert update.split(1) == (first, rest), "all pages of a subscription share it"
