"""Which ids of conversations may be part of a key."""

from __future__ import annotations

import re

from agent_sessions.basic_errors import InvalidInput

_ID = re.compile(r"[A-Za-z0-9_.:@~+=-]{1,200}")
_RESERVED = {"index", "store", "changes"}  # names of other keys under the same prefix


def check_id(session_id: object) -> str:
    """Returns the id, also of another program, if it can be part of a key. Raises InvalidInput otherwise."""
    if not isinstance(session_id, str) or not _ID.fullmatch(session_id) or session_id in _RESERVED:
        raise InvalidInput(
            f"{str(session_id)[:60]!r} is no conversation id: 1 to 200 of the characters A-Z a-z 0-9 _ . : @ ~ + = -"
        )
    return session_id
