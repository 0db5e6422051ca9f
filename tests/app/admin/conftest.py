from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from agent_sessions import AgentSession
from sessions_app import manager_portal

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Create = Callable[..., AgentSession]


@pytest.fixture
def create(transactional_db: None) -> Create:
    def create(agent_type: str = "grader", user: str = "u", **context: Any) -> AgentSession:
        return manager_portal.call(
            lambda manager: manager.create_session(agent_type, user, context)
        )

    return create


@pytest.fixture
def checkpoint() -> Callable[..., None]:
    """Acts as the session's agent: changes the context and makes a checkpoint."""

    def checkpoint(session: AgentSession, name: str, **context: Any) -> None:
        async def make(manager: Any) -> None:
            newest = await manager.read(session.session_id)
            newest.context.update(context)
            newest.checkpoint(name, context)
            await manager.update_session(newest)

        manager_portal.call(make)

    return checkpoint


def logged_in(user: User) -> Client:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(user)
    return client


@pytest.fixture
def olga(transactional_db: None, operator: User) -> Client:
    return logged_in(operator)


@pytest.fixture
def viktor(transactional_db: None, viewer: User) -> Client:
    return logged_in(viewer)


@pytest.fixture
def nora(transactional_db: None, nobody: User) -> Client:
    return logged_in(nobody)
