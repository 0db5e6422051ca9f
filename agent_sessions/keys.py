"""Every key and channel in Valkey.

All keys of a session are in one slot of a cluster: the session's own key is the hash tag of the others.
"""

from __future__ import annotations

import re

NAMESPACE = "breakpilot"  # of sessions, unless another is given
CONVERSATIONS = "heritage:session:"  # the prefix of conversations, unless another is given
_TAGGED = re.compile(r"\{[^}]+\}")


class Keys:
    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.heartbeats = f"{namespace}:heartbeats"
        self.beats = f"{namespace}:beats"
        self.beat_counts = f"{namespace}:beats:count"
        self.beats_counted_since = f"{self.beat_counts}:since"
        self.sessions = f"{namespace}:sessions"
        self.listening = f"{namespace}:listening"
        self.web = f"{namespace}:web"  # agents may not write there
        self.web_cache = f"{self.web}:cache"
        self._open, self._close = ("", "") if _TAGGED.search(namespace) else ("{", "}")

    def copy(self, session_id: str) -> str:
        return f"{self.namespace}:session:{session_id}"

    def version(self, session_id: str) -> str:
        return f"{self._open}{self.namespace}:session:{session_id}{self._close}:version"

    def changes(self, session_id: str) -> str:
        return f"{self._open}{self.namespace}:session:{session_id}{self._close}:changes"

    def former_changes(self, session_id: str) -> str:
        """The channel that earlier versions of this library publish to and follow."""
        return f"{self.namespace}:session:{session_id}:changes"

    def beat_count(self, slot: int) -> str:
        return f"{self.beat_counts}:{slot}"

    def present(self, session_id: object) -> str:
        """The people who have a session open."""
        return f"{self.web}:present:{session_id}"

    def health(self, check: str) -> str:
        return f"{self.web}:health:{check}"


class ConversationKeys:
    """A conversation's text is stored under the prefix and its id; one script reaches all of these keys."""

    def __init__(self, prefix: str, *, cluster: bool = False) -> None:
        self.changes = f"{prefix}changes"  # a channel has no slot
        # In a cluster the prefix is the hash tag: all conversations lie in one slot.
        self.prefix = f"{{{prefix}}}" if cluster and not _TAGGED.search(prefix) else prefix
        self.index = f"{self.prefix}index"
        self.store = f"{self.prefix}store"

    def text(self, conversation_id: str) -> str:
        return f"{self.prefix}{conversation_id}"

    def about(self, conversation_id: str) -> str:
        return f"{self.prefix}{conversation_id}#about"
