"""The account of the embedded servers: PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Account:
    """The account, and whether root has to switch to it."""

    uid: int
    gid: int
    step_down: bool = False

    @property
    def name(self) -> str:
        return pwd.getpwuid(self.uid).pw_name

    @property
    def new_uid(self) -> int | None:
        return self.uid if self.step_down else None

    @property
    def new_gid(self) -> int | None:
        return self.gid if self.step_down else None

    @property
    def new_groups(self) -> list[int] | None:
        return [] if self.step_down else None

    def may_walk_to(self, path: Path) -> bool:
        """Whether the account may enter every parent folder of the path, which is not checked itself."""
        return not self.step_down or all(
            self._allowed(folder, stat.S_IXOTH) for folder in path.resolve().parents
        )

    def may_run(self, program: Path) -> bool:
        read_and_execute = stat.S_IROTH | stat.S_IXOTH
        return self.may_walk_to(program) and (
            not self.step_down or self._allowed(program, read_and_execute)
        )

    def _allowed(self, path: Path, bits: int) -> bool:
        """Checks the bits for owner and others; the account is in no group that would own a folder."""
        facts = path.stat()
        if facts.st_uid == self.uid:
            bits <<= 6
        return facts.st_mode & bits == bits


def server_account() -> Account:
    """The current account, or an unprivileged one if that is root."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    entry = pwd.getpwnam(UNPRIVILEGED)
    return Account(entry.pw_uid, entry.pw_gid, step_down=True)
