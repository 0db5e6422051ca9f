"""Without a small disk the drill says what was not possible, and claims nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import psycopg
import pytest

from dashboard.embedded.data_folder import prepare
from tools.chaos import disk
from tools.chaos.agent_processes import Crew
from tools.chaos.world import World

NOBODY = cast(Crew, None)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    prepare(world.folder)
    world.start_postgres()
    yield world
    world.stop()


def test_without_a_small_disk_nothing_can_be_written_or_the_drill_says_it_was_none(
    world: World,
) -> None:
    try:
        disk.fill(world, NOBODY)
    except RuntimeError as error:  # the limit has no effect here
        assert str(error).startswith("not tried")
        world.sql("CREATE TABLE more (x int)")
        return
    with pytest.raises(psycopg.Error):
        world.sql("CREATE TABLE more (x int)")
    assert "none was full" in disk.how(world)
    disk.empty(world, NOBODY)
    world.stop_postgres()
    world.start_postgres()
    world.sql("CREATE TABLE more (x int)")


def test_a_limit_without_effect_is_reported(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_limit", lambda *_: None)
    with pytest.raises(RuntimeError, match="not tried: a small disk needs root"):
        disk.fill(world, NOBODY)
