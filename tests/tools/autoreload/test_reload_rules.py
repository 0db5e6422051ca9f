"""`make dev`: the effect of a changed file."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.environment import BASE_DIR
from tools.autoreload.reload_rules import EVERYTHING, PAGES, WATCHED, must_migrate, to_restart


@pytest.mark.parametrize(
    "path",
    ["agent_sessions/run.py", "agent_sessions/sql/queries/read_heads.sql", "sessions_app/urls.py"],
)
def test_code_is_read_by_every_program(path: str) -> None:
    assert to_restart([Path("static/css/base.css"), Path(path)]) == EVERYTHING


@pytest.mark.parametrize(
    "path", ["templates/sessions/list/row.html", "static/js/core/feed.js", "locale/de/x.po"]
)
def test_templates_texts_and_styles_are_read_by_the_pages_alone(path: str) -> None:
    assert to_restart([Path(path)]) == {PAGES}


@pytest.mark.parametrize("path", ["locale/de/django.mo", "demo/texts/8a/lena.txt", "docs/a.md"])
def test_what_no_program_reads_at_its_start_restarts_nothing(path: str) -> None:
    assert to_restart([Path(path)]) == set()


def test_a_new_migration_is_run() -> None:
    assert must_migrate([Path("agent_sessions/sql/migrations/0001_tables.sql")])
    assert not must_migrate([Path("agent_sessions/sql/queries/read_heads.sql")])


def test_the_programs_are_those_that_make_run_starts() -> None:
    source = (BASE_DIR / "dashboard" / "all_in_one.py").read_text()
    for name in EVERYTHING:
        assert f'programs.start("{name}"' in source


def test_every_package_of_the_dashboard_is_watched() -> None:
    packages = {path.parent.name for path in BASE_DIR.glob("*/__init__.py")}
    assert packages - set(WATCHED) == {"tests", "tools"}
