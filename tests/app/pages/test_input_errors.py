"""Errors of the library are shown on the page in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import translation

from agent_sessions import InvalidInput, validation
from agent_sessions.transitions import checkpoint_number
from agent_sessions.validation import OMITTED
from sessions_app import actions, json_input
from sessions_app.input_errors import SENTENCES


def deep(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"a": found}
    return found


REFUSED: dict[str, tuple[Callable[[], Any], str, str]] = {
    "no_session_id": (
        lambda: validation.session_id("seven"),
        "“\u2068seven\u2069” is no id of a session.",
        "„\u2068seven\u2069“ ist keine Kennung einer Sitzung.",
    ),
    "no_checkpoint_id": (
        lambda: checkpoint_number("x", "first"),
        "“\u2068first\u2069” is no id of a checkpoint.",
        "„\u2068first\u2069“ ist keine Kennung eines Zwischenstands.",
    ),
    "no_text": (
        lambda: validation.text(7, "reason"),
        "Reason: text is needed.",
        "Grund: Nötig ist ein Text.",
    ),
    "missing": (
        lambda: validation.text(" ", "reason", required=True),
        "Reason: please write a few words.",
        "Grund: Bitte schreiben Sie einige Worte.",
    ),
    "too_long": (
        lambda: validation.text("x" * 2001, "reason"),
        "Reason: too long with 2,001 characters; 2,000 are allowed.",
        "Grund: mit 2.001 Zeichen zu lang, erlaubt sind 2.000.",
    ),
    "nul": (
        lambda: validation.json_object({"a": "\x00"}, "context"),
        "Context: contains a character that cannot be stored (NUL). Please remove it.",
        "Kontext: enthält ein unzulässiges Zeichen (NUL). Bitte entfernen Sie es.",
    ),
    "omitted": (
        lambda: validation.json_object({"a": OMITTED}, "context"),
        "Context: contains a mark for a stored value that could not be read. Please replace it.",
        (
            "Kontext: enthält eine Markierung für einen gespeicherten Wert, der nicht gelesen werden konnte."
            " Bitte ersetzen Sie sie."
        ),
    ),
    "surrogate": (
        lambda: validation.json_object({"a": "\ud800"}, "metadata"),
        "Metadata: contains half a character. Please remove it.",
        "Metadaten: enthält ein unvollständiges Zeichen. Bitte entfernen Sie es.",
    ),
    "no_object": (
        lambda: validation.json_object([], "context"),
        "Context: a JSON object is needed: { … }",
        "Kontext: Nötig ist ein JSON-Objekt: { … }",
    ),
    "too_large": (
        lambda: validation.json_object({"a": "x" * 5_000_000}, "context"),
        "Context: too large with 5,000,008 bytes; 4,194,304 are allowed.",
        "Kontext: mit 5.000.008 Bytes zu groß, erlaubt sind 4.194.304.",
    ),
    "too_deep": (
        lambda: validation.json_object(deep(100), "context"),
        "Context: nested too deeply; 64 levels are allowed.",
        "Kontext: zu tief verschachtelt, erlaubt sind 64 Ebenen.",
    ),
    "no_json": (
        lambda: validation.json_object({"a": float("nan")}, "context"),
        "Context: contains a value that JSON does not have, such as NaN or Infinity.",
        "Kontext: enthält einen Wert, den JSON nicht kennt, zum Beispiel NaN oder Infinity.",
    ),
}


def said(refused: Callable[[], Any], language: str) -> str:
    with translation.override(language), pytest.raises(InvalidInput) as caught:
        refused()
    with translation.override(language):
        return actions.explain(caught.value)


@pytest.mark.parametrize("code", REFUSED)
def test_each_refusal_is_said_in_both_languages(code: str) -> None:
    refused, english, german = REFUSED[code]
    with pytest.raises(InvalidInput) as caught:
        refused()
    assert caught.value.code == code
    assert (said(refused, "en"), said(refused, "de")) == (english, german)


def test_what_the_database_refuses_is_said_without_its_words() -> None:
    error = InvalidInput("PostgreSQL refused the value: relation x", "refused_value")
    with translation.override("de"):
        found = actions.explain(error)
    assert found == "Die Datenbank hat einen Wert abgelehnt. Es wurde nichts gespeichert."


def test_every_code_is_tested() -> None:
    assert {*REFUSED, "refused_value"} == set(SENTENCES)


def test_of_a_slip_in_json_line_and_column_are_said() -> None:
    def read() -> None:
        json_input.read('{"a": 1,\n "b" 2}')

    german = "Ungültiges JSON: Der Fehler liegt in Zeile 2, Spalte 6."
    english = "Invalid JSON: the error is in line 2, column 6."
    assert (said(read, "en"), said(read, "de")) == (english, german)


def test_other_faults_of_json_are_said_too() -> None:
    for text in (b"\xff\xfe", b"[" * 100_000, "9" * 5000):
        german = said(lambda text=text: json_input.read(text), "de")  # type: ignore[misc]
        assert german.startswith("Ungültiges JSON")
        assert "codec" not in german
