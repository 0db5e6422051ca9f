"""The measures compared with values computed by hand, and their properties for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo import readability as r

TWO_SENTENCES = "Der Hund bellt. Die Katze schläft heute."
GERMAN = st.sampled_from(
    ["Der", "Hund", "bellt", "laut", "weil", "Nachbarn", "Geburtstag", "feiern"]
)
SENTENCE = st.lists(GERMAN, min_size=1, max_size=12).map(lambda words: " ".join(words) + ".")
TEXT = st.lists(SENTENCE, min_size=1, max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("Hund", 1), ("Katze", 2), ("heute", 2), ("Feuer", 2), ("bauen", 2), ("Theater", 3),
        ("Donaudampfschifffahrt", 5), ("Quelle", 2), ("Äpfel", 2), ("hm", 1), ("See", 1),
        ("Universität", 5), ("Mäuse", 2),
    ],
)  # fmt: skip
def test_syllables_are_counted_as_a_teacher_claps_them(word, count):
    assert r.syllables(word) == count


def test_the_formulas_agree_with_pencil_and_paper():
    # 7 words, 2 sentences, 9 syllables; "schläft" has 7 letters; 5 words have one syllable
    measures = r.measure(TWO_SENTENCES)
    assert (measures.words, measures.sentences) == (7, 2)
    assert measures.mean_sentence_length == 3.5
    assert measures.syllables_per_word == pytest.approx(9 / 7)
    assert measures.flesch_amstad == pytest.approx(101.2857, abs=1e-3)
    assert measures.lix == pytest.approx(17.7857, abs=1e-3)
    assert measures.wiener_sachtext == pytest.approx(-0.7727, abs=1e-3)
    assert measures.mean_word_length == pytest.approx(32 / 7)
    assert measures.type_token_ratio == 1.0
    assert measures.sentence_length_spread == 0.5


def test_published_constants_are_kept():
    assert r.flesch_amstad(10, 2) == 53.0
    assert r.wiener_sachtext(20, 10, 30, 50) == pytest.approx(6.923)
    assert r.lix(10, 30) == 40


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Das kostet z. B. drei Euro.", 1),
        ("Er kam am 3. Mai. Sie blieb.", 2),
        ("Dr. Meier lacht. Frau Dr. Kurz nicht.", 2),
        ("„Komm!“ Er ging.", 2),
        ("Wirklich?! Ja … vielleicht.", 3),
        ("Überschrift\n\nDer Text beginnt.", 2),
        ("Ohne Punkt", 1),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text, count):
    assert len(r.sentences(text)) == count


def test_connectives_and_repeated_openings_are_counted():
    measures = r.measure("Ich lache, weil du lachst. Ich gehe, aber du bleibst. Dann komme ich.")
    assert measures.connectives_per_sentence == 1.0
    assert measures.repeated_openings == 1


def test_a_long_text_is_not_punished_for_its_length():
    once = [f"wort{'abcdefghij'[n % 10]}" for n in range(50)]
    assert r.type_token_ratio(once * 20) == pytest.approx(r.type_token_ratio(once))


def test_a_text_without_words_cannot_be_measured():
    with pytest.raises(ValueError, match="without words"):
        r.measure("… 12 !")


@given(TEXT)
def test_a_text_read_twice_is_as_hard_as_once(text):
    once, twice = r.measure(text), r.measure(f"{text} {text}")
    assert twice.words == 2 * once.words
    assert twice.sentences == 2 * once.sentences
    for name in ("flesch_amstad", "wiener_sachtext", "lix", "syllables_per_word"):
        assert getattr(twice, name) == pytest.approx(getattr(once, name))


@given(TEXT)
def test_every_measure_stays_in_its_range(text):
    measures = r.measure(text)
    assert 0 < measures.type_token_ratio <= 1
    assert measures.mean_sentence_length <= measures.lix <= measures.mean_sentence_length + 100
    assert measures.flesch_amstad <= 180
    assert 0 <= measures.repeated_openings < measures.sentences
    assert measures.sentence_length_spread >= 0


@given(st.text())
def test_any_text_is_cut_without_losing_a_word(text):
    assert [w for s in r.sentences(text) for w in r.words(s)] == r.words(text)


@given(st.text(alphabet=st.characters(categories=["L"]), min_size=1))
def test_every_word_has_a_syllable_and_no_more_than_letters(word):
    assert 1 <= r.syllables(word) <= max(1, len(word.lower()))
