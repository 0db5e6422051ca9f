"""The dashboard as `make run` starts it: servers and daphne under one supervisor."""

from __future__ import annotations

import psutil

from tests.support.dashboard import EVERYTHING
from tools.chaos.world import World


class ServedWorld(World):
    """A world in which only the supervisor restarts processes."""

    def start_web(self) -> None:
        """Starts the supervisor, which takes over the servers."""
        self.stop_valkey()
        self.stop_postgres()
        own = {"DATABASE_URL": "", "VALKEY_URL": "", "DEMO": "0", "PORT": str(self.port)}
        self.web = self._served(EVERYTHING, {**self.environment, **own}, patience=30)

    def database_processes(self) -> list[psutil.Process]:
        if self.web is None:
            return []
        children = psutil.Process(self.web.process.pid).children(recursive=True)
        return [child for child in children if "postgres" in child.name()]
