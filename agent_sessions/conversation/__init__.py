"""Multi-turn conversations, so that "and in Enschede?" can be resolved.

Storage. The key `{prefix}{id}` of a conversation holds the whole `ConversationState.to_dict()` as
JSON, turns first: any process reads it with one GET, and one expiry covers all of it. Because the
turns come first and the head last, adding a turn overwrites only the end of the text (SETRANGE),
inside a script: the cost does not grow with the number of turns, and concurrent processes lose no
turns. A text that another program wrote with another order of fields can be read, and is rewritten
in this order when a turn is first added to it.

    {prefix}{id}         the conversation, JSON, with the time to live
    {prefix}{id}#about   hash: version, bytes, turns, question, language, and per writer the last write it made
    {prefix}index        sorted set: id by last use in milliseconds; expired ids are trimmed as it is used
    {prefix}store        random name of the data set: another name means that Valkey has lost its data
    {prefix}changes      channel: {"id", "version"} after each change, version 0 when deleted

On a cluster all keys must share a slot: a prefix without a hash tag becomes one, `{heritage:session:}`.

Without a configured Valkey, memory is the only store. While a configured one is unavailable, new
turns are kept in memory and sent in order, each once, when it is back; a rewrite or a deletion
raises StorageUnavailable meanwhile.
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
