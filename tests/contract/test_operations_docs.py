from __future__ import annotations

import re

from dashboard.environment import BASE_DIR, OIDC_REQUIRED
from sessions_app.permissions import GROUPS, labels

OPERATIONS = (BASE_DIR / "docs" / "operations.md").read_text()
READ = re.compile(r'_(?:text|flag|list|number|url|choice|database|prefix_of_keys)\(\s*"([A-Z_]+)"')


def test_every_setting_is_documented_and_nothing_else_is() -> None:
    source = (BASE_DIR / "dashboard" / "environment.py").read_text()
    table = OPERATIONS.split("## Settings")[1].split("`HEARTBEAT_RULES` is JSON")[0]
    documented = set(re.findall(r"`([A-Z_]{4,})`", table))
    assert documented == {*READ.findall(source), *OIDC_REQUIRED}


def test_every_make_target_says_what_it_is_for() -> None:
    makefile = (BASE_DIR / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):(.*)$", makefile, re.MULTILINE)
    assert {name for name, rest in targets if "##" not in rest} == {"chromium", "tests"}


def test_the_table_of_rights_is_that_of_the_code() -> None:
    section = OPERATIONS.split("## Rights")[1].split("\n## ")[0]
    head, _line, *rows = [line for line in section.splitlines() if line.startswith("|")]
    groups = [cell.strip() for cell in head.strip("|").split("|")][2:]
    given: dict[str, set[str]] = {group: set() for group in groups}
    for row in rows:
        right, _words, *ticks = (cell.strip() for cell in row.strip("|").split("|"))
        for group, tick in zip(groups, ticks, strict=True):
            if tick == "✓":
                given[group].add(right.strip("`"))
    assert given == {group: set(rights) for group, rights in GROUPS.items()}
    assert {row.split("`")[1] for row in rows} == labels().keys()
