"""Graders mark essays: they measure them, look for mistakes, propose a grade and enter it in the grade book.

The context at a checkpoint says exactly which essays are marked, so a rollback to it or a killed
process repeats only the essays after it.
"""

import asyncio
from typing import Any

from agent_sessions import SessionManager
from demo import essays, gradebook, grading, readability, spelling
from demo.agent_process import main
from demo.desk import Desk, Work
from demo.surroundings import Surroundings

AGENT_TYPE = "grader"
MODEL = "lesbarkeit-de-2"


async def mark_essays(work: Work) -> None:
    todo: list[str] = work.context["essays"]
    _restart(work)
    for essay in todo[len(work.context["grades"]) :]:
        text = essays.read(essay)
        await _read_twice(work, text)
        mark = grading.mark(text, essays.school_year(work.context["class"]))
        _note(work.context, essay, mark)
        await work.checkpoint("essay_marked", {"essay": essay, **mark.to_dict()})
    entries = await _enter(work)
    await work.complete(_result(work.context, entries))


def _restart(work: Work) -> None:
    """Restores progress from the checkpoint's data if the checkpoint has no context."""
    context, again = work.context, work.run.restarted_from
    grades: dict[str, Any] = context.setdefault("grades", {})
    if again is None or again.data.get("essay") not in context["essays"]:
        return
    marked = context["essays"][: context["essays"].index(again.data["essay"]) + 1]
    context["grades"] = {essay: grades[essay] for essay in marked if essay in grades}


async def _read_twice(work: Work, text: str) -> None:
    """Reads for content, then for language, with a safe point after each portion.

    A long text takes long without a checkpoint.
    """
    for portion in essays.portions(text, size=15):
        readability.measure(portion)
        await work.step()
    for portion in essays.portions(text, size=40):
        spelling.check(portion)
        await work.step()


def _note(context: dict[str, Any], essay: str, mark: grading.Mark) -> None:
    context["grades"][essay] = {"grade": mark.grade, "points": mark.points}
    done, of = len(context["grades"]), len(context["essays"])
    context["progress"] = {"done": done, "of": of, "next": (context["essays"][done:] or [None])[0]}
    context["average_points"] = _average(context["grades"])


async def _enter(work: Work) -> int:
    """Enters the grades. Waits while another program holds the lock, which may take long."""
    grades = {essay: mark["grade"] for essay, mark in work.context["grades"].items()}
    return await gradebook.enter(work.around.folder, work.context["class"], grades)


def _average(grades: dict[str, Any]) -> float:
    points = [float(mark["points"]) for mark in grades.values()]
    return round(sum(points) / max(1, len(points)), 1)


def _result(context: dict[str, Any], entries: int) -> dict[str, Any]:
    return {
        "class": context["class"],
        "essays": len(context["grades"]),
        "average_points": _average(context["grades"]),
        "grade_book_entries": entries,
    }


async def open_desk(manager: SessionManager, around: Surroundings) -> Desk:
    await asyncio.to_thread(around.folder.mkdir, parents=True, exist_ok=True)
    return Desk(manager, around, AGENT_TYPE, mark_essays)


if __name__ == "__main__":
    main(open_desk)
