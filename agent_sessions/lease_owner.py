"""The owner of a session: a run of a process, with an id that contains machine and process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakSet

INTERVALS = 3  # of heartbeats: without one for this long an owner loses its lease
SHORTEST = 10.0  # seconds: longer than several flush intervals of heartbeats


@dataclass(frozen=True)
class Lease:
    """A run's right to work on a session, renewed with its heartbeats."""

    owner_id: str
    owner_name: str
    seconds: float
    process: int = field(default_factory=os.getpid, compare=False)
    # Tasks in which the order that ended the work was raised: what they still write is late.
    informed: WeakSet[asyncio.Task[Any]] = field(default_factory=WeakSet, compare=False, repr=False)

    @property
    def owner_of_step(self) -> str | None:
        """The owner, for a write of the current task; None once the order was raised in that task."""
        return None if asyncio.current_task() in self.informed else self.owner_id

    def inform(self) -> None:
        if task := asyncio.current_task():
            self.informed.add(task)

    @property
    def is_copy(self) -> bool:
        """Whether this is a forked child process: the lease belongs to the parent."""
        return os.getpid() != self.process


@dataclass(frozen=True)
class Owner:
    """The owner of a session's lease, and for how many more seconds it holds by the store's clock."""

    state: str
    owner_id: str | None
    owner_name: str | None
    owner_since: datetime | None
    lease_until: datetime | None
    seconds_left: float | None


def new_lease(interval: float) -> Lease:
    pid = os.getpid()
    owner_id = f"{_place()}:{pid}:{_started(pid) or '?'}:{uuid.uuid4().hex}"
    name = f"{socket.gethostname()[:200]}, process {pid}"
    return Lease(owner_id, name, max(INTERVALS * interval, SHORTEST))


def is_dead(owner_id: str) -> bool:
    """True only if the process ran on this machine, since its boot and in this namespace, and has certainly ended."""
    place, pid, started, *_ = [*owner_id.split(":"), "", "", ""]
    if place != _place() or not place or not pid.isdecimal() or started == "?":
        return False
    return _started(int(pid)) != started


@cache
def _place() -> str:
    """Boot id and process namespace, within which a process id is unique. Empty if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return hashlib.sha256(
            f"{boot} {Path('/proc/self/ns/pid').readlink()}".encode()
        ).hexdigest()[:16]
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process began, in ticks since the boot; None if it does not exist or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else fields[19]
