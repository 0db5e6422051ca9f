"""Sessions for the pages, stored by the shared manager as agents store them."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from agent_sessions import AgentSession
from sessions_app import manager_portal


@pytest.fixture
def make_session(db: None) -> Callable[..., AgentSession]:
    """Creates a session with checkpoints; `silent` and `stuck` are seconds since its heartbeat and progress."""

    def make(
        agent_type: str = "grader",
        *,
        user_id: str = "maria",
        context: dict[str, Any] | None = None,
        checkpoints: tuple[str, ...] = (),
        silent: float = 0,
        stuck: float = 0,
    ) -> AgentSession:
        async def store(manager: Any) -> AgentSession:
            session = await manager.create_session(agent_type, user_id, context or {})
            for n, name in enumerate(checkpoints, 1):
                session.context["step"] = n
                session.checkpoint(name, {"n": n})
                await manager.update_session(session)
            await manager.tick()
            return cast(AgentSession, session)

        session = manager_portal.call(store)
        if silent or stuck:
            age(session.session_id, silent, stuck)
        return session

    return make


def age(session_id: str, silent: float, stuck: float) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agent_sessions SET last_heartbeat = now() - %s * interval '1 second',"
            " last_progress = now() - %s * interval '1 second' WHERE id = %s",
            (silent, stuck, session_id),
        )


@pytest.fixture(autouse=True)
def _a_manager_of_its_own(request: pytest.FixtureRequest) -> Any:
    """Closes the portal after each test, because its manager's caches would outlive the emptied tables."""
    yield
    if "db" in request.fixturenames or "transactional_db" in request.fixturenames:
        manager_portal.portal.close()
