"""The order of writing to pages: changes before heartbeats, fairness, merged frames."""

from __future__ import annotations

import asyncio
from typing import Any

from sessions_app.live.hub import Hub
from sessions_app.live.push.outbox import Outbox
from sessions_app.live.sockets.frames import Update, row_fragment
from sessions_app.live.sockets.send_scheduler import CHANGES, FEW_CHANGES, OTHERS
from sessions_app.live.state.subscriptions import SubscriptionKey
from sessions_app.selectors.filters import ListFilter
from tests.support.access import FULL

from .screen import Screen

A, B = "a", "b"
CHANGE = Update({A: row_fragment(A, 2, "<tr>") + "true}"})
BEATS = Update(beats={B: 7})


def told(screen: Screen, parts: Update) -> None:
    screen.socket.push(parts)


async def a_turn() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def settled(*screens: Screen) -> None:
    for screen in screens:
        await screen.settled()


async def test_a_change_overtakes_the_beats_that_wait(hub_without_ears: Hub) -> None:
    screens = [Screen(hub_without_ears) for _ in range(10 * OTHERS)]
    for screen in screens:
        told(screen, BEATS)
    await asyncio.sleep(0)
    told(screens[-1], CHANGE)
    await a_turn()
    assert [frame.keys() & {"rows", "beats"} for frame in screens[-1].frames] == [{"rows", "beats"}]
    assert not screens[-2].frames
    await settled(*screens)
    assert [len(screen.frames) for screen in screens] == [1] * len(screens)


async def test_beats_get_some_of_every_turn(hub_without_ears: Hub) -> None:
    changing = [Screen(hub_without_ears) for _ in range(3 * CHANGES)]
    beating = Screen(hub_without_ears)
    for screen in changing:
        told(screen, CHANGE)
    told(beating, BEATS)
    await asyncio.sleep(0)
    assert beating.beats == {B: 7} and not changing[-1].frames
    await settled(*changing)
    assert all(screen.rows.keys() == {A} for screen in changing)


async def test_a_thousand_answers_to_hellos_delay_no_change(hub_without_ears: Hub) -> None:
    returning = [Screen(hub_without_ears) for _ in range(3 * CHANGES)]
    for screen in returning:
        screen.socket.hello_seq = 1
        told(screen, CHANGE)
    changing = Screen(hub_without_ears)
    told(changing, CHANGE)
    await asyncio.sleep(0)
    assert changing.rows and not returning[-1].frames
    await settled(*returning)
    assert all(screen.frames[-1]["hello"] == 1 for screen in returning)


async def test_changes_sent_returns_when_every_page_has_its_change(hub_without_ears: Hub) -> None:
    screens = [Screen(hub_without_ears) for _ in range(3 * CHANGES)]
    for screen in screens:
        told(screen, CHANGE)
    await hub_without_ears.scheduler.changes_sent()
    assert all(screen.rows for screen in screens)


async def test_where_few_wait_the_first_frames_leave_before_the_next_are_written(
    hub_without_ears: Hub,
) -> None:
    screens = [Screen(hub_without_ears) for _ in range(2 * FEW_CHANGES)]
    for screen in screens:
        told(screen, CHANGE)
    for rounds in range(2):  # of the loop: the server sends in the second
        await asyncio.sleep(0)
        assert sum(bool(screen.rows) for screen in screens) == FEW_CHANGES, rounds
    await settled(*screens)
    assert all(screen.rows for screen in screens)


async def test_no_page_is_always_told_last_of_a_change(hub_without_ears: Hub) -> None:
    order: list[Screen] = []

    class Noted(Screen):
        async def _send(self, message: dict[str, Any]) -> None:
            order.append(self)
            await super()._send(message)

    screens = [Noted(hub_without_ears) for _ in range(3)]
    key, every = (
        SubscriptionKey("list", "", "de", frozenset({A}), FULL),
        ListFilter.from_query("", FULL),
    )
    for screen in screens:
        subscription = hub_without_ears.subscriptions.subscribe(screen.socket, key, every)
    for _ in range(100):
        news = Outbox()
        news.of(subscription).rows |= CHANGE.rows
        await news.flush_changes_first(hub_without_ears.scheduler.changes_sent)
        await settled(*screens)
    assert len(order) == 300 and set(order[2::3]) == set(screens)


async def test_a_crowd_is_written_in_few_turns_to_its_end_and_few_after_it_are_few(
    hub_without_ears: Hub,
) -> None:
    crowd = [Screen(hub_without_ears) for _ in range(CHANGES + 3 * FEW_CHANGES)]
    for screen in crowd:
        told(screen, CHANGE)
    for written in (CHANGES, len(crowd)):
        await asyncio.sleep(0)
        assert sum(bool(screen.rows) for screen in crowd) == written
    await settled(*crowd)
    few = crowd[: 2 * FEW_CHANGES]
    for screen in few:
        told(screen, CHANGE)
    await asyncio.sleep(0)
    assert sum(len(screen.frames) == 2 for screen in few) == FEW_CHANGES
