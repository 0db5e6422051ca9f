"""The linter of style sheets finds each kind of error, and nothing in correct ones."""

from __future__ import annotations

import pytest

from tools.styles import Words, lint, main

WORDS = Words(frozenset({"row", "rows", "state"}), frozenset({"module", "context"}))


def messages(**sheets: str) -> list[str]:
    named = {f"{name}.css": text for name, text in sheets.items()}
    return [str(finding) for finding in lint(named, WORDS)]


def test_what_is_right_has_no_findings() -> None:
    right = ":root { --tone: red; } .row[data-state='x'] > #rows { color: var(--tone); margin: 0; }"
    assert (
        messages(
            list=right, tokens=".row { color: #fff; }", admin=".module, #id_context { top: 0; }"
        )
        == []
    )


@pytest.mark.parametrize(
    ("sheet", "finding"),
    [
        (".row { top: 0; }\n.gone { top: 0; }", "list.css:2: no page has gone"),
        ("#gone { top: 0; }", "list.css:1: no page has gone"),
        (".row[data-gone] { top: 0; }", "list.css:1: no page has data-gone"),
        (".row:not(.gone) { top: 0; }", "list.css:1: no page has gone"),
        (".module { top: 0; }", "list.css:1: no page has module"),
        (".row { }", "list.css:1: a rule without declarations"),
        (".row { top: 0; left: 0; top: 1px; }", "list.css:1: top stands 2 times in one rule"),
        (".row {\n  color: #fff;\n}", "list.css:2: color: a colour has a name in tokens.css"),
        (
            ".row { color: rgb(0 0 0 / 5%); }",
            "list.css:1: color: a colour has a name in tokens.css",
        ),
        (".row { top: var(--gone); }", "list.css:1: --gone is set nowhere"),
        (".row { --gone: 1px; }", "list.css:1: --gone is used nowhere"),
        ("@media print {\n  .gone { top: 0; }\n}", "list.css:2: no page has gone"),
    ],
)
def test_each_rule_finds_what_breaks_it(sheet: str, finding: str) -> None:
    assert messages(list=sheet) == [finding]


@pytest.mark.parametrize("sheet", [".row { top 0; }", ".row", "} .row { top: 0; }"])
def test_what_no_browser_can_parse_is_found(sheet: str) -> None:
    assert any("cannot be parsed" in message for message in messages(list=sheet))


def test_the_style_sheets_of_the_dashboard_have_no_findings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main() == 0, capsys.readouterr().out
