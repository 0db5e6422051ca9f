"""A dashboard of its own to take pictures of, and a crowd of sessions where many are needed."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent_sessions import SessionManager
from dashboard.embedded import postgres, valkey
from tests.support.dashboard import free_port

ROOT = Path(__file__).resolve().parents[2]
CROWD = 1_500


@dataclass(frozen=True)
class Served:
    address: str
    password: str
    data_dir: Path

    async def add_crowd(self) -> None:
        """More sessions than one order reaches in a moment: to see a bulk order at work."""
        connected = SessionManager.connect(postgres.url(self.data_dir), valkey.url(self.data_dir))
        async with await connected as manager:
            for first in range(0, CROWD, 500):
                await asyncio.gather(
                    *(
                        manager.create_session("translator", f"klasse-{n}")
                        for n in range(first, first + 500)
                    )
                )


@contextmanager
def dashboard(demo: bool = True) -> Iterator[Served]:
    """The whole dashboard in a folder of its own, as `make run` starts it."""
    port, password = free_port(), secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory(prefix="shots-") as folder:
        Path(folder).chmod(0o711)
        env = {
            **{k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "VALKEY_URL")},
            "DATA_DIR": folder,
            "PORT": str(port),
            "DASHBOARD_ADMIN_PASSWORD": password,
            "DEMO": str(int(demo)),
        }
        served = subprocess.Popen([sys.executable, "-m", "dashboard.devserver"], cwd=ROOT, env=env)
        try:
            wait_for(f"http://127.0.0.1:{port}/healthz", served)
            yield Served(f"http://127.0.0.1:{port}", password, Path(folder))
        finally:
            served.send_signal(signal.SIGINT)
            served.wait(60)


def wait_for(address: str, served: subprocess.Popen[bytes]) -> None:
    for _ in range(120):
        if served.poll() is not None:
            sys.exit("the dashboard did not start; its own message stands above")
        try:
            urllib.request.urlopen(address, timeout=2).close()  # noqa: S310
            return
        except OSError:
            time.sleep(1)
    sys.exit("the dashboard did not answer within two minutes")
