"""The names in Valkey of a library and conversations with their usual prefixes."""

from __future__ import annotations

from agent_sessions.keys import CONVERSATIONS, NAMESPACE, ConversationKeys, Keys

KEYS = Keys(NAMESPACE)
CONVERSATION_KEYS = ConversationKeys(CONVERSATIONS)
