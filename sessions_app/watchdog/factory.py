"""The watchdog from Django's settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings

from agent_sessions import SessionManager
from sessions_app.live.factory import listen_parameters
from sessions_app.live.sources.valkey import DeferredClient

from .leader import Leader
from .maintenance import WatchdogMaintenance, chores
from .watchdog import ConnectManager, Watchdog


def watchdog(**parts: Any) -> Watchdog:
    """`parts` replace those of the settings: rules, connect, monotonic, valkey, leader."""
    namespace = settings.SESSION_NAMESPACE
    leader = parts.pop("leader", None) or Leader(parameters)
    valkey = parts.pop("valkey", None) or DeferredClient(settings.VALKEY_URL)
    connect: ConnectManager = parts.pop("connect", None) or connect_manager
    rules = parts.pop("rules", settings.HEARTBEAT_RULES)
    parts.setdefault("maintenance", WatchdogMaintenance(chores(leader, valkey, namespace)))
    return Watchdog(leader, valkey, connect, rules, namespace=namespace, **parts)


def parameters() -> dict[str, Any]:
    """Without poolers, as for the feed: session locks do not survive a transaction pooler."""
    return {**listen_parameters(), "application_name": "sessions sweeper"}


async def connect_manager(clock: Callable[[], datetime]) -> SessionManager:
    return await SessionManager.connect(
        settings.DATABASE_URL,
        settings.VALKEY_URL or None,
        namespace=settings.SESSION_NAMESPACE,
        source="sweeper",
        clock=clock,
        cache_size=100,
        retry_seconds=2.0,
    )
