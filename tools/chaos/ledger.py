"""An agent's own log of what was acknowledged to it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

STEP = "step"


class Ledger:
    """One line for each attempt, answer and error. An incomplete last line is ignored."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def note(self, what: str, **facts: Any) -> None:
        line = {"at": time.time(), "what": what, "process": os.getpid(), **facts}
        self._file.write(json.dumps(line) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    lines = path.read_text("utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines if line]
