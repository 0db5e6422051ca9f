"""Which account the embedded servers run under: PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path

from dashboard.problems import Problem

UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Account:
    """The account and, where root has to step down, how to start a program under it."""

    uid: int
    gid: int
    step_down: bool = False
    wrapper: list[str] = field(default_factory=list)

    @property
    def new_uid(self) -> int | None:
        return self.uid if self.step_down else None

    @property
    def new_gid(self) -> int | None:
        return self.gid if self.step_down else None

    @property
    def new_groups(self) -> list[int] | None:
        return [] if self.step_down else None


def account_for(*paths: Path) -> Account:
    """Ours; as root the unprivileged one, able to reach these paths."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    entry = pwd.getpwnam(UNPRIVILEGED)
    account = Account(entry.pw_uid, entry.pw_gid, step_down=True)
    blocked = [path for path in paths if not _reachable(path, account.uid)]
    if not blocked:
        return account
    return Account(account.uid, account.gid, wrapper=_reading_everything(account, blocked[0]))


def _reachable(path: Path, uid: int) -> bool:
    """Whether others may walk to the path. The path itself is its owner's affair."""
    for folder in path.resolve().parents:
        facts = folder.stat()
        if not (facts.st_mode & 0o001 or (facts.st_uid == uid and facts.st_mode & 0o100)):
            return False
    return True


def _reading_everything(account: Account, blocked: Path) -> list[str]:
    """Folders of root's, such as /root, stay closed to everybody else: only this process may pass."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise Problem(
            f"PostgreSQL does not run as root, and the account {UNPRIVILEGED} cannot reach {blocked}: "
            "run this as an ordinary user, or set DATABASE_URL and VALKEY_URL"
        )
    return [
        *(setpriv, f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"),
        *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
        *(f"--pdeathsig={signal.SIGINT.name.removeprefix('SIG')}", "--"),
    ]
