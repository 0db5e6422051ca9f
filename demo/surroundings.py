"""Environment of an agent's process: addresses, seed, speed."""

import asyncio
import os
import platform
import random
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_sessions.keys import NAMESPACE

VERSION = "demo-1.0"


@dataclass(frozen=True, slots=True)
class Pace:
    """The delay that each step adds to its work, so that a person can follow. 0 adds none."""

    factor: float = 1.0
    chance: random.Random = field(default_factory=random.Random)

    def seconds(self, shortest: float, longest: float) -> float:
        return self.factor * self.chance.uniform(shortest, longest)

    async def step(self, shortest: float = 0.5, longest: float = 3.0) -> None:
        await asyncio.sleep(self.seconds(shortest, longest))


@dataclass(frozen=True, slots=True)
class Surroundings:
    worker: str
    database_url: str
    valkey_url: str | None
    namespace: str = NAMESPACE
    pace: Pace = field(default_factory=Pace)
    folder: Path = field(default_factory=lambda: Path(tempfile.gettempdir()) / "agent-demo")
    beat_seconds: float = 10.0

    @classmethod
    def read(cls, worker: str, environ: Mapping[str, str] = os.environ) -> "Surroundings":
        default = Path(tempfile.gettempdir()) / "agent-demo"
        return cls(
            worker=worker,
            database_url=environ["DATABASE_URL"],
            valkey_url=environ.get("VALKEY_URL") or None,
            namespace=environ.get("SESSION_NAMESPACE") or NAMESPACE,
            pace=Pace(float(environ.get("DEMO_PACE") or 1)),
            folder=Path(environ.get("DEMO_DIR") or default),
            beat_seconds=float(environ.get("DEMO_BEAT") or 10),
        )

    def metadata(self, model: str) -> dict[str, Any]:
        return {"worker": self.worker, "model": model, **self.process()}

    def process(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "python": platform.python_version(),
        }
