"""Reads conversations in Valkey without extending their time to live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings

from agent_sessions import InvalidInput, StorageUnavailable
from agent_sessions.conversation import (
    ConversationConfig,
    ConversationManager,
    ConversationPage,
    ConversationState,
)
from agent_sessions.conversation.manager import check_id

from ..manager_portal import portal

logger = structlog.get_logger(__name__)


class _Client:
    """One manager on the portal's loop, created with the first read."""

    manager: ConversationManager | None = None

    async def get(self) -> ConversationManager:
        if self.manager is None:
            config = ConversationConfig(valkey_url=settings.VALKEY_URL or None, max_sessions=1_000)
            self.manager = ConversationManager(config)
            portal.at_close(self.stop)
            await self.manager.start()
        return self.manager

    async def stop(self) -> None:
        manager, self.manager = self.manager, None
        if manager is not None:
            await manager.stop()


_client = _Client()


def peek(conversation_id: str) -> ConversationState | None:
    """None if it does not exist, cannot be read, or Valkey is unavailable."""

    async def look() -> ConversationState | None:
        return await (await _client.get()).peek(conversation_id)

    try:
        return portal.run(look)
    except (InvalidInput, StorageUnavailable) as error:
        logger.warning("conversation not read", conversation=conversation_id, error=str(error))
        return None


def stamps(conversation_ids: Sequence[str]) -> dict[str, str]:
    """The stored version of each. Raises StorageUnavailable."""

    async def look() -> dict[str, str]:
        return await (await _client.get()).stamps(conversation_ids)

    return portal.run(look)


def conversation_id_of(session_id: UUID, *parts: Any) -> str:
    """The conversation that metadata or context names as `conversation_id`, else the session's own."""
    for part in parts:
        named = part.get("conversation_id") if isinstance(part, dict) else None
        try:
            return check_id(named)
        except InvalidInput:
            continue
    return str(session_id)


def live_page(limit: int, after: str | None) -> tuple[ConversationPage, dict[str, Any]]:
    """A page of live conversations, latest first, and this process's statistics.

    Raises InvalidInput for an invalid cursor.
    """

    async def look() -> tuple[ConversationPage, dict[str, Any]]:
        manager = await _client.get()
        return await manager.list_conversations(limit, after), manager.get_stats()

    return portal.run(look)
