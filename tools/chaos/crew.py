"""The agents of one drill: started, killed, started again, and what their ledgers say."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_sessions import SessionManager
from dashboard.embedded import process
from dashboard.embedded.process import Child
from dashboard.environment import BASE_DIR
from tools.chaos.world import World


@dataclass
class Agent:
    session_id: str
    ledger: Path
    child: Child | None = None

    def start(self, world: World) -> None:
        self.child = process.start(
            "agent",
            [sys.executable, "-m", "tools.chaos.agent", self.session_id, self.ledger],
            log=self.ledger.with_suffix(".log"),
            cwd=BASE_DIR,
            env=world.environment,
            patience=8,
        )

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()

    def entries(self, what: str) -> list[dict[str, Any]]:
        return [entry for entry in read(self.ledger) if entry["what"] == what]

    def stored_after(self, moment: float) -> bool:
        """A write that was begun after this moment and acknowledged."""
        entries = read(self.ledger)  # once: the agent goes on writing into it
        begun = {e["n"] for e in entries if e["what"] == "try" and e["at"] > moment}
        return any(e["what"] == "stored" and e["n"] in begun for e in entries)


def read(ledger: Path) -> list[dict[str, Any]]:
    if not ledger.exists():
        return []
    lines = ledger.read_text("utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines if line]


@dataclass
class Crew:
    """`steady` agents only write; `ordered` is the one an administrator pauses in the middle of it."""

    steady: list[Agent] = field(default_factory=list)
    ordered: list[Agent] = field(default_factory=list)

    @property
    def agents(self) -> list[Agent]:
        return [*self.steady, *self.ordered]

    @property
    def session_ids(self) -> list[str]:
        return [agent.session_id for agent in self.agents]

    @classmethod
    async def hired(cls, world: World, *, steady: int = 2) -> Crew:
        async with await SessionManager.connect(world.direct_url, world.valkey_url) as manager:
            agents = []
            for _ in range(steady + 1):
                session = await manager.create_session("grader", "chaos", {"saves": {}})
                ledger = world.folder / f"{session.session_id}.ledger"
                agents.append(Agent(session.session_id, ledger))
        crew = cls(agents[:steady], agents[steady:])
        for agent in crew.agents:
            agent.start(world)
        return crew

    def stop(self) -> None:
        for agent in self.agents:
            agent.stop()

    def errors(self) -> dict[str, int]:
        """What the agents' calls raised, by its beginning."""
        counted: dict[str, int] = {}
        for agent in self.agents:
            for entry in agent.entries("raised"):
                counted[entry["error"]] = counted.get(entry["error"], 0) + 1
        return counted
