"""From measures to a proposed grade. Deterministic, so that the quality judge can recompute it."""

from dataclasses import dataclass
from typing import Any

from demo import readability, spelling

# Points out of 100, best first: the usual German scale with + and -.
SCALE = (
    (95, "1"),
    (90, "1-"),
    (85, "2+"),
    (80, "2"),
    (75, "2-"),
    (70, "3+"),
    (65, "3"),
    (60, "3-"),
    (55, "4+"),
    (50, "4"),
    (45, "4-"),
    (36, "5+"),
    (27, "5"),
    (20, "5-"),
    (0, "6"),
)
BORDERLINE_POINTS = 1.0


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a text of a school year is expected to reach."""

    words: int
    lix: float
    connectives_per_sentence: float


@dataclass(frozen=True, slots=True)
class Mark:
    grade: str
    points: float
    measures: dict[str, float]
    slips: list[str]

    def to_dict(self) -> dict[str, Any]:
        return {
            "grade": self.grade,
            "points": self.points,
            "measures": self.measures,
            "slips": self.slips,
        }


def expectation(school_year: int) -> Expectation:
    return Expectation(
        words=80 + 8 * school_year,
        lix=22 + 2.4 * school_year,
        connectives_per_sentence=0.40 + 0.03 * school_year,
    )


def grade_for(points: float) -> str:
    return next(grade for limit, grade in SCALE if points >= limit)


def is_borderline(points: float) -> bool:
    """Whether the points are less than BORDERLINE_POINTS away from a limit between two grades."""
    return any(abs(points - limit) < BORDERLINE_POINTS for limit, _ in SCALE if limit)


def mark(text: str, school_year: int) -> Mark:
    measures = readability.measure(text)
    found = spelling.check(text)
    points = round(_points(measures, spelling.errors_per_hundred_words(text), school_year), 1)
    return Mark(
        grade=grade_for(points),
        points=points,
        measures=measures.rounded(),
        slips=[f"{slip.rule}: {slip.found} → {slip.expected}" for slip in found[:10]],
    )


def _points(measures: readability.Measures, error_rate: float, school_year: int) -> float:
    wanted = expectation(school_year)
    length = min(1.0, measures.words / wanted.words)
    level = min(1.0, measures.lix / wanted.lix)
    linking = min(1.0, measures.connectives_per_sentence / wanted.connectives_per_sentence)
    vocabulary = _between(measures.type_token_ratio, 0.65, 0.95)
    variety = min(1.0, measures.sentence_length_spread / 7)
    monotony = measures.repeated_openings / measures.sentences
    correctness = max(0.0, 1 - error_rate / 9)
    total = (
        10 * length + 22 * level + 14 * linking + 14 * vocabulary + 12 * variety + 28 * correctness
    )
    return max(0.0, total - 15 * monotony)


def _between(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
