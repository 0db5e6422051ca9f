"""The servers' addresses as lines for a shell, stored in the data folder while they run."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from dashboard.embedded.data_folder import Lock, prepare
from dashboard.errors import SetupError
from dashboard.polling import poll

START_SECONDS = 120


def lines(database_url: str, valkey_url: str) -> str:
    urls = {"DATABASE_URL": database_url, "VALKEY_URL": valkey_url}
    return "".join(f"export {name}={shlex.quote(url)}\n" for name, url in urls.items())


def write(data_dir: Path, text: str) -> None:
    """Writes atomically, readable by the owner only: an address may contain a password."""
    new = _file(data_dir).with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(_file(data_dir))


def remove(data_dir: Path) -> None:
    _file(data_dir).unlink(missing_ok=True)


def of_running_servers(data_dir: Path) -> str | None:
    """The lines of the running servers; waits while they are starting. None if none run."""
    prepare(data_dir)
    for is_last in poll(START_SECONDS, 0.1):
        if not Lock(data_dir).is_held_elsewhere():
            break
        try:
            return _file(data_dir).read_text()
        except FileNotFoundError:
            if is_last:
                raise SetupError(
                    f"The servers in {data_dir} do not come up: see the terminal that started them"
                ) from None
    return None


def _file(data_dir: Path) -> Path:
    return data_dir / "addresses"
