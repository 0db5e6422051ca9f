"""Readability and statistics of German prose, as pure functions."""

import re
from dataclasses import asdict, dataclass
from itertools import pairwise

from demo.words import word_list

WORD = re.compile(r"[^\W\d_]+(?:[-’'][^\W\d_]+)*")
SENTENCE_END = re.compile(r"[.!?…]+[“”\"»)]*(?=\s|$)|\n\s*\n")
VOWEL_GROUP = re.compile(r"aa|ee|oo|ie|ei|ai|ey|ay|au|äu|eu|oi|[aeiouyäöü]")
ABBREVIATIONS = word_list("abbreviations")
CONNECTIVES = word_list("connectives")


@dataclass(frozen=True, slots=True)
class Measures:
    words: int
    sentences: int
    mean_sentence_length: float
    sentence_length_spread: float
    mean_word_length: float
    syllables_per_word: float
    long_words_percent: float
    type_token_ratio: float
    connectives_per_sentence: float
    repeated_openings: int
    flesch_amstad: float
    wiener_sachtext: float
    lix: float

    def rounded(self) -> dict[str, float]:
        return {name: round(value, 2) for name, value in asdict(self).items()}


def words(text: str) -> list[str]:
    return WORD.findall(text)


def sentences(text: str) -> list[str]:
    """Splits at sentence marks and blank lines; not after known abbreviations or ordinals."""
    found: list[str] = []
    start = 0
    for mark in SENTENCE_END.finditer(text):
        if mark.group().strip() == "." and _is_abbreviation(text, mark.start()):
            continue
        found.append(text[start : mark.end()])
        start = mark.end()
    found.append(text[start:])
    return [sentence.strip() for sentence in found if WORD.search(sentence)]


def _is_abbreviation(text: str, dot: int) -> bool:
    before = re.search(r"(\w+)$", text[max(0, dot - 20) : dot])
    if before is None or not text[dot + 1 :].strip():
        return False
    token = before.group(1)
    return token.isdigit() or token.lower() in ABBREVIATIONS


def syllables(word: str) -> int:
    """Number of vowel groups, German diphthongs counted as one; at least one."""
    return max(1, len(VOWEL_GROUP.findall(word.lower().replace("qu", "q"))))


def flesch_amstad(words_per_sentence: float, syllables_per_word: float) -> float:
    return 180 - words_per_sentence - 58.5 * syllables_per_word


def wiener_sachtext(
    polysyllabic_percent: float,
    words_per_sentence: float,
    long_percent: float,
    monosyllabic_percent: float,
) -> float:
    """The first Wiener Sachtextformel: roughly the school year that the text suits."""
    return (
        0.1935 * polysyllabic_percent
        + 0.1672 * words_per_sentence
        + 0.1297 * long_percent
        - 0.0327 * monosyllabic_percent
        - 0.875
    )


def lix(words_per_sentence: float, long_percent: float) -> float:
    return words_per_sentence + long_percent


def type_token_ratio(tokens: list[str], window: int = 50) -> float:
    """Moving average over `window` words, which makes it independent of the text's length."""
    lowered = [token.lower() for token in tokens]
    if not lowered:
        return 0.0
    if len(lowered) <= window:
        return len(set(lowered)) / len(lowered)
    starts = range(len(lowered) - window + 1)
    return sum(len(set(lowered[at : at + window])) for at in starts) / (len(starts) * window)


def spread(values: list[int]) -> float:
    """Standard deviation of the whole population."""
    if not values:
        return 0.0
    mean = sum(values) / len(values)
    return float((sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5)


def repeated_openings(lines: list[str]) -> int:
    """Number of sentences that begin with the same word as the one before."""
    openings = [words(line)[0].lower() for line in lines]
    return sum(before == after for before, after in pairwise(openings))


def measure(text: str) -> Measures:
    tokens, lines = words(text), sentences(text)
    if not tokens:
        raise ValueError("a text without words cannot be measured")
    counts = [syllables(token) for token in tokens]
    total = len(tokens)
    long_percent = 100 * sum(len(token) > 6 for token in tokens) / total
    per_sentence = total / len(lines)
    per_word = sum(counts) / total
    connectives = sum(token.lower() in CONNECTIVES for token in tokens)
    return Measures(
        words=total,
        sentences=len(lines),
        mean_sentence_length=per_sentence,
        sentence_length_spread=spread([len(words(line)) for line in lines]),
        mean_word_length=sum(map(len, tokens)) / total,
        syllables_per_word=per_word,
        long_words_percent=long_percent,
        type_token_ratio=type_token_ratio(tokens),
        connectives_per_sentence=connectives / len(lines),
        repeated_openings=repeated_openings(lines),
        flesch_amstad=flesch_amstad(per_sentence, per_word),
        wiener_sachtext=wiener_sachtext(
            100 * sum(count >= 3 for count in counts) / total,
            per_sentence,
            long_percent,
            100 * sum(count == 1 for count in counts) / total,
        ),
        lix=lix(per_sentence, long_percent),
    )
