"""The question bank, the answer checker and the simulated pupil."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo import quiz
from demo.quiz.bank import Question
from demo.quiz.pupil import Pupil

BANK = [question for subject in quiz.subjects() for question in quiz.load(subject)]
RIGHT, NEARLY, WRONG = quiz.Verdict.RIGHT, quiz.Verdict.NEARLY, quiz.Verdict.WRONG
RHINE = Question(1, "Welcher Fluss fließt durch Köln?", ("Rhein", "der Rhein"), ("Main",), "")
EQUATOR = Question(2, "Welcher Breitenkreis?", ("Äquator",), ("Wendekreis",), "")
THREE_QUARTERS = Question(3, "1/2 + 1/4?", ("3/4",), ("2/6",), "")
SOLVE = Question(4, "3x + 4 = 19?", ("5",), ("15",), "")


def test_there_are_questions_enough_and_none_twice():
    assert len(BANK) >= 60
    assert len({question.text for question in BANK}) == len(BANK)
    assert all(question.hint for question in BANK)


@pytest.mark.parametrize("question", BANK, ids=lambda question: question.text)
def test_accepted_answers_are_accepted_and_usual_mistakes_are_not(question):
    assert {quiz.check(question, answer) for answer in question.answers} == {RIGHT}
    assert {quiz.check(question, mistake) for mistake in question.mistakes} == {WRONG}


@pytest.mark.parametrize(
    ("question", "answer", "verdict"),
    [
        (RHINE, "Rhein", RIGHT),
        (RHINE, "  das ist der RHEIN! ", RIGHT),
        (RHINE, "Ich glaube, der Rhein.", RIGHT),
        (RHINE, "Rhain", WRONG),  # too short to be tolerated
        (EQUATOR, "Aequator", NEARLY),
        (EQUATOR, "Äqator", NEARLY),
        (EQUATOR, "Äquatro", NEARLY),
        (EQUATOR, "Äkwator", WRONG),
        (EQUATOR, "Wendekreis", WRONG),
        (THREE_QUARTERS, "0,75", RIGHT),
        (THREE_QUARTERS, "6/8", RIGHT),
        (THREE_QUARTERS, "0.750", RIGHT),
        (THREE_QUARTERS, "3/0", WRONG),
        (THREE_QUARTERS, "3/5", WRONG),
        (SOLVE, "x = 5", RIGHT),
        (SOLVE, "5,0", RIGHT),
        (SOLVE, "-5", WRONG),
        (SOLVE, "", WRONG),
        (SOLVE, "keine Ahnung", WRONG),
    ],
)
def test_answers_are_judged_as_a_kind_teacher_would(question, answer, verdict):
    assert quiz.check(question, answer) is verdict


@given(st.sampled_from(BANK), st.text())
def test_no_answer_breaks_the_checker(question, answer):
    assert quiz.check(question, answer) in quiz.Verdict


@given(st.sampled_from(BANK), st.data())
def test_capitals_spaces_and_closing_marks_do_not_matter(question, data):
    answer = data.draw(st.sampled_from(question.answers))
    assert quiz.check(question, f"  {answer.upper()}.  ") is quiz.check(question, answer.upper())
    assert quiz.check(question, f" {answer} !") is RIGHT


def test_a_pupil_answers_the_same_way_again_after_a_restart():
    one, other = Pupil("Mia", 0.5, "lesson"), Pupil("Mia", 0.5, "lesson")
    assert [one.answer(q, 1) for q in BANK] == [other.answer(q, 1) for q in BANK]


def test_a_better_pupil_is_right_more_often_and_a_hint_helps():
    def right(skill: float, attempt: int) -> int:
        pupil = Pupil("Mia", skill, "lesson")
        return sum(quiz.check(q, pupil.answer(q, attempt)) is not WRONG for q in BANK)

    assert right(0.2, 1) < right(0.9, 1)
    assert right(0.2, 1) < right(0.2, 2)
    assert right(1.0, 1) >= 0.95 * len(BANK)
