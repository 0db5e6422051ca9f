"""Servers that run on after the program that started them was killed."""

from __future__ import annotations

from pathlib import Path

import psutil


def stop_orphan(pid_file: Path, program: str, stop_signal: int) -> None:
    """Stops the server of a killed run by its pid file; removes the file."""
    try:
        pid = int(pid_file.read_text().split()[0])
        process = psutil.Process(pid)
        if program in process.name():
            process.send_signal(stop_signal)
            process.wait(15)
    except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        pass
    except psutil.TimeoutExpired:
        process.kill()
    pid_file.unlink(missing_ok=True)
