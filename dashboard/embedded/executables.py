"""Finds the servers' programs where the server account can run them: in place, or as a copy.

PostgreSQL looks for its programs with `access()`, which ignores capabilities: if the project lies
below a closed folder such as /root, only a copy outside helps. A copy belongs to root, is readable
by the server account only, and is shared by all projects with the same programs. The next start
that needs another version removes it, unless a server still runs from it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dashboard.embedded.account import Account
from dashboard.errors import SetupError

PLACES = [Path(f"{folder}/agent-sessions") for folder in ("/var/lib", "/var/tmp", "/tmp")]  # noqa: S108
NEEDLESS = shutil.ignore_patterns("include", "*.a", "__pycache__")

_in_use: dict[Path, int] = {}


@dataclass(frozen=True)
class Installed:
    """A program and the folders it needs, all below one base; a copy keeps their relative paths."""

    name: str
    base: Path
    program: str
    parts: tuple[str, ...]


def reachable(
    installed: Installed, account: Account, tell: Callable[[str], None] = lambda _: None
) -> Path:
    """The program itself if the account may run it, else its copy."""
    program = (installed.base / installed.program).resolve()
    if account.may_run(program):
        return program
    place = _place(account, program)
    copy = place / f"{installed.name}-{_fingerprint(program)}"
    with _alone(place):
        if not copy.exists():
            tell(f"copying {installed.name} to {copy}: {account.name} cannot reach {program} …")
            _copy(installed, copy, account)
        _use(copy)
        _remove_unused(place, installed.name)
    return copy / installed.program


def _place(account: Account, wanted: Path) -> Path:
    """The first place that root owns, the account may enter and that allows execution."""
    for place in PLACES:
        try:
            place.mkdir(mode=0o711, exist_ok=True)
            facts = place.lstat()
            runs = not os.statvfs(place).f_flag & os.ST_NOEXEC
        except OSError:
            continue
        if facts.st_uid == os.geteuid() and not place.is_symlink() and runs:
            place.chmod(0o711)
            if account.may_walk_to(place / "programs"):
                return place
    raise SetupError(
        f"The servers do not run as root, and the account {account.name} cannot reach {wanted}: "
        "run this as an ordinary user, or set DATABASE_URL and VALKEY_URL"
    )


def _fingerprint(program: Path) -> str:
    with program.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Serialises copying and removing between processes."""
    lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _copy(installed: Installed, copy: Path, account: Account) -> None:
    """Copies to a temporary name and renames, so that a partial copy is never used."""
    new = copy.with_name("new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    for part in installed.parts:
        if (installed.base / part).exists():
            shutil.copytree(installed.base / part, new / part, ignore=NEEDLESS)
    for path in [*new.rglob("*"), new]:
        os.chown(path, os.geteuid(), account.gid)
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o750 if executable else 0o640)
    new.rename(copy)


def _use(copy: Path) -> None:
    """Marks the copy as used until this process, and with it its servers, ends."""
    if copy not in _in_use:
        _in_use[copy] = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(_in_use[copy], fcntl.LOCK_SH)


def _remove_unused(place: Path, kind: str) -> None:
    for copy in place.glob(f"{kind}-*"):
        folder = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(copy)
        except BlockingIOError:
            pass
        finally:
            os.close(folder)
