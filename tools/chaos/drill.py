"""One fault while agents write, pages are open and an administrator gives orders."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from tools.chaos import verification
from tools.chaos.agent_processes import Crew
from tools.chaos.fault import Act, Fault
from tools.chaos.healthz_log import HealthzLog
from tools.chaos.http_client import Visitor
from tools.chaos.verification import VisibleVersions, Window, Writes
from tools.chaos.websocket_client import ClaimingPage
from tools.chaos.world import World

PAGES = 3
START = 40.0
NEVER = float("inf")


@dataclass
class DrillResult:
    fault: str
    seconds: float
    writes: Writes
    wrong: list[str]
    recovery: float
    at_most: float
    raised: dict[str, int]
    said: list[str]
    answers: Counter[str]
    problems: list[str] = field(default_factory=list)
    note: str = ""

    @classmethod
    def of_no_drill(cls, fault: Fault, problem: str) -> DrillResult:
        """A drill that could not be finished, and proves nothing."""
        unknown = Writes(0, 0, 0, 0)
        return cls(fault.name, 0, unknown, [], NEVER, 0, {}, [], Counter(), [problem])

    @property
    def holds(self) -> bool:
        fine = not (self.writes.lost or self.writes.twice or self.wrong or self.problems)
        return fine and self.recovery <= self.at_most


@dataclass(frozen=True)
class Moments:
    """When the fault and its end began, when each was complete, and when all had recovered."""

    began: float
    gone: float
    returns: float
    over: float
    right: float


async def until(condition: Callable[[], bool], seconds: float) -> float:
    """The time at which the condition became true; NEVER if it took longer."""
    deadline = time.time() + seconds
    while not condition():
        if time.time() > deadline:
            return NEVER
        await asyncio.sleep(0.05)
    return time.time()


class Drill:
    def __init__(self, world: World, fault: Fault) -> None:
        self.world, self.fault = world, fault
        self.visitor = Visitor(world.address)
        self.pages: list[ClaimingPage] = []
        self.answers: Counter[str] = Counter()
        self.problems: list[str] = []
        self._looks: list[tuple[float, int]] = []
        self._health = HealthzLog(self.visitor)

    async def run(self) -> DrillResult:
        await asyncio.to_thread(self.visitor.log_in)
        self.world.lost = None
        self.crew = await Crew.hired(self.world, self.fault.steady, self.fault.ordered)
        try:
            async with AsyncExitStack() as stack:
                for _ in range(PAGES):
                    page = ClaimingPage(
                        self.world.address, self.visitor.cookie, self.crew.session_ids
                    )
                    self.pages.append(await stack.enter_async_context(page))
                return await self._run()
        finally:
            await asyncio.to_thread(self.crew.stop)

    async def _run(self) -> DrillResult:
        await self._everybody_works()
        forms = {
            agent.session_id: await asyncio.to_thread(self.visitor.form, agent.session_id, "pauses")
            for agent in self.crew.ordered
        }
        looking = [asyncio.create_task(look) for look in (self._look(), self._health.look())]
        moments = await self._go_wrong(forms)
        await asyncio.sleep(1)  # the recovered state must last
        said = " → ".join(self.pages[0].said(moments.began, moments.right + 0.3))
        resumed_at = await self._resume()
        self.problems += await asyncio.to_thread(self.fault.last, self.world, self.crew)
        for look in looking:
            look.cancel()
        await asyncio.to_thread(self.crew.stop)
        await self._judge(forms, moments)
        return self._result(moments, said, resumed_at)

    async def _go_wrong(self, forms: dict[str, dict[str, str]]) -> Moments:
        """Causes the fault, gives orders during it, and ends it; returns after the recovery."""
        began = time.time()
        await self._by_hand(self.fault.begin)
        gone = time.time()
        ordering = asyncio.gather(*(self._order(i, "pauses", form) for i, form in forms.items()))
        await asyncio.sleep(self.fault.seconds)
        returns = time.time()
        await self._by_hand(self.fault.end)
        over = time.time()
        right = await self._everything_is_right(over)
        await ordering
        return Moments(began, gone, returns, over, right)

    async def _by_hand(self, act: Act) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.world.hands, act, self.world, self.crew)

    async def _everybody_works(self) -> None:
        def ready() -> bool:
            working = all(len(agent.entries("stored")) > 4 for agent in self.crew.agents)
            return working and all(page.state == "live" for page in self.pages)

        if await until(ready, START) == NEVER:
            raise RuntimeError(f"{self.fault.name}: the drill could not begin")

    async def _order(self, session_id: str, noun: str, form: dict[str, str]) -> None:
        """Repeats the same request until it is accepted, as a person would."""
        while True:
            answer = await asyncio.to_thread(self.visitor.order, session_id, noun, form)
            self.answers[f"order {answer.status or 'unanswered'}"] += 1
            if answer.status == 200:
                return
            await asyncio.sleep(0.4)

    async def _look(self) -> None:
        while True:
            answer = await asyncio.to_thread(self.visitor.get, "/")
            self._looks.append((time.time(), answer.status))
            self.answers[f"page {answer.status or 'unanswered'}"] += 1
            await asyncio.sleep(0.25)

    async def _everything_is_right(self, over: float) -> float:
        """The time at which agents write, pages follow, the list opens, /healthz is well and orders are confirmed."""
        paused = {agent.session_id for agent in self.crew.ordered}
        conditions: list[Awaitable[float]] = [
            *(until(lambda a=agent: a.stored_after(over), 60) for agent in self.crew.steady),  # type: ignore[misc]
            *(until(lambda p=page: paused <= p.shown.confirmed_paused, 60) for page in self.pages),  # type: ignore[misc]
            self._pages_follow(over),
            until(lambda: any(at > over and status == 200 for at, status in self._looks), 60),
            until(lambda: self._health.is_well(over), 60),
        ]  # fmt: skip
        return max(await asyncio.gather(*conditions))

    async def _pages_follow(self, over: float) -> float:
        """The time at which every page is live and shows at least what was stored at the end of the fault."""
        wanted: dict[str, int] = {}

        def read() -> bool:
            try:
                wanted.update(self._versions())
            except Exception:
                return False
            return True

        def follow() -> bool:
            return all(
                page.state == "live" and all(page.shown.versions[i] >= v for i, v in wanted.items())
                for page in self.pages
            )

        return NEVER if await until(read, 30) == NEVER else await until(follow, 60)

    def _versions(self) -> dict[str, int]:
        rows = self.world.sql(
            "SELECT id::text, version FROM agent_sessions WHERE id = ANY(%s::uuid[])",
            self.crew.session_ids,
        )
        return {str(session_id): int(str(version)) for session_id, version in rows}

    def _pages_equal_database(self) -> bool:
        versions = self._versions()
        return all(page.shown.versions == versions for page in self.pages)

    async def _resume(self) -> float:
        """Resumes the paused agents: the fault must have left nothing in their processes."""
        resumed_at = time.time()
        for agent in self.crew.ordered:
            form = await asyncio.to_thread(self.visitor.form, agent.session_id, "resumes")
            await self._order(agent.session_id, "resumes", form)
        for agent in self.crew.ordered:
            if await until(lambda a=agent: a.stored_after(resumed_at), 15) == NEVER:  # type: ignore[misc]
                self._complain(f"the paused agent ({agent.kind}) did not go on after its resume")
        return resumed_at

    def _complain(self, words: str) -> None:
        self.problems.append(words)

    async def _judge(self, forms: dict[str, dict[str, str]], moments: Moments) -> None:
        if await until(self._pages_equal_database, 10) == NEVER:
            self._complain("a page stayed behind")
        for session_id, form in forms.items():
            if (n := verification.effects(self.world, session_id, form["request_id"])) != 1:
                self._complain(f"the order had {n} effects")
        if n := verification.unexplained(self.world, self.crew):
            self._complain(f"the history does not explain {n} sessions")
        self.problems += await asyncio.to_thread(verification.wrong_copies, self.world, self.crew)
        self.problems += self.fault.judge(self.world, self.crew)
        self.problems += self._health.wrong(self.fault.unwell, moments.gone, moments.returns)

    def _result(self, moments: Moments, said: str, resumed_at: float) -> DrillResult:
        timeline = VisibleVersions.of(self.world, self.crew)
        restored_at = self.world.lost[1] if self.world.lost else 0.0
        away = Window(self.fault.away, moments.gone, moments.returns, self.fault.grace, restored_at)
        wrong = [
            words
            for page in self.pages
            for words in verification.wrong_claims(page, timeline, away, self.crew, resumed_at)
        ]
        return DrillResult(
            self.fault.name,
            moments.over - moments.began,
            verification.writes(self.world, self.crew),
            wrong,
            moments.right - moments.over,
            self.fault.at_most,
            self.crew.errors(),
            [said],
            self.answers,
            self.problems,
            self.fault.note(self.world),
        )
