"""Multi-turn conversations, so that "and in Enschede?" can be resolved.

The stored shape. One key a conversation, `{prefix}{id}`, holds the whole `ConversationState.to_dict()` as JSON,
turns first: any process reads it with one GET, and one expiry covers all of it. Because the turns come
first and the head last, adding a turn overwrites only the end of the text (SETRANGE), inside a script: it costs
the same for the thousandth turn as for the first, and two processes cannot lose each other's. A text that another
program wrote in another order of fields is read as it is, and rewritten in ours when a turn is first added to it.

    {prefix}{id}         the conversation, JSON, with the time to live
    {prefix}{id}#about   hash: version, bytes, turns, question, language, and per writer the last write it made
    {prefix}index        sorted set: id by last use in milliseconds; what is gone is trimmed as it is used
    {prefix}store        names this store's memory: another name means that Valkey came back empty
    {prefix}changes      channel: {"id", "version"} after each change, version 0 when deleted

On a cluster all of them must share a slot: give the prefix a hash tag, `{heritage}:session:`.

Without a configured Valkey, memory is the only store. With one that is away, turns are kept here and sent, once each and
in order, when it is back; meanwhile what cannot be kept truthfully (a rewrite, a deletion) raises StorageUnavailable.
"""

from agent_sessions.conversation.config import ConversationConfig
from agent_sessions.conversation.listing import ConversationPage, ConversationSummary
from agent_sessions.conversation.manager import ConversationManager
from agent_sessions.conversation.models import ConversationState, ConversationTurn, History
from agent_sessions.conversation.singleton import get_session_manager, shutdown_session_manager

__all__ = [
    "ConversationConfig",
    "ConversationManager",
    "ConversationPage",
    "ConversationState",
    "ConversationSummary",
    "ConversationTurn",
    "History",
    "get_session_manager",
    "shutdown_session_manager",
]
