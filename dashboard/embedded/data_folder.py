"""The data folder: created, checked for write access, and locked by one process at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from dashboard.embedded.account import Account
from dashboard.errors import SetupError

SOCKET_PATH_LIMIT = 100  # bytes; the operating systems' limits are 103 to 107


def prepare(data_dir: Path) -> None:
    try:
        if not data_dir.exists():
            data_dir.mkdir(parents=True)
            data_dir.chmod(0o711)
        with tempfile.TemporaryFile(dir=data_dir):
            pass
    except OSError as error:
        raise SetupError(
            f"The data folder {data_dir} cannot be written ({error.strerror}): "
            "give this account the right to, or set DATA_DIR to a folder of its own"
        ) from None


def secret_file(data_dir: Path, name: str, make: Callable[[], str]) -> str:
    """The secret in this file. The first process creates it; all others read the same one."""
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


def socket_folder(data_dir: Path) -> Path:
    """The socket folder: in the data folder, or in the temporary folder if the path is too long."""
    folder = data_dir / "run"
    if len(os.fsencode(folder / ".s.PGSQL.5432")) <= SOCKET_PATH_LIMIT:
        return folder
    key = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path("/tmp") / f"agent-sessions-{os.geteuid()}-{key}"  # noqa: S108


def own_folder(folder: Path, account: Account) -> Path:
    """Creates a folder with access for its owner alone.

    Raises SetupError if the path is a symlink or belongs to another account.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid not in (os.geteuid(), account.uid):
        raise SetupError(f"{folder} belongs to somebody else: remove it, or set another DATA_DIR")
    os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)
    return folder


def as_seen_by(account: Account, folder: Path) -> Path:
    """The folder's path for a program that is started in it.

    If the account may not enter a parent folder, no absolute path works, but the program's working directory does.
    """
    return folder if account.may_walk_to(folder) else Path("/proc/self/cwd")


class Lock:
    """Lock of the process that runs the servers. The system releases it when that process dies."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "lock"
        self._file: int | None = None

    def __enter__(self) -> Lock:
        if not self._take():
            raise SetupError(
                f"The data folder {self.path.parent} is in use by process {self._holder()}: "
                "stop that one first, or set another DATA_DIR"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    def is_held_elsewhere(self) -> bool:
        taken = self._take()
        self._release()
        return not taken

    def _take(self) -> bool:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        self._file = file
        return True

    def _release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _holder(self) -> str:
        return self.path.read_text().strip() or "unknown"
