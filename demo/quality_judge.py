"""The quality judge reads graders' sessions, marks each essay again, and compares."""

from typing import Any

from agent_sessions import SessionManager
from demo import essays, grading
from demo.agent_process import main
from demo.desk import Desk, Work
from demo.surroundings import Surroundings

AGENT_TYPE = "quality-judge"
MODEL = "zweitkorrektur-1"


async def check_grades(work: Work) -> None:
    year = essays.school_year(work.context["class"])
    stored = await _stored_grades(work)
    for session_id, essay, given in stored[len(work.context["checked"]) :]:
        text = essays.read(essay)
        for _ in essays.portions(text, size=60)[:12]:
            await work.step()
        finding = _compare(essay, given, grading.mark(text, year))
        work.context["checked"].append(finding)
        work.context["progress"] = {"done": len(work.context["checked"]), "of": len(stored)}
        await work.checkpoint("grade_checked", {"session": session_id, **finding})
    await work.complete(_result(work.context))


async def _stored_grades(work: Work) -> list[tuple[str, str, dict[str, Any]]]:
    """In a fixed order, so that an index stays valid after a restart."""
    found: list[tuple[str, str, dict[str, Any]]] = []
    for session_id in work.context["sessions"]:
        session = await work.look_up(session_id)
        grades = session.context.get("grades", {}) if session else {}
        found += [(session_id, essay, grades[essay]) for essay in sorted(grades)]
    return found


def _compare(essay: str, given: dict[str, Any], again: grading.Mark) -> dict[str, Any]:
    return {
        "essay": essay,
        "stored": given.get("grade"),
        "recomputed": again.grade,
        "agrees": given.get("grade") == again.grade,
        "borderline": grading.is_borderline(again.points),
    }


def _result(context: dict[str, Any]) -> dict[str, Any]:
    checked = context["checked"]
    return {
        "class": context["class"],
        "checked": len(checked),
        "disagreements": [one["essay"] for one in checked if not one["agrees"]],
        "borderline": [one["essay"] for one in checked if one["borderline"]],
    }


async def open_desk(manager: SessionManager, around: Surroundings) -> Desk:
    return Desk(manager, around, AGENT_TYPE, check_grades)


if __name__ == "__main__":
    main(open_desk)
