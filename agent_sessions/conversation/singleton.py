"""The process-wide `ConversationManager`; a forked child gets its own."""

from __future__ import annotations

import os

from agent_sessions.basic_errors import InvalidInput
from agent_sessions.conversation.config import ConversationConfig
from agent_sessions.conversation.manager import ConversationManager

_manager: ConversationManager | None = None
_process = 0


def get_session_manager(config: ConversationConfig | None = None) -> ConversationManager:
    """The manager of this process, created by the first call. `await get_session_manager()` also starts it.

    A forked child gets its own, because connections cannot be shared. Raises InvalidInput if a given configuration
    differs from the first one.
    """
    global _manager, _process
    if _manager is None or _process != os.getpid():
        _manager, _process = ConversationManager(config), os.getpid()
    elif config is not None and config != _manager.config:
        raise InvalidInput("this process has a conversation manager with another configuration")
    return _manager


async def shutdown_session_manager() -> None:
    global _manager
    manager, _manager = _manager, None
    if manager and _process == os.getpid():
        await manager.stop()
