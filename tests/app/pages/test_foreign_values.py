"""Values in Valkey that web processes read: none is run as code, and every page still answers."""

from __future__ import annotations

import importlib
import json
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from agent_sessions import AgentSession
from agent_sessions.keys import CONVERSATIONS, Keys
from sessions_app import presence
from sessions_app.saved_views.models import SavedView

NAMESPACE = settings.SESSION_NAMESPACE
QUERY = "q=" + quote("context.class:7b")
CONVERSATION = CONVERSATIONS


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


GARBAGE: dict[str, bytes] = {
    "text": b"nonsense",
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe\x00",
    "another type": b'{"a": 1}',
    "a list of lists": b"[[], []]",
    "text for a number": b'["5", false]',
    "a negative number": b"[-1, false]",
    "a number like a truth": b"[true, false]",
    "one too many": b"[1, false, 2]",
    "a huge number": b"1" * 5000,
    "huge numbers inside": b"[" + b"1" * 5000 + b", true]",
    "no number": b"[NaN, true]",
    "endless": b"[1e999, true]",
    "deep": b"[" * 50_000,
    "long": b'"' + b"x" * 200_000 + b'"',
}


@pytest.fixture
def valkey(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as client:
        yield client


@pytest.fixture
def conversations(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url, db=1) as client:
        yield client


@pytest.fixture
def viktor(client: Client, viewer: Any) -> Client:
    client.force_login(viewer)
    return client


@pytest.fixture
def view(viewer: Any) -> SavedView:
    return SavedView.objects.create(owner=viewer, name="7b", query=QUERY)


def cached_key(valkey: Any, viktor: Client) -> bytes:
    """The key of the view's cached count."""
    assert viktor.get("/views/counts/").status_code == 200
    (key,) = valkey.keys(f"{Keys(NAMESPACE).web_cache}:*")
    return bytes(key)


def test_no_serializer_of_any_cache_session_or_layer_is_a_pickle() -> None:
    configured: dict[str, Any] = settings.CACHES
    for alias in configured:
        chosen = configured[alias]["OPTIONS"]["SERIALIZER"]
        module, _, name = chosen.rpartition(".")
        serializer = getattr(importlib.import_module(module), name)({})
        assert not serializer.dumps({"a": 1}).startswith(pickle.dumps({"a": 1})[:2])
        assert serializer.loads(pickle.dumps({"a": 1})) is None
    assert (
        "pickle"
        not in repr(
            {name: getattr(settings, name) for name in dir(settings) if name.isupper()}
        ).lower()
    )
    assert settings.SESSION_SERIALIZER.endswith("JSONSerializer")
    assert settings.SESSION_ENGINE == "django.contrib.sessions.backends.db"


def test_the_source_never_unpickles() -> None:
    for folder in ("agent_sessions", "dashboard", "sessions_app"):
        for file in (settings.BASE_DIR / folder).rglob("*.py"):
            words = ("pickle.load", "import shelve", "PickleSerializer", "from pickle")
            assert not any(word in file.read_text() for word in words), file


def test_what_web_processes_cache_has_a_prefix_of_its_own(
    viktor: Client, view: SavedView, make_session: Callable[..., AgentSession], valkey: Any
) -> None:
    session = make_session(context={"class": "7b"})
    cached_key(valkey, viktor)
    viktor.post(f"/sessions/{session.session_id}/presence/", {"doing": ""})
    session_keys = (f"{NAMESPACE}:session:", f"{{{NAMESPACE}:session:")
    theirs = (*session_keys, Keys(NAMESPACE).heartbeats, Keys(NAMESPACE).beats)
    for key in valkey.keys("*"):
        name = key.decode()
        assert name.startswith((f"{Keys(NAMESPACE).web}:", *theirs)), name


@pytest.mark.parametrize("foreign", GARBAGE.values(), ids=GARBAGE)
def test_a_cached_count_that_is_none_is_counted_anew(
    viktor: Client,
    view: SavedView,
    make_session: Callable[..., AgentSession],
    valkey: Any,
    foreign: bytes,
) -> None:
    make_session(context={"class": "7b"})
    key = cached_key(valkey, viktor)
    valkey.set(key, foreign)
    answer = viktor.get("/views/counts/")
    assert answer.status_code == 200
    assert answer.json()[str(view.pk)]["n"] == 1


def test_a_key_of_another_kind_is_counted_anew(
    viktor: Client, view: SavedView, valkey: Any, db: None
) -> None:
    key = cached_key(valkey, viktor)
    valkey.delete(key)
    valkey.hset(key, "a", "b")
    assert viktor.get("/views/counts/").status_code == 200


def test_what_is_cached_comes_back(valkey: Any) -> None:
    cache.set("a", [5, True, None, "ä"], 60)
    assert cache.get("a") == [5, True, None, "ä"]
    assert json.loads(valkey.get(cache.make_key("a")) or b"") == [5, True, None, "ä"]


def pages(viktor: Client, session_id: str) -> dict[str, int]:
    """The status of every page that reads from Valkey."""
    at = f"/sessions/{session_id}"
    answers = {
        page: viktor.get(page).status_code
        for page in ("/", f"/?{QUERY}", "/views/counts/", "/chart/", f"{at}/", "/conversations/")
    }
    answers["presence"] = viktor.post(f"{at}/presence/", {"doing": ""}).status_code
    return answers


def plant(client: Any, key: str | bytes, value: bytes) -> None:
    """Stores the value under the key, and as a member of whatever type the key has."""
    kind = client.type(key)
    if kind == b"hash":
        for field in (*client.hkeys(key), "somebody"):
            client.hset(key, field, value)
    elif kind == b"zset":
        client.zadd(key, {value: time.time() * 1000})
    else:
        client.set(key, value)


@pytest.mark.parametrize("sort", ["pickle", *GARBAGE])
def test_what_stands_under_a_key_that_is_read_never_runs_and_breaks_no_page(
    sort: str,
    viktor: Client,
    view: SavedView,
    make_session: Callable[..., AgentSession],
    valkey: Any,
    conversations: Any,
    tmp_path: Path,
) -> None:
    trap = tmp_path / "ran"
    value = pickle.dumps(Trap(trap)) if sort == "pickle" else GARBAGE[sort]
    id = make_session(context={"class": "7b"}).session_id
    conversations.set(f"{CONVERSATION}{id}", '{"turns":[],"current_slots":{},"language":"nl"}')
    conversations.hset(f"{CONVERSATION}{id}#about", mapping={"version": 1, "turns": 0, "bytes": 47})
    conversations.zadd(f"{CONVERSATION}index", {id: time.time() * 1000})
    assert set(pages(viktor, id).values()) == {200}
    presence.here(UUID(id), "olga", "")
    slots = range(int(time.time()) // 10 * 10 - 3600, int(time.time()) + 60, 10)
    for slot in slots:
        valkey.set(Keys(NAMESPACE).beat_count(slot), value)
    for client in (valkey, conversations):
        for key in client.keys("*"):
            if key != f"{CONVERSATION}store".encode():
                plant(client, key, value)
    assert set(pages(viktor, id).values()) == {200}
    assert not trap.exists()


def test_keys_of_another_kind_break_no_page(
    viktor: Client,
    view: SavedView,
    make_session: Callable[..., AgentSession],
    valkey: Any,
    conversations: Any,
) -> None:
    id = make_session(context={"class": "7b"}).session_id
    assert set(pages(viktor, id).values()) == {200}
    for client in (valkey, conversations):
        for key in client.keys("*"):
            was = client.type(key)
            client.delete(key)
            client.set(key, "text") if was != b"string" else client.hset(key, "a", "b")
    conversations.hset(f"{CONVERSATION}{id}", "a", "b")
    conversations.delete(f"{CONVERSATION}store", f"{CONVERSATION}index")
    conversations.zadd(f"{CONVERSATION}index", {id: time.time() * 1000})
    assert set(pages(viktor, id).values()) == {200}


@pytest.mark.parametrize("foreign", [*GARBAGE.values(), b'[1e300, ""]', b'[0, ""]'])
def test_a_presence_that_is_none_is_ignored(
    valkey: Any, make_session: Callable[..., AgentSession], foreign: bytes
) -> None:
    id = UUID(make_session().session_id)
    presence.here(id, "viktor", "")
    valkey.hset(Keys(NAMESPACE).present(id), "olga", foreign)
    valkey.hset(Keys(NAMESPACE).present(id), b"\xff\xfe", json.dumps([time.time(), ""]))
    valkey.hset(Keys(NAMESPACE).present(id), "x" * 10_000, json.dumps([time.time(), ""]))
    presence.here(id, "paula", "pauses")
    assert presence.here(id, "viktor", "") == [presence.Present("paula", "pauses")]


def test_of_a_crowd_only_some_are_read(
    valkey: Any, make_session: Callable[..., AgentSession]
) -> None:
    id = UUID(make_session().session_id)
    crowd = {f"n{i}": json.dumps([time.time(), ""]) for i in range(5_000)}
    valkey.hset(Keys(NAMESPACE).present(id), mapping=crowd)
    assert 0 < len(presence.here(id, "viktor", "")) <= presence.MOST
