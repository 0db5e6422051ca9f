"""Tutors hold a quiz: ask, judge the answer, give a hint, and ask again or continue."""

import random
from typing import Any

from agent_sessions import AgentSession, SessionManager
from demo import dialogue, quiz
from demo.agent_process import main
from demo.desk import Desk, Rota, Work
from demo.quiz.pupil import Pupil
from demo.surroundings import Surroundings

AGENT_TYPE = "tutor"
MODEL = "quiz-tutor-3"
PLACES = 3
TURNS_KEPT = 20
QUESTIONS_A_LESSON = 15
ATTEMPTS = 2

PUPILS = (
    ("Mia Hoffmann", "mia.hoffmann@gs-nord.example", 0.85),
    ("Jonas Weber", "jonas.weber@gs-nord.example", 0.55),
    ("Can Aydın", "can.aydin@gs-nord.example", 0.7),
    ("Lea Petersen", "lea.petersen@gs-nord.example", 0.45),
    ("Amira Khalil", "amira.khalil@rs-hafen.example", 0.8),
    ("Leon Dietrich", "leon.dietrich@rs-hafen.example", 0.4),
    ("Johanna Ebert", "johanna.ebert@rs-hafen.example", 0.9),
    ("Finn Hartmann", "finn.hartmann@gym-west.example", 0.6),
    ("Aylin Bozkurt", "aylin.bozkurt@gym-west.example", 0.75),
    ("David Zimmermann", "david.zimmermann@gym-west.example", 0.65),
)


class Lesson:
    """The questions of one session and its pupil, the same after every restart."""

    def __init__(self, session_id: str, context: dict[str, Any]) -> None:
        chance = random.Random(session_id)  # noqa: S311 - the order of questions, no secret
        bank = quiz.load(context["subject"])
        self.questions = chance.sample(bank, min(QUESTIONS_A_LESSON, len(bank)))
        self.pupil = Pupil(context["pupil"], context["skill"], session_id)
        self.context = context

    @property
    def current(self) -> quiz.Question | None:
        position = self.context["position"]
        return self.questions[position] if position < len(self.questions) else None

    def take_turn(self, question: quiz.Question) -> dict[str, Any]:
        """One turn: the pupil answers, the tutor judges, the context is updated."""
        attempt = self.context["attempt"]
        answer = self.pupil.answer(question, attempt)
        verdict = quiz.check(question, answer)
        turn = {
            "question": question.text,
            "answer": answer,
            "verdict": verdict.value,
            "attempt": attempt,
            "reply": reply(question, verdict, attempt),
        }
        self._move_on(verdict, attempt, turn)
        return turn

    def _move_on(self, verdict: quiz.Verdict, attempt: int, turn: dict[str, Any]) -> None:
        context = self.context
        context["turns"] = [*context["turns"], turn][-TURNS_KEPT:]
        done = verdict is not quiz.Verdict.WRONG or attempt >= ATTEMPTS
        if done:
            context["score"][verdict.value] += 1
        context["position"] += done
        context["attempt"] = 1 if done else attempt + 1
        context["progress"] = {"done": context["position"], "of": len(self.questions)}


def reply(question: quiz.Question, verdict: quiz.Verdict, attempt: int) -> str:
    if verdict is quiz.Verdict.RIGHT:
        return "Richtig!" if attempt == 1 else "Genau, jetzt stimmt es."
    if verdict is quiz.Verdict.NEARLY:
        return f"Fast! Achte auf die Schreibung: {question.answers[0]}."
    if attempt < ATTEMPTS:
        return f"Noch nicht ganz. Ein Hinweis: {question.hint}"
    return f"Leider nein. Richtig ist: {question.answers[0]}."


async def hold_quiz(work: Work) -> None:
    while (question := Lesson(work.session_id, work.context).current) is not None:
        for _ in range(5):  # the steps of a turn, each a safe point
            await work.step()
        turn = Lesson(work.session_id, work.context).take_turn(question)
        await dialogue.remember(work.session_id, turn, work.context["subject"])
        await work.checkpoint("turn_answered", turn)
    await work.complete({"score": work.context["score"], "subject": work.context["subject"]})


def first_context(chance: random.Random) -> tuple[str, dict[str, Any]]:
    name, user, skill = chance.choice(PUPILS)
    return user, {
        "subject": chance.choice(quiz.subjects()),
        "pupil": name,
        "skill": skill,
        "position": 0,
        "attempt": 1,
        "turns": [],
        "score": {verdict.value: 0 for verdict in quiz.Verdict},
        "progress": {"done": 0, "of": QUESTIONS_A_LESSON},
    }


async def open_desk(manager: SessionManager, around: Surroundings) -> Desk:
    await dialogue.open_book(around.valkey_url)

    async def begin() -> AgentSession:
        user, context = first_context(around.pace.chance)
        return await manager.create_session(AGENT_TYPE, user, context, around.metadata(MODEL))

    return Rota(manager, around, AGENT_TYPE, hold_quiz, begin, places=PLACES, rest=(10.0, 30.0))


if __name__ == "__main__":
    main(open_desk)
