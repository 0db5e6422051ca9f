"""The linter of static/css: `python -m tools.styles`, run by `make lint`.

Reports what browsers silently ignore: syntax errors, selectors that match no page, custom
properties that are never set or never used, duplicate properties in a rule, rules without
declarations, and colours outside of tokens.css.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import django
import tinycss2
from tinycss2.ast import Declaration, Node, QualifiedRule

ROOT = Path(__file__).resolve().parents[1]
OURS = (("templates", "*.html"), ("static/js", "*.js"), ("sessions_app", "*.py"))
VENDORED = (("static/vendor", "*.js"), ("static/vendor", "*.css"))
ADMIN = "admin.css"  # also styles Django's own pages
TOKENS = "tokens.css"  # the only file with colours
NESTING = frozenset({"media", "supports", "layer", "container"})
COLOURS = frozenset(
    {"rgb", "rgba", "hsl", "hsla", "hwb", "lab", "lch", "oklab", "oklch", "light-dark"}
)


@dataclass(frozen=True, order=True)
class StyleFinding:
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Words:
    """Names in the files that make pages; a selector of another name matches nothing."""

    ours: frozenset[str]
    of_the_admin: frozenset[str]

    def have(self, name: str, file: str) -> bool:
        known = self.ours | self.of_the_admin if file == ADMIN else self.ours
        parts = {name, name.removeprefix("data-")}
        if file == ADMIN:  # Django composes these names
            parts |= {name.removeprefix("field-"), name.removeprefix("id_")}
        return not known.isdisjoint(parts)


def main() -> int:
    sheets = {path.name: path.read_text() for path in (ROOT / "static/css").glob("*.css")}
    admin = Path(django.__file__).parent / "contrib" / "admin"
    of_the_admin = [
        path for kind in ("html", "py", "js", "css") for path in admin.rglob(f"*.{kind}")
    ]
    ours = [
        path for folder, pattern in (*OURS, *VENDORED) for path in (ROOT / folder).rglob(pattern)
    ]
    findings = lint(sheets, Words(words_in(ours), words_in(of_the_admin)))
    for finding in findings:
        print(f"static/css/{finding}")
    return int(bool(findings))


def words_in(paths: Iterable[Path]) -> frozenset[str]:
    return frozenset(word for path in paths for word in re.findall(r"[\w-]+", path.read_text()))


def lint(sheets: dict[str, str], words: Words) -> list[StyleFinding]:
    found: list[StyleFinding] = []
    declared: dict[str, tuple[str, int]] = {}
    used: dict[str, tuple[str, int]] = {}
    for file, text in sheets.items():
        for node in _flat(tinycss2.parse_stylesheet(text, True, True)):
            if not isinstance(node, QualifiedRule):
                found.append(
                    StyleFinding(file, node.source_line, f"cannot be parsed: {node.message}")
                )
                continue
            declarations = _declarations(node)
            found += _selector(file, node, words)
            found += _rule(file, node, declarations)
            for one in declarations:
                if one.name.startswith("--"):
                    declared.setdefault(one.name, (file, one.source_line))
                for name in _used(one):
                    used.setdefault(name, (file, one.source_line))
    found += _properties(declared, used, words)
    return sorted(found)


def declarations_of(sheet: str) -> list[Declaration]:
    rules = _flat(tinycss2.parse_stylesheet(sheet, True, True))
    return [one for rule in rules if rule.type == "qualified-rule" for one in _declarations(rule)]


def _flat(nodes: list[Node]) -> Iterator[Any]:
    """Rules, including those inside @media, and syntax errors."""
    for node in nodes:
        if node.type in ("qualified-rule", "error"):
            yield node
        elif node.type == "at-rule" and node.lower_at_keyword in NESTING and node.content:
            yield from _flat(tinycss2.parse_rule_list(node.content, True, True))


def _declarations(rule: QualifiedRule) -> list[Declaration]:
    nodes = tinycss2.parse_declaration_list(rule.content, True, True)
    return [node for node in nodes if node.type == "declaration"]


def _selector(file: str, rule: QualifiedRule, words: Words) -> Iterator[StyleFinding]:
    tokens = list(_walk(rule.prelude))
    names = [b.value for a, b in pairwise(tokens) if a == "." and b.type == "ident"]
    for token in tokens:
        if token.type == "error":
            yield StyleFinding(file, rule.source_line, f"cannot be parsed: {token.message}")
        elif token.type == "hash":
            names.append(token.value)
        elif token.type == "[] block":
            names += [part.value for part in token.content if part.type == "ident"]
    for name in names:
        if not words.have(name, file):
            yield StyleFinding(file, rule.source_line, f"no page has {name}")


def _rule(
    file: str, rule: QualifiedRule, declarations: list[Declaration]
) -> Iterator[StyleFinding]:
    if not declarations:
        yield StyleFinding(file, rule.source_line, "a rule without declarations")
    for name, times in Counter(one.name for one in declarations).items():
        if times > 1:
            yield StyleFinding(file, rule.source_line, f"{name} stands {times} times in one rule")
    for node in tinycss2.parse_declaration_list(rule.content, True, True):
        if node.type == "error":
            yield StyleFinding(file, node.source_line, f"cannot be parsed: {node.message}")
    for one in declarations if file != TOKENS else ():
        if any(_is_colour(token) for token in _walk(one.value)):
            yield StyleFinding(
                file, one.source_line, f"{one.name}: a colour has a name in {TOKENS}"
            )


def _is_colour(token: Node) -> bool:
    return token.type == "hash" or (token.type == "function" and token.lower_name in COLOURS)


def _used(declaration: Declaration) -> Iterator[str]:
    for token in _walk(declaration.value):
        if token.type == "function" and token.lower_name == "var":
            yield str(token.arguments[0].value)


def _properties(
    declared: dict[str, tuple[str, int]], used: dict[str, tuple[str, int]], words: Words
) -> Iterator[StyleFinding]:
    for name, (file, line) in used.items():
        if name not in declared and not words.have(name, file):
            yield StyleFinding(file, line, f"{name} is set nowhere")
    for name, (file, line) in declared.items():
        if name not in used and not words.have(name, file):
            yield StyleFinding(file, line, f"{name} is used nowhere")


def _walk(tokens: list[Node]) -> Iterator[Any]:
    for token in tokens:
        yield token
        yield from _walk(getattr(token, "content", None) or getattr(token, "arguments", None) or [])


if __name__ == "__main__":
    sys.exit(main())
