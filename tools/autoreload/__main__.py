"""`python -m tools.autoreload`: everything that `make run` starts, restarted when files change.

PostgreSQL and Valkey keep running. An open page reconnects by itself; reload it for new scripts and
styles. A program that fails to start prints its error and is tried again with the next change.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from watchfiles import DefaultFilter, watch

from dashboard import all_in_one
from dashboard.environment import BASE_DIR
from dashboard.errors import exit_with_message
from dashboard.stop_signals import StopSignals
from dashboard.supervisor import SupervisedProcess, supervise
from dashboard.translations import compile_messages
from tools.autoreload.reload_rules import WATCHED, must_migrate, to_restart

LOOK_MILLISECONDS = 500


def restart_on_change(programs: list[SupervisedProcess], stop: StopSignals) -> None:
    changes = watch(
        *(BASE_DIR / folder for folder in WATCHED),
        watch_filter=DefaultFilter(ignore_paths=[str(BASE_DIR / "static" / "vendor")]),
        rust_timeout=LOOK_MILLISECONDS,
        yield_on_timeout=True,
    )

    def wait_for_changes(_seconds: float) -> None:
        changed = {Path(path).relative_to(BASE_DIR) for _, path in next(changes)}
        stop.check()
        if changed:
            apply(changed, programs)

    supervise(programs, wait_for_changes)


def apply(changed: Iterable[Path], programs: list[SupervisedProcess]) -> None:
    paths = sorted(changed)
    names = to_restart(paths)
    stale = [program for program in programs if program.child.name in names]
    if not stale:
        return
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    again = ", ".join(program.child.name for program in stale)
    all_in_one.tell(f"{paths[0]}{more} changed: starting again: {again}")
    compile_messages(BASE_DIR / "locale")
    if must_migrate(paths):
        subprocess.run([sys.executable, "manage.py", "migrate"], cwd=BASE_DIR, check=False)
    for program in stale:
        program.restart()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    with exit_with_message():
        all_in_one.main(restart_on_change)
