"""Which programs a changed file restarts, and whether the database is migrated."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

WATCHED = ("agent_sessions", "dashboard", "demo", "locale", "sessions_app", "static", "templates")
PAGES = "daphne"
EVERYTHING = frozenset({PAGES, "the watchdog", "the demo agents"})
# All programs read code and queries; only the web server reads templates, texts and styles.
OF_EVERY_PROGRAM = frozenset({".py", ".sql", ".lua"})
OF_THE_PAGES = frozenset({".html", ".txt", ".po", ".js", ".css", ".svg", ".json"})


def to_restart(paths: Iterable[Path]) -> frozenset[str]:
    """Programs that have read one of these files; paths are relative to the project."""
    kinds = {path.suffix for path in paths if path.parts[:2] != ("demo", "texts")}
    if kinds & OF_EVERY_PROGRAM:
        return EVERYTHING
    return frozenset({PAGES}) if kinds & OF_THE_PAGES else frozenset()


def must_migrate(paths: Iterable[Path]) -> bool:
    return any("migrations" in path.parts for path in paths)
