"""Mistakes, points and grades; the bundled texts."""

import pytest

from demo import essays, grading, spelling

ALL = [essay for school_class in essays.classes().values() for essay in school_class.essays]
READABLE = [essay for essay in ALL if essay != "8a/emre-y"]
GOOD = essays.read("7b/emilia-f")


def slips(text: str) -> list[tuple[str, str]]:
    return [(slip.found, slip.expected) for slip in spelling.check(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Das ist warscheinlich so.", [("warscheinlich", "wahrscheinlich")]),
        ("Er ging nach hause.", [("hause", "Hause")]),
        ("Es regnet. der Hund schläft.", [("der", "Der")]),
        ("Ich glaube, das er kommt.", [("glaube, das er", "glaube, dass er")]),
        ("Rot,gelb und blau.", [("Rot,gelb", "Rot, gelb")]),
        ("Rot , gelb und blau.", [("t ,", "t,")]),
        ("Das Haus, das er kaufte, ist alt.", []),
        ("„Kommst du?“, fragte sie.", []),
    ],
)
def test_slips_are_found_and_nothing_is_made_up(text, expected):
    assert slips(text) == expected


def test_every_slip_lowers_the_points():
    worse = GOOD.replace("Außerdem", "Ausserdem")
    assert grading.mark(worse, 7).points < grading.mark(GOOD, 7).points


def test_the_same_text_gets_the_same_grade_every_time():
    assert grading.mark(GOOD, 7) == grading.mark(GOOD, 7)


@pytest.mark.parametrize(
    ("points", "grade"), [(100, "1"), (95, "1"), (94.9, "1-"), (50, "4"), (0, "6")]
)
def test_grades_follow_the_scale(points, grade):
    assert grading.grade_for(points) == grade


def test_a_grade_is_borderline_just_beside_a_limit():
    assert grading.is_borderline(79.5)
    assert grading.is_borderline(80.4)
    assert not grading.is_borderline(82)


def test_older_pupils_are_expected_to_write_more():
    assert grading.mark(GOOD, 10).points < grading.mark(GOOD, 5).points


def test_there_are_texts_enough_and_grades_of_all_kinds():
    marks = [grading.mark(essays.read(e), essays.school_year(e)) for e in READABLE]
    assert len(READABLE) >= 24
    assert {mark.grade[0] for mark in marks} >= {"1", "2", "3", "4", "5"}


@pytest.mark.parametrize("essay", READABLE)
def test_each_essay_has_the_length_of_an_essay(essay):
    words = len(essays.read(essay).split())
    assert words > 2000 if "praktikumsbericht" in essay else 60 <= words <= 250


def test_the_broken_file_says_what_is_wrong_and_where():
    with pytest.raises(UnicodeDecodeError, match=r"invalid start byte in 8a/emre-y\.txt"):
        essays.read("8a/emre-y")


def test_no_file_outside_the_folder_is_read():
    with pytest.raises(ValueError, match="no essay of ours"):
        essays.read("../../pyproject")


def test_portions_keep_every_word_and_a_long_text_has_many():
    report = essays.read("10d/konstantin-l-praktikumsbericht")
    assert " ".join(essays.portions(report)).split() == report.split()
    assert len(essays.portions(report)) > 40


def test_shares_are_fair_by_length_and_lose_nobody():
    shares = essays.shares(list(essays.classes()["7b"].essays), 2)
    sizes = [sum(map(essays.size, share)) for share in shares]
    assert sorted(essay for share in shares for essay in share) == sorted(
        essays.classes()["7b"].essays
    )
    assert max(sizes) < 1.2 * min(sizes)
