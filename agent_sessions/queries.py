"""The library's SQL, one file a query, read once."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def query(name: str) -> str:
    return resources.files("agent_sessions.sql").joinpath(f"{name}.sql").read_text("utf-8")
