"""Browsers silently drop declarations that they do not understand."""

from __future__ import annotations

from pathlib import Path

import pytest
import tinycss2
from playwright.sync_api import Browser

from dashboard.environment import BASE_DIR
from tools.styles import declarations_of

UNKNOWN = "(all) => all.filter(([name, value]) => !CSS.supports(name, value))"


@pytest.mark.parametrize(
    "sheet", sorted((BASE_DIR / "static/css").glob("*.css")), ids=lambda path: path.name
)
def test_chromium_understands_every_declaration(browser: Browser, sheet: Path) -> None:
    declared = []
    for one in declarations_of(sheet.read_text()):
        value = tinycss2.serialize(one.value).strip()
        # The value of var() is known only where it is used, so only the property's name is checked.
        declared.append([one.name, "initial" if "var(" in value else value])
    page = browser.new_page()

    assert declared
    assert page.evaluate(UNKNOWN, [["colour", "red"], ["color", "rot"]]) != []
    assert page.evaluate(UNKNOWN, declared) == []
    page.close()
