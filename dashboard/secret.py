"""Secrets made on the first start and kept in the data folder, readable by their owner alone."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from dashboard.embedded.data_folder import prepare


def secret_key(data_dir: Path) -> str:
    return kept(data_dir, "secret-key", lambda: secrets.token_urlsafe(50))


def admin_password(data_dir: Path) -> str:
    return kept(data_dir, "admin-password", lambda: secrets.token_urlsafe(12))


def kept(data_dir: Path, name: str, make: Callable[[], str]) -> str:
    """The secret of this name; whoever comes first makes it, and all read the same one."""
    prepare(data_dir)
    path = data_dir / name
    if not path.exists():
        new = data_dir / f".{name}.{os.getpid()}"
        new.touch(mode=0o600)
        new.write_text(make() + "\n")
        try:
            os.link(new, path)
        except FileExistsError:
            pass
        new.unlink()
    return path.read_text().strip()
