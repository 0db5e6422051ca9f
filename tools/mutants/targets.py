"""Files with rules, and the tests of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tools.mutants import python_mutants, sql_mutants
from tools.mutants.mutant import Mutant

MIGRATIONS = "agent_sessions/sql/migrations"
QUERIES = "agent_sessions/sql/queries"
LIBRARY = "tests/library"

_SAVING = tuple(
    f"{LIBRARY}/test_{name}.py"
    for name in (
        "unseen_changes",
        "saving",
        "conflicts",
        "shapes",
        "shared_copy",
        "attach_leaving",
        "late_delivery",
        "timelines",
    )
)
_ORDERS = tuple(
    f"{LIBRARY}/test_{name}.py"
    for name in ("states", "repeating", "edits", "valkey_alone", "unseen_changes", "verbs_machine")
)
_OLD = tuple(
    f"{LIBRARY}/test_{name}.py"
    for name in ("old_agents", "old_agents_contexts", "old_agents_copies", "old_writers_machine")
)
_HISTORY = (f"{LIBRARY}/test_history.py", f"{LIBRARY}/test_writers_machine.py")

TARGETS: dict[str, tuple[str, ...]] = {
    # transitions, epochs, guards
    "agent_sessions/states.py": (f"{LIBRARY}/test_states.py", f"{LIBRARY}/test_verbs_machine.py"),
    "agent_sessions/transitions.py": _ORDERS,
    "agent_sessions/save_rules.py": _SAVING,
    "agent_sessions/json_merge.py": (
        f"{LIBRARY}/test_json_values.py",
        f"{LIBRARY}/test_edits.py",
        *_SAVING,
    ),
    "agent_sessions/session_writer.py": _SAVING,
    "agent_sessions/stores/document_rules.py": (f"{LIBRARY}/test_valkey_alone.py", *_ORDERS),
    # acknowledgement
    "agent_sessions/reports.py": (
        f"{LIBRARY}/test_valkey_alone.py",
        f"{LIBRARY}/test_attempts.py",
        *_ORDERS,
    ),
    "agent_sessions/order_handling.py": (
        f"{LIBRARY}/test_attach_orders.py",
        f"{LIBRARY}/test_pauses.py",
        f"{LIBRARY}/test_parts.py",
    ),
    "sessions_app/selectors/timeline.py": ("tests/app/pages/test_point_in_time.py",),
    # versions and frames
    "sessions_app/live/sockets/frames.py": (
        "tests/live/test_frames.py",
        "tests/live/test_slow_pages.py",
        "tests/live/test_version_bumps.py",
    ),
    # rights
    "sessions_app/live/sockets/auth.py": (
        "tests/accounts/test_rights.py",
        "tests/live/test_live.py",
    ),
    "sessions_app/permissions.py": (
        "tests/accounts/test_rights.py",
        "tests/app/pages/test_session.py",
    ),
    "sessions_app/bulk/worker.py": (
        "tests/app/bulk/test_bulk.py",
        "tests/app/bulk/test_background.py",
    ),
    # retention
    "sessions_app/watchdog/retention.py": ("tests/watchdog/test_retention.py",),
    # health
    "sessions_app/health.py": ("tests/app/pages/test_health.py",),
    # the same in SQL
    f"{MIGRATIONS}/0002_functions.sql": (f"{LIBRARY}/test_states.py", *_HISTORY, *_OLD),
    f"{MIGRATIONS}/0003_guard.sql": (
        f"{LIBRARY}/test_states.py",
        f"{LIBRARY}/test_states_by_sql.py",
        *_OLD,
        *_HISTORY,
    ),
    f"{MIGRATIONS}/0004_history.sql": _HISTORY,
    f"{MIGRATIONS}/0010_old_writers.sql": (*_OLD, *_HISTORY),
    f"{MIGRATIONS}/0012_parts.sql": (f"{LIBRARY}/test_parts.py",),
    f"{QUERIES}/append_checkpoints.sql": _SAVING,
    f"{QUERIES}/write_sessions.sql": (*_SAVING, *_ORDERS),
    f"{QUERIES}/acknowledgement_writes.sql": (*_ORDERS, f"{LIBRARY}/test_bad_input.py"),
    f"{QUERIES}/silent_writes.sql": (f"{LIBRARY}/test_sweeping.py",),
    f"{QUERIES}/read_stale.sql": (f"{LIBRARY}/test_sweeping.py",),
    f"{QUERIES}/find_changer.sql": (f"{LIBRARY}/test_conflicts.py",),
    f"{QUERIES}/find_orders_since.sql": (f"{LIBRARY}/test_conflicts.py",),
    f"{QUERIES}/refuse_write.sql": (
        f"{LIBRARY}/test_attach_leaving.py",
        f"{LIBRARY}/test_late_writes.py",
    ),
    f"{QUERIES}/flush_heartbeats.sql": (
        f"{LIBRARY}/test_attach_leaving.py",
        f"{LIBRARY}/test_gone.py",
        f"{LIBRARY}/test_owners.py",
    ),
}


def mutants(root: Path, path: str) -> Iterator[Mutant]:
    text = (root / path).read_text("utf-8")
    if path.endswith(".py"):
        yield from python_mutants.mutants(path, text)
    else:
        migrations = sorted((root / MIGRATIONS).glob("*.sql")) if MIGRATIONS in path else []
        later = [other.read_text("utf-8") for other in migrations if other.name > Path(path).name]
        yield from sql_mutants.mutants(path, text, later)
