"""Child processes that never outlive their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dashboard.embedded.account import Account

PR_SET_PDEATHSIG = 1
LOG_LIMIT = 10_000_000

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(number: int) -> None:
    """Tells the kernel to send this signal to the process when its parent dies (Linux only)."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, number)


@dataclass
class Child:
    name: str
    process: subprocess.Popen[bytes]
    stop_signal: int = signal.SIGTERM
    patience: float = 15.0
    ended: bool = False  # the id of an ended process may belong to another one by now

    def stop(self) -> None:
        """Sends the stop signal, waits, then kills the whole process group, descendants included."""
        self.ask_to_stop()
        self.wait_for_end(self.patience)

    def ask_to_stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)

    def wait_for_end(self, seconds: float) -> None:
        if self.ended:
            return
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        end_group(self.process.pid)
        self.process.wait()
        self.ended = True
        if self.process.stdin is not None:
            self.process.stdin.close()


def end_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def start(
    name: str,
    command: Sequence[str | Path],
    *,
    account: Account | None = None,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stop_signal: int = signal.SIGTERM,
    patience: float = 15.0,
    lifeline: bool = False,
) -> Child:
    """Starts a program in its own process group, so that Ctrl-C reaches only this process."""
    output = log.open("ab") if log else None
    # The pipe ends with this process; where the kernel sends no signal then, the program can watch for that.
    given = subprocess.PIPE if lifeline else subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=given,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_before_exec(stop_signal),
            user=account.new_uid if account else None,
            group=account.new_gid if account else None,
            extra_groups=account.new_groups if account else None,
        )
    finally:
        if output:
            output.close()
    return Child(name, process, stop_signal, patience)


def run(
    command: Sequence[str | Path],
    account: Account,
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end. `env` is added to the environment of this process."""
    return subprocess.run(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        check=False,
        user=account.new_uid,
        group=account.new_gid,
        extra_groups=account.new_groups,
    )


def _before_exec(number: int) -> Callable[[], None]:
    return lambda: die_with_parent(number)


def keep_log_small(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))


def last_words(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").split("\n") if log.exists() else []
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")
