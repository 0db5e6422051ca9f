"""Mutants of SQL: each operand of an AND removed, each branch of an IF or CASE never taken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tools.mutants.mutant import Mutant, in_one_line

_TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\w+|:=|[^\s\w]")
_FUNCTION = re.compile(r"CREATE (?:OR REPLACE )?FUNCTION (\w+).*?\n\$\$;", re.DOTALL)
_DROPPED = re.compile(r"DROP FUNCTION (?:IF EXISTS )?(\w+)")
_BEGINS = {"WHERE", "ON", "WHEN", "IF", "ELSIF", "HAVING", "AND", "OR", "FILTER", "RETURN", ":="}
_ENDS = {
    *("AND", "OR", "THEN", "GROUP", "ORDER", "LIMIT", "RETURNING", "WHERE", "ON", "WINDOW", "UNION", "FOR"),
    *("HAVING", "LOOP", "ELSE", "END", "JOIN", "LEFT", "CROSS", "DO", ";", ","),
}  # fmt: skip


class SqlToken(NamedTuple):
    text: str
    start: int
    end: int
    depth: int


def mutants(path: str, text: str, later: Sequence[str] = ()) -> Iterator[Mutant]:
    """`later` files are those after this one; functions that they redefine are not mutated here."""
    anew = {name for other in later for name in _names(other)}
    functions = [(m.start(), m.end(), m.group(1)) for m in _FUNCTION.finditer(text)]
    tokens = _tokens(text)
    found = [*_without_operands(tokens, text), *_without_branches(tokens, text)]
    for start, end, becomes in sorted(set(found)):
        where = next((name for a, b, name in functions if a <= start < b), "statement")
        if where not in anew:
            what = f"`{in_one_line(text[start:end])}` → `{becomes}`"
            yield Mutant(path, start, end, becomes, where, what)


def _names(text: str) -> set[str]:
    return {m.group(1) for m in _FUNCTION.finditer(text)} | set(_DROPPED.findall(text))


def _tokens(text: str) -> list[SqlToken]:
    tokens, depth = [], 0
    for match in _TOKEN.finditer(text):
        word = match.group()
        if word.startswith("--"):
            continue
        depth -= word in ")]"
        tokens.append(SqlToken(word, match.start(), match.end(), depth))
        depth += word in "(["
    return tokens


def _without_operands(tokens: list[SqlToken], text: str) -> Iterator[tuple[int, int, str]]:
    for i, token in enumerate(tokens):
        if token.text != "AND" or _is_of_between(tokens, i):
            continue
        last = _last_of_operand(tokens, i)
        yield token.start, tokens[last].end, ""
        first = _first_of_operand(tokens, i)
        if tokens[first - 1].text != "AND":
            yield tokens[first].start, token.end, ""


def _is_of_between(tokens: list[SqlToken], at: int) -> bool:
    for token in reversed(tokens[:at]):
        if token.depth == tokens[at].depth and token.text in (_BEGINS | {"BETWEEN"}):
            return token.text == "BETWEEN"
        if token.depth < tokens[at].depth:
            return False
    return False


def _last_of_operand(tokens: list[SqlToken], at: int) -> int:
    """The end of the operand; a CASE inside it has an END of its own."""
    cases, depth = 0, tokens[at].depth
    for i in range(at + 1, len(tokens)):
        token = tokens[i]
        cases += token.text == "CASE"
        if token.depth < depth or (token.depth == depth and not cases and token.text in _ENDS):
            return i - 1
        cases -= token.text == "END" and cases > 0
    return len(tokens) - 1


def _first_of_operand(tokens: list[SqlToken], at: int) -> int:
    cases, depth = 0, tokens[at].depth
    for i in range(at - 1, -1, -1):
        token = tokens[i]
        cases += token.text == "END"
        if token.depth < depth or (token.depth == depth and not cases and token.text in _BEGINS):
            return i + 1
        cases -= token.text == "CASE" and cases > 0
    return 0


def _without_branches(tokens: list[SqlToken], text: str) -> Iterator[tuple[int, int, str]]:
    """Replaces conditions by NULL, which is neither true nor equal to anything."""
    for i, token in enumerate(tokens):
        if token.text not in ("IF", "ELSIF", "WHEN"):
            continue
        cases = 0
        for j in range(i + 1, len(tokens)):
            other = tokens[j]
            if other.depth < token.depth or other.text == ";":
                break
            cases += other.text == "CASE"
            if other.text == "THEN" and other.depth == token.depth and not cases:
                yield tokens[i + 1].start, tokens[j - 1].end, "NULL"
                break
            cases -= other.text == "END" and cases > 0
