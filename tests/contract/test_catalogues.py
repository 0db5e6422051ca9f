"""The catalogues follow the rules of docs/texts.md, and hold exactly the texts that the code uses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest
from django.template import Node, NodeList
from django.template.loader import get_template
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

ROOT = Path(__file__).parents[2]
LOCALE = ROOT / "locale" / "de" / "LC_MESSAGES"
CATALOGUES = ("django", "djangojs")
Key = tuple[str | None, str]

NOT_IN_GERMAN = {
    r"Prüfpunkt": "Zwischenstand",
    r"Herzschl[aä]g": "Lebenszeichen",
    r"Stille|[Ss]chweig": "ohne Lebenszeichen",
    r"Anordn|angeordnet|ordnen Sie": "Auftrag, veranlasst",
    r"Handlung(?!s)": "Aktion",
    r"Zustand|Zustände": "Status",
    r"Wandtafel": "Großbildansicht",
    r"Verwaltung|Verwalter": "Administration",
    r"(?<!Be)[Nn]utzer\b|Benutzer\b|Nutzerin": "Konto oder Person",
    r"Assistent\b": "Assistenz",
    r"Konversation|\bChat\b": "Gespräch",
    r"(?<!Arbeits)(?<![Ff]ort)[Ss]chritte?\b": "Beitrag oder Arbeitsschritt",
    r"sicheren? Punkt": "nach dem laufenden Arbeitsschritt",
    r"endgültig entfern": "endgültig löschen",
    r"der alten Art|alten Tabelle": "Agent (ältere Version)",
    r"Epoche": "Eingriff",
    r"selbsttätig|von selbst": "automatisch",
    r"Vorführ": "Demo-Agenten",
    r"\bTg\.": "d",
    r"[Ss]chreibvorg|Schreiben abgewiesen": "Speicherung abgelehnt",
    r"\b(?:[Ll]ease|[Hh]eartbeat|[Cc]heckpoint|[Ss]weeper|[Rr]ollback)\b": "das deutsche Wort",
    r"(?:^|[.!?:] )Ihr (?:Agent|Kontext|Prozess|Status|Verlauf)\b": "die Sache nennen",
}
NOT_IN_ENGLISH = {
    r"\bsilence\b": "no heartbeat",
    r"\b(?:sweeper|lease)\b": "monitor, reserved",
    r"\bwrites? (?:refused|abgewiesen)": "late save rejected",
    r"\b[Ee]poch\b": "intervention",
    r"This is no JSON": "Invalid JSON",
}


def entries(name: str) -> polib.POFile:
    return polib.pofile(str(LOCALE / f"{name}.po"))


def texts_of(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) or [entry.msgstr]


@pytest.mark.parametrize("name", CATALOGUES)
def test_each_text_has_its_german_once(name: str) -> None:
    catalogue = entries(name)
    assert catalogue.obsolete_entries() == catalogue.fuzzy_entries() == []
    assert [entry.msgid for entry in catalogue if not all(map(str.strip, texts_of(entry)))] == []
    keys = [(entry.msgctxt, entry.msgid) for entry in catalogue]
    assert [key for key in keys if keys.count(key) > 1] == []


@pytest.mark.parametrize("name", CATALOGUES)
def test_plurals_have_as_many_forms_as_german_has(name: str) -> None:
    catalogue = entries(name)
    assert catalogue.metadata["Plural-Forms"] == "nplurals=2; plural=(n != 1);"
    for entry in catalogue:
        assert sorted(entry.msgstr_plural) == ([0, 1] if entry.msgid_plural else []), entry.msgid


@pytest.mark.parametrize("name", CATALOGUES)
def test_placeholders_marks_and_edges_are_the_same(name: str) -> None:
    def parts(text: str) -> list[str]:
        return sorted(re.findall(r"%\(\w+\)[sd]|%[sd]|</?\w+[^>]*>", text))

    for entry in entries(name):
        sources = {*parts(entry.msgid), *parts(entry.msgid_plural or entry.msgid)}
        for text in texts_of(entry):
            assert set(parts(text)) <= sources, entry.msgid
        assert parts(texts_of(entry)[-1]) == parts(entry.msgid_plural or entry.msgid), entry.msgid
        for text in texts_of(entry):
            assert text == text.strip() or entry.msgid != entry.msgid.strip(), entry.msgid
            assert '"' not in re.sub(r"<[^>]*>|\{[^}]*\}", "", text), f"„…“ in German: {text}"


@pytest.mark.parametrize("name", CATALOGUES)
def test_no_german_text_has_a_word_that_the_glossary_replaced(name: str) -> None:
    found = [
        f"{text!r}: {better}"
        for entry in entries(name)
        for text in texts_of(entry)
        for word, better in NOT_IN_GERMAN.items()
        if re.search(word, text)
    ]
    assert found == []


@pytest.mark.parametrize("name", CATALOGUES)
def test_no_english_text_has_a_word_that_the_glossary_replaced(name: str) -> None:
    found = [
        f"{text!r}: {better}"
        for entry in entries(name)
        for text in (entry.msgid, entry.msgid_plural)
        for word, better in NOT_IN_ENGLISH.items()
        if re.search(word, text)
    ]
    assert found == []


def test_the_glossary_names_each_word_that_is_not_used_any_more() -> None:
    page = (ROOT / "docs" / "texts.md").read_text()
    for word in ("Prüfpunkt", "Herzschlag", "Anordnung", "Wandtafel", "Zustand", "Verwaltung"):
        assert word in page.split("## Rules")[0]
        assert any(re.search(pattern, word) for pattern in NOT_IN_GERMAN)


def test_what_the_code_says_is_in_the_catalogue_and_nothing_else() -> None:
    said = {*said_by_python(), *said_by_templates()}
    known = {(entry.msgctxt, entry.msgid) for entry in entries("django")}
    assert sorted(str(key) for key in said - known) == [], "no German"
    unused = known - said
    assert sorted(str(key) for key in unused) == [], "no place in the code"


def test_what_the_scripts_say_is_in_their_catalogue_and_nothing_else() -> None:
    known = {entry.msgid for entry in entries("djangojs")}
    call = re.compile(r"""\bn?gettext\(\s*"((?:[^"\\]|\\.)*)\"""")
    said = {
        text
        for script in (ROOT / "static" / "js").rglob("*.js")
        for text in call.findall(script.read_text())
    }
    assert (said - known, known - said) == (set(), set())


def said_by_python() -> Iterator[Key]:
    for folder in ("sessions_app", "dashboard"):
        for module in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(module.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    yield from _called(node.func.id.removesuffix("_lazy"), node.args)


def _called(function: str, arguments: list[ast.expr]) -> Iterator[Key]:
    given = [a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if function in ("_", "gettext", "ngettext") and given:
        yield None, given[0]
    elif function in ("pgettext", "npgettext") and len(given) > 1:
        yield given[0], given[1]


def said_by_templates() -> Iterator[Key]:
    folder = ROOT / "templates"
    for file in folder.rglob("*.html"):
        template = get_template(str(file.relative_to(folder)))
        for node in _nodes(template.template.nodelist):  # type: ignore[attr-defined]
            yield from _translated(node)


def _nodes(nodes: NodeList) -> Iterator[Node]:
    for node in nodes:
        yield node
        for name in (*getattr(node, "child_nodelists", ()), "nodelist"):
            if isinstance(inner := getattr(node, name, None), NodeList):
                yield from _nodes(inner)


def _translated(node: Node) -> Iterator[Key]:
    if isinstance(node, TranslateNode):
        context = node.message_context
        yield (str(context.var) if context else None), str(node.filter_expression.var.literal)
    elif isinstance(node, BlockTranslateNode):
        text, _variables = node.render_token_list(node.singular)
        yield None, text.replace("%%", "%")
