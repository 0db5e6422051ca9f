"""Who is written to next: changes overtake beats, nobody starves, and what waits together is one frame."""

from __future__ import annotations

import asyncio

from sessions_app.feed.courier import CHANGES, OTHERS
from sessions_app.feed.hub import Hub
from sessions_app.feed.parts import Parts, row_fragment

from .screen import Screen

A, B = "a", "b"
CHANGE = Parts({A: row_fragment(A, 2, "<tr>") + "true}"})
BEATS = Parts(beats={B: 7})


def told(screen: Screen, parts: Parts) -> None:
    screen.socket.offer(parts)
    screen.socket.wake()


async def settled(*screens: Screen) -> None:
    for screen in screens:
        await screen.settled()


async def test_a_change_overtakes_the_beats_that_wait(hub_without_ears: Hub) -> None:
    screens = [Screen(hub_without_ears) for _ in range(10 * OTHERS)]
    for screen in screens:
        told(screen, BEATS)
    await asyncio.sleep(0)
    told(screens[-1], CHANGE)
    await asyncio.sleep(0)
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


async def test_who_waits_for_changes_is_waited_for(hub_without_ears: Hub) -> None:
    screens = [Screen(hub_without_ears) for _ in range(3 * CHANGES)]
    for screen in screens:
        told(screen, CHANGE)
    await hub_without_ears.courier.told()
    assert all(screen.rows for screen in screens)
