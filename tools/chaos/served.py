"""An installation as `make run` starts it: servers and daphne under one supervisor, which is on its own."""

from __future__ import annotations

import sys

import psutil

from dashboard.embedded import process
from dashboard.environment import BASE_DIR
from tools.chaos.world import World


class ServedWorld(World):
    """Nobody but the supervisor starts anything again."""

    def start_web(self) -> None:
        """The database is prepared; from here on the supervisor has the servers."""
        self.stop_valkey()
        self.stop_postgres()
        given = {
            name: value
            for name, value in self.environment.items()
            if name not in ("DATABASE_URL", "VALKEY_URL")
        }
        self.web = process.start(
            "the supervisor",
            [sys.executable, "-m", "dashboard.devserver"],
            log=self.folder / "daphne.log",
            cwd=BASE_DIR,
            env={**given, "DEMO": "0", "PORT": str(self.port)},
            patience=30,
        )
        self._wait_until_served()

    def database_processes(self) -> list[psutil.Process]:
        if self.web is None:
            return []
        children = psutil.Process(self.web.process.pid).children(recursive=True)
        return [child for child in children if "postgres" in child.name()]
