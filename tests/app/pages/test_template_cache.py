"""Cached fragments of the session page depend on everything they show."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.test import Client

from agent_sessions import AgentSession
from sessions_app.rendering import template_cache
from sessions_app.selectors.session import ShownCheckpoint
from sessions_app.templatetags.sessions import flag_item

Make = Callable[..., AgentSession]
AT = datetime(2025, 3, 1, 12, tzinfo=UTC)


def checkpoints(client: Client, made: AgentSession, **headers: str) -> str:
    page = client.get(f"/sessions/{made.session_id}/panels/", headers=headers).content.decode()
    return page.split('id="checkpoints"')[1].split('id="metadata"')[0]


def test_who_may_only_look_is_not_shown_what_an_operator_may(
    client: Client, operator: User, viewer: User, make_session: Make
) -> None:
    made = make_session(checkpoints=("essay",))
    client.force_login(operator)
    assert f"/sessions/{made.session_id}/rollbacks/new/" in checkpoints(client, made)
    client.force_login(viewer)
    assert "rollbacks/new" not in checkpoints(client, made)


def test_each_language_has_its_own(client: Client, viewer: User, make_session: Make) -> None:
    made = make_session(checkpoints=("essay",))
    client.force_login(viewer)
    german, english = (
        checkpoints(client, made, **{"accept-language": language}) for language in ("de", "en")
    )
    assert (">Vergleichen<" in german) and (">Compare<" in english)


def test_checkpoints_alike_of_two_sessions_lead_each_to_its_own() -> None:
    flag = ShownCheckpoint(
        1, "essay", AT, "olga", "agent", 9, True, False, '{"n": 1}', None, ("a",), 0
    )
    drawn = [flag_item(flag, row(n), AT, True, True) for n in (1, 2)]
    assert [str(UUID(int=n)) in text for n, text in zip((1, 2), drawn, strict=True)] == [True] * 2
    assert str(UUID(int=1)) not in drawn[1]


def test_a_time_of_today_is_one_of_yesterday_tomorrow() -> None:
    flag = ShownCheckpoint(1, "essay", AT, "olga", "agent", 9, True, False, '{"n": 1}', None, (), 0)
    today, tomorrow = (flag_item(flag, row(1), AT + timedelta(days=n), False, True) for n in (0, 1))
    assert (">13:00:00<" in today) and (">13:00:00<" not in tomorrow)


def test_it_is_bounded() -> None:
    assert template_cache._rendered.cache_info().maxsize == 2000


def row(n: int) -> Any:
    from dataclasses import replace

    from tests.app.pages.test_rows import ROW

    return replace(ROW, id=UUID(int=n))
