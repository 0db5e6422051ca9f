"""A small file system that fills up; without the right to mount one, a limit on file sizes."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from tools.chaos.agent_processes import Crew
from tools.chaos.world import World

SIZE = "400m"
CHUNK = b"\0" * 65536
USE_LOG = "SELECT pg_logical_emit_message(true, 'chaos', 'x'), pg_switch_wal()"


@contextmanager
def small_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="chaos-disk-"))
    mounted = os.geteuid() == 0 and _mount(folder)
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=False)  # noqa: S607
        shutil.rmtree(folder, ignore_errors=True)  # the world in it removes its files, too


def _mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=711", "tmpfs", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def is_small(world: World) -> bool:
    return os.path.ismount(world.folder)


def how(world: World) -> str:
    if is_small(world):
        return f"tmpfs of {SIZE}"
    return (
        "no right to mount a small disk, so none was full: the running PostgreSQL"
        " could write no file, the one that was started after it could"
    )


def fill(world: World, _crew: Crew) -> None:
    if not is_small(world):
        return _forbid_writing(world)
    with (world.folder / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(CHUNK):
            pass
    _use_up_the_log(world)
    return None


def _use_up_the_log(world: World) -> None:
    """Fills the disk with WAL: PostgreSQL ends if it cannot create the next segment."""
    with suppress(psycopg.Error):
        for _ in range(100):
            world.sql(USE_LOG)


def empty(world: World, _crew: Crew) -> None:
    if is_small(world):
        (world.folder / "ballast").unlink()
    else:
        _limit(world, resource.RLIM_INFINITY)


def _forbid_writing(world: World) -> None:
    """Raises if the limit has no effect, because the drill would then prove nothing."""
    _limit(world, 0)
    try:
        world.sql(USE_LOG)
    except psycopg.Error:
        return
    raise RuntimeError(
        "not tried: a small disk needs root, and a limit on what PostgreSQL may write had no effect"
    )


def _limit(world: World, most: int) -> None:
    for one in world.database_processes():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            _, hard = one.rlimit(psutil.RLIMIT_FSIZE)
            one.rlimit(psutil.RLIMIT_FSIZE, (most, hard))
