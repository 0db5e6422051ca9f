"""Every text has a German translation."""

from pathlib import Path

import polib
import pytest

LOCALE = Path(__file__).parents[3] / "locale" / "de" / "LC_MESSAGES"


@pytest.mark.parametrize("name", ["django", "djangojs"])
def test_every_text_has_its_german(name: str) -> None:
    texts = polib.pofile(str(LOCALE / f"{name}.po"))
    assert [entry.msgid for entry in texts.untranslated_entries() + texts.fuzzy_entries()] == []


@pytest.mark.parametrize("name", ["django", "djangojs"])
def test_translations_keep_the_places_of_values(name: str) -> None:
    import re

    def places(text: str) -> set[str]:
        return set(re.findall(r"%\(\w+\)[sd]|%[sd]", text))

    for entry in polib.pofile(str(LOCALE / f"{name}.po")):
        for text in entry.msgstr_plural.values() or [entry.msgstr]:
            assert places(text) == places(entry.msgid_plural or entry.msgid), entry.msgid


def test_the_spans_of_server_and_browser_share_their_texts() -> None:
    server, browser = (polib.pofile(str(LOCALE / f"{name}.po")) for name in ("django", "djangojs"))
    spans = {entry.msgid: entry.msgstr for entry in browser if entry.msgid.startswith("%(")}
    assert spans
    for text, german in spans.items():
        found = server.find(text)
        assert found is not None
        assert found.msgstr == german
