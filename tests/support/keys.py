"""Names of keys in Valkey with the default prefixes."""

from __future__ import annotations

from agent_sessions.keys import CONVERSATIONS, NAMESPACE, ConversationKeys, Keys

KEYS = Keys(NAMESPACE)
CONVERSATION_KEYS = ConversationKeys(CONVERSATIONS)
