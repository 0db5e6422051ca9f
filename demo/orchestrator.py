"""The orchestrator assigns essays to graders, waits for them, and starts a quality check."""

import asyncio
import os
from collections import Counter
from typing import Any

from agent_sessions import AgentSession, SessionManager, SessionState
from demo import essays, grader, quality_judge
from demo.agent_process import main
from demo.desk import Desk, Rota, Work
from demo.patience import patiently
from demo.surroundings import Surroundings

AGENT_TYPE = "orchestrator"
MODEL = "verteiler-1"
PLACES = 3
ESSAYS_A_GRADER = 4
PATIENCE_SECONDS = 480.0
ENDED = (SessionState.COMPLETED, SessionState.FAILED, SessionState.DELETED)


def crew(kind: str) -> list[str]:
    """Names of the workers: DEMO_GRADERS=3 means grader-1, grader-2, grader-3."""
    count = int(os.environ.get(f"DEMO_{kind.upper()}S") or 1)
    return [f"{kind}-{number}" for number in range(1, count + 1)]


async def hand_out(work: Work) -> None:
    school_class = essays.classes()[work.context["class"]]
    for share in work.context["shares"][len(work.context["assigned"]) :]:
        await work.step()
        session = await _assign(work, school_class, share)
        work.context["assigned"].append({"session": session.session_id, "essays": share})
        await work.checkpoint(
            "essays_assigned",
            {"essays": share, "session": session.session_id, "worker": session.metadata["worker"]},
        )
    await _wait_for_grades(work)
    if work.context["returned"] and "judged_by" not in work.context:
        await _order_second_look(work, school_class)
    await work.complete(_result(work.context))


async def _assign(work: Work, school_class: essays.SchoolClass, share: list[str]) -> AgentSession:
    context = {
        "class": school_class.name,
        "subject": school_class.subject,
        "task": school_class.task,
        "essays": share,
        "grades": {},
        "progress": {"done": 0, "of": len(share), "next": share[0]},
        "assigned_by": work.session_id,
    }
    worker = await _least_busy(work.manager)
    metadata = {"worker": worker, "model": grader.MODEL}
    return await patiently(
        "assigning",
        lambda: work.manager.create_session(
            grader.AGENT_TYPE, school_class.teacher, context, metadata
        ),
    )


async def _least_busy(manager: SessionManager) -> str:
    sessions = await patiently("counting", lambda: manager.get_active_sessions(grader.AGENT_TYPE))
    load = Counter(session.metadata.get("worker") for session in sessions)
    return min(crew("grader"), key=lambda name: load[name])


async def _wait_for_grades(work: Work) -> None:
    """Waits until every grader's session has ended, or none has for too long."""
    loop = asyncio.get_running_loop()
    patience = PATIENCE_SECONDS * max(0.1, work.around.pace.factor)
    last_news = loop.time()
    while (missing := _missing(work.context)) and loop.time() < last_news + patience:
        await work.step()
        for session_id in missing:
            session = await work.look_up(session_id)
            if session is None or session.state in ENDED:
                await _take_back(work, session_id, session)
                last_news = loop.time()


def _returned(context: dict[str, Any]) -> list[str]:
    """In the order of assignment, because jsonb does not keep the order of keys."""
    assigned = (one["session"] for one in context["assigned"])
    return [session for session in assigned if session in context["returned"]]


def _missing(context: dict[str, Any]) -> list[str]:
    assigned = (one["session"] for one in context["assigned"])
    return [session for session in assigned if session not in context["returned"]]


async def _take_back(work: Work, session_id: str, session: AgentSession | None) -> None:
    state = session.state.value if session else SessionState.DELETED.value
    grades = session.context.get("grades", {}) if session else {}
    work.context["returned"][session_id] = state
    work.context["grades"].update({essay: mark["grade"] for essay, mark in grades.items()})
    await work.checkpoint(
        "essays_returned", {"session": session_id, "state": state, "essays": len(grades)}
    )


async def _order_second_look(work: Work, school_class: essays.SchoolClass) -> None:
    context = {
        "class": school_class.name,
        "subject": school_class.subject,
        "sessions": _returned(work.context),
        "checked": [],
        "ordered_by": work.session_id,
    }
    metadata = {"worker": crew("judge")[0], "model": quality_judge.MODEL}
    session = await patiently(
        "ordering a second look",
        lambda: work.manager.create_session(
            quality_judge.AGENT_TYPE, "qualitaet@schulamt-nord.example", context, metadata
        ),
    )
    work.context["judged_by"] = session.session_id
    await work.checkpoint("second_look_ordered", {"session": session.session_id})


def _result(context: dict[str, Any]) -> dict[str, Any]:
    return {
        "class": context["class"],
        "graded": len(context["grades"]),
        "of": len(context["essays"]),
        "not_returned": _missing(context),
        "by_state": dict(Counter(context["returned"].values())),
    }


class Office:
    """Chooses the class that waited longest and has no open session."""

    def __init__(self, manager: SessionManager, around: Surroundings) -> None:
        self.manager = manager
        self.around = around
        self.queue = list(essays.classes())
        around.pace.chance.shuffle(self.queue)
        # The smallest class first: it is finished and checked soonest.
        self.queue.sort(key=lambda name: len(essays.classes()[name].essays))

    async def begin(self) -> AgentSession | None:
        busy = await self._busy()
        name = next((name for name in self.queue if name not in busy), None)
        if name is None:
            return None
        session = await self._open(essays.classes()[name])
        self.queue.remove(name)
        self.queue.append(name)
        return session

    async def _busy(self) -> set[str]:
        graders = await self.manager.get_active_sessions(grader.AGENT_TYPE)
        offices = await self.manager.get_active_sessions(AGENT_TYPE)
        return {str(session.context.get("class")) for session in [*graders, *offices]}

    async def _open(self, school_class: essays.SchoolClass) -> AgentSession:
        everything = list(school_class.essays)
        parts = -(-len(everything) // ESSAYS_A_GRADER)
        context = {
            "class": school_class.name,
            "subject": school_class.subject,
            "task": school_class.task,
            "essays": everything,
            "shares": essays.shares(everything, parts),
            "assigned": [],
            "returned": {},
            "grades": {},
        }
        return await self.manager.create_session(
            AGENT_TYPE, school_class.head, context, self.around.metadata(MODEL)
        )


async def open_desk(manager: SessionManager, around: Surroundings) -> Desk:
    office = Office(manager, around)
    return Rota(
        manager, around, AGENT_TYPE, hand_out, office.begin, places=PLACES, rest=(10.0, 25.0)
    )


if __name__ == "__main__":
    main(open_desk)
