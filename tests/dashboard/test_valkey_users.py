"""The Valkey users of docs/operations.md for agents and web processes, on a real server."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import redis
import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from redis.exceptions import NoPermissionError

from agent_sessions import SessionManager, SessionState
from agent_sessions.conversation import ConversationConfig, ConversationManager
from tests.library.own_valkey import OwnValkey
from tests.support.dashboard import LiveDashboard, own_environment, session_cookie
from tests.support.keys import KEYS

LINES = re.compile(r"^user (?:default|web|agents) .*$", re.MULTILINE)
ADMINISTRATOR = "user root on >root-password ~* &* +@all"
THEIRS = f"{KEYS.web_cache}:1:view:q=a"


@dataclass
class Users:
    server: OwnValkey

    def url(self, user: str) -> str:
        return self.server.url_of(user, f"{user}-password")

    def client(self, user: str) -> redis.Redis:
        return redis.Redis.from_url(self.url(user))

    def refused(self) -> list[Any]:
        """Commands refused since the last call, except CLIENT, which drivers send and Redis 6.2 refuses."""
        with self.client("root") as client:
            log = client.acl_log()
            client.acl_log_reset()
        return [
            (line["username"], line["object"], line["context"])
            for line in log
            if line["object"] != "client"
        ]


@pytest.fixture
async def users(tmp_path: Path) -> AsyncIterator[Users]:
    lines = LINES.findall((settings.BASE_DIR / "docs/operations.md").read_text())
    assert len(lines) == 3
    acl = tmp_path / "users.acl"
    acl.write_text("\n".join([*lines, ADMINISTRATOR, ""]))
    server = OwnValkey()
    server.as_user = server.url_of("root", "root-password")
    await server.start(aclfile=str(acl))
    yield Users(server)
    server.remove()


class HasUrls(Protocol):
    def url(self, user: str) -> str: ...


async def an_agents_day(users: HasUrls, database_url: str) -> str:
    """Everything that an agent does with Valkey; returns its session's id."""
    manager = await SessionManager.connect(database_url, users.url("agents"))
    other = await SessionManager.connect(database_url, users.url("web"))
    try:
        session = await manager.create_session("grader", "maria", {"class": "7b"})
        session.checkpoint("marked", {"n": 1})
        await manager.update_session(session)
        await manager.heartbeat(session.session_id)
        await manager.tick()
        await other.pause(session.session_id, actor="olga", reason="")
        found = await manager.get_session(session.session_id)
        assert found is not None
        assert found.state is SessionState.PAUSED
        await other.resume(session.session_id, actor="olga", reason="")
        assert await manager.count_beats([0]) == [None]
        assert len(await manager.get_active_sessions()) == 1
        await manager.cleanup_stale_sessions()
        return session.session_id
    finally:
        await manager.close()
        await other.close()


async def a_conversation(users: HasUrls, id: str) -> None:
    manager = ConversationManager(ConversationConfig(valkey_url=users.url("agents")))
    await manager.start()
    try:
        await manager.add_turn_to_session(id, "And in Enschede?", "Two.")
        assert (await manager.get_or_create(id))[1].turns
        assert len((await manager.list_conversations(10)).items) == 1
        other = manager.generate_session_id()
        _, state = await manager.get_or_create(other)
        await manager.update(other, state)
        assert manager.get_stats()["redis_available"]
        assert await manager.delete(other)
    finally:
        await manager.stop()


async def test_each_side_can_do_all_that_it_needs(
    users: Users,
    operator: Any,
    transactional_db: None,
    database_url: str,
    start_dashboard: Callable[..., LiveDashboard],
) -> None:
    id = await an_agents_day(users, database_url)
    await a_conversation(users, id)
    live = await sync_to_async(start_dashboard)(VALKEY_URL=users.url("web"))
    await sync_to_async(use_the_pages)(live, operator, id)
    with users.client("web") as web:
        assert list(web.scan_iter(f"{KEYS.web}:*"))
    await sync_to_async(sweep_once)(users.url("web"))
    assert users.refused() == []


def use_the_pages(live: LiveDashboard, operator: Any, id: str) -> None:
    from sessions_app.saved_views.models import SavedView

    SavedView.objects.create(owner=operator, name="7b", query="q=context.class%3A7b")
    cookie = session_cookie(live.url, operator)
    jar = f"{cookie['name']}={cookie['value']}; csrftoken={'x' * 32}"
    pages = ("/", "/views/counts/", "/chart/", f"/sessions/{id}/", "/conversations/", "/healthz")
    shown = {page: get(live, page, jar) for page in pages}
    assert "Enschede" in shown["/conversations/"]
    assert '"valkey": "ok"' in shown["/healthz"]
    for noun in ("pauses", "resumes"):
        send(live, f"/api/sessions/{id}/{noun}", jar, b"{}")
    send(live, f"/sessions/{id}/presence/", jar, b"doing=")


def sweep_once(valkey_url: str) -> None:
    command = [sys.executable, "manage.py", "sweep", "--once"]
    env = own_environment({"VALKEY_URL": valkey_url})
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def get(live: LiveDashboard, page: str, jar: str) -> str:
    request = urllib.request.Request(live.url + page, headers={"Cookie": jar})
    with urllib.request.urlopen(request) as answer:
        return str(answer.read().decode())


def send(live: LiveDashboard, page: str, jar: str, body: bytes) -> None:
    kind = "application/json" if body == b"{}" else "application/x-www-form-urlencoded"
    headers = {"Cookie": jar, "X-CSRFToken": "x" * 32, "Content-Type": kind}
    request = urllib.request.Request(live.url + page, body, headers)
    with urllib.request.urlopen(request):
        pass


ATTEMPTS: dict[str, tuple[Any, ...]] = {
    "read": ("GET", THEIRS),
    "write": ("SET", THEIRS, "x"),
    "read a hash": ("HGETALL", KEYS.present("1")),
    "write a hash": ("HSET", KEYS.present("1"), "olga", "x"),
    "delete": ("DEL", THEIRS),
    "copy out": ("COPY", THEIRS, KEYS.copy("1")),
    "copy in": ("COPY", KEYS.copy("1"), THEIRS),
    "rename in": ("RENAME", KEYS.copy("1"), THEIRS),
    "by a script": ("EVAL", f"return redis.call('GET', '{THEIRS}')", "0"),
    "by a script that writes": ("EVAL", f"return redis.call('SET', '{THEIRS}', 'x')", "0"),
    "list the names": ("SCAN", "0"),
    "all names": ("KEYS", "*"),
    "some name": ("RANDOMKEY",),
    "empty it": ("FLUSHALL",),
    "settings": ("CONFIG", "GET", "*"),
    "users": ("ACL", "LIST"),
    "a channel of the web's": ("PUBLISH", f"{KEYS.web}:x", "x"),
    "every channel": ("PSUBSCRIBE", "*"),
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
async def test_agents_reach_nothing_of_the_webs(users: Users, attempt: tuple[Any, ...]) -> None:
    with users.client("web") as web, users.client("agents") as agents:
        web.set(THEIRS, "[1, false]")
        agents.set(KEYS.copy("1"), "{}")
        with pytest.raises(redis.ResponseError) as refused:
            agents.execute_command(*attempt)
        said = str(refused.value)
        assert (
            isinstance(refused.value, NoPermissionError)
            or "can't access" in said
            or "permission" in said
        )
        assert web.get(THEIRS) == b"[1, false]"


async def test_nobody_comes_in_without_a_user(users: Users) -> None:
    with pytest.raises(redis.RedisError):
        redis.Redis.from_url(users.server.url).get(THEIRS)
