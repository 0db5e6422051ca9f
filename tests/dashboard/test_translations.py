from __future__ import annotations

import gettext
from pathlib import Path

import polib
import pytest
from django.conf import settings

from dashboard.translations import compile_messages

GERMAN = """
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"

msgid "session"
msgstr "Sitzung"
"""


@pytest.fixture
def locale(tmp_path: Path) -> Path:
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_text(GERMAN)
    return tmp_path


def translated(locale: Path) -> str:
    return gettext.translation("django", locale, ["de"]).gettext("session")


def test_a_translation_is_compiled_once(locale: Path) -> None:
    assert [path.name for path in compile_messages(locale)] == ["django.po"]
    assert translated(locale) == "Sitzung"
    assert compile_messages(locale) == []


def test_a_changed_translation_is_compiled_again(locale: Path) -> None:
    compile_messages(locale)
    source = locale / "de" / "LC_MESSAGES" / "django.po"
    source.write_text(GERMAN.replace("Sitzung", "Gespräch"))
    assert compile_messages(locale) == [source]
    gettext._translations.clear()  # type: ignore[attr-defined]
    assert translated(locale) == "Gespräch"


def test_what_the_pages_speak_is_what_the_translations_say() -> None:
    for source in Path(settings.LOCALE_PATHS[0]).glob("*/LC_MESSAGES/*.po"):
        assert source.with_suffix(".mo").read_bytes() == polib.pofile(str(source)).to_binary()
