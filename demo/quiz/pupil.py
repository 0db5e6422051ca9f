"""A simulated pupil: knows some answers, makes the usual mistakes, learns from hints, mistypes.

Reproducible: the same pupil in the same lesson gives the same answers.
"""

import random
from dataclasses import dataclass

from demo.quiz.bank import Question

PHRASES = ("{}", "{}", "{}.", "Ich glaube, {}", "Das ist {}", "{}!", "Also, {}")


@dataclass(frozen=True, slots=True)
class Pupil:
    name: str
    skill: float
    lesson: str

    def answer(self, question: Question, attempt: int) -> str:
        """The answer to a question. After a hint it is more likely to be right."""
        chance = random.Random(f"{self.lesson}/{self.name}/{question.text}/{attempt}")  # noqa: S311 - a pupil, no secret
        knows = chance.random() < self.skill + 0.25 * (attempt - 1)
        said = chance.choice(question.answers if knows else question.mistakes)
        if knows and len(said) > 7 and chance.random() < 0.15:
            said = _mistype(said, chance)
        return chance.choice(PHRASES).format(said)


def _mistype(word: str, chance: random.Random) -> str:
    at = chance.randrange(len(word) // 2, len(word) - 1)
    return word[:at] + word[at + 1 :]
