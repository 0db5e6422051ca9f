from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counts:
    created: int = 0
    expired: int = 0
    hits: int = 0
    misses: int = 0
    refused: int = 0
