"""The agents of one drill: their processes and their ledgers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_sessions import SessionManager
from dashboard.embedded import process
from dashboard.embedded.process import Child
from dashboard.environment import BASE_DIR
from tools.chaos.ledger import read
from tools.chaos.world import World


@dataclass
class AgentProcess:
    session_id: str
    ledger: Path
    kind: str = "plain"
    child: Child | None = None
    former: list[Child] = field(default_factory=list)  # processes besides the newest one

    def start(self, world: World, kind: str = "") -> None:
        if self.child is not None and self.child.process.poll() is None:
            self.former.append(self.child)
        self.child = process.start(
            "agent",
            [
                *(sys.executable, "-m", "tools.chaos.agent"),
                *(self.session_id, self.ledger, kind or self.kind),
            ],
            log=self.ledger.with_suffix(".log"),
            cwd=BASE_DIR,
            env=world.environment,
            patience=8,
        )

    @property
    def newest(self) -> int:
        """The pid of the process that was started last."""
        return self.child.process.pid if self.child is not None else 0

    def stop(self) -> None:
        for child in filter(None, [*self.former, self.child]):
            child.stop()

    def entries(self, what: str) -> list[dict[str, Any]]:
        return [entry for entry in read(self.ledger) if entry["what"] == what]

    def stored_after(self, moment: float) -> bool:
        """Whether a write that began after this moment was acknowledged."""
        entries = read(self.ledger)  # read once, because the agent keeps writing
        begun = {e["n"] for e in entries if e["what"] == "try" and e["at"] > moment}
        return any(e["what"] == "stored" and e["n"] in begun for e in entries)


@dataclass
class Crew:
    """`steady` agents only write; `ordered` ones are also paused by an administrator."""

    steady: list[AgentProcess] = field(default_factory=list)
    ordered: list[AgentProcess] = field(default_factory=list)

    @property
    def agents(self) -> list[AgentProcess]:
        return [*self.steady, *self.ordered]

    @property
    def session_ids(self) -> list[str]:
        return [agent.session_id for agent in self.agents]

    @classmethod
    async def hired(cls, world: World, steady: Sequence[str], ordered: Sequence[str]) -> Crew:
        """Creates a session for each kind and starts its agent."""
        async with await SessionManager.connect(world.direct_url, world.valkey_url) as manager:
            agents = []
            for kind in (*steady, *ordered):
                session = await manager.create_session("grader", "chaos", {"saves": {}})
                ledger = world.folder / f"{session.session_id}.ledger"
                agents.append(AgentProcess(session.session_id, ledger, kind))
        crew = cls(agents[: len(steady)], agents[len(steady) :])
        for agent in crew.agents:
            agent.start(world)
        return crew

    def stop(self) -> None:
        for agent in self.agents:
            agent.stop()

    def errors(self) -> dict[str, int]:
        """Counts of the errors that the agents' calls raised."""
        counted: dict[str, int] = {}
        for agent in self.agents:
            for entry in agent.entries("raised"):
                counted[entry["error"]] = counted.get(entry["error"], 0) + 1
        return counted
