"""The Lua scripts, one file each; `common.lua` is prepended to all of them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def script(name: str) -> str:
    folder = files("agent_sessions.conversation") / "lua"
    common, own = (folder / f"{part}.lua" for part in ("common", name))
    return f"{common.read_text()}\n{own.read_text()}"
