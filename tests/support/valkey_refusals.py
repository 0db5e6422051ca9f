"""States in which Valkey refuses commands: how to cause each, and how to end it without a restart."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

# Created first: in some states no other user can end them.
_RESCUE = "ACL SETUSER rescue on >rescue ~* &* +@all"
_PUT_OUT = ("CLIENT KILL TYPE pubsub", "CLIENT KILL TYPE normal")
SNAPSHOT = "dump.rdb"
PATIENCE = 20
STORED = "True"
REFUSED = (
    redis.ResponseError,
    redis.exceptions.AuthenticationError,
    redis.exceptions.BusyLoadingError,
)


@dataclass(frozen=True)
class Refusal:
    """Commands with single spaces between words; {user} and {secret} stand for those of the address."""

    name: str
    begin: tuple[str, ...]
    end: tuple[str, ...]


READONLY = Refusal("READONLY", ("REPLICAOF 127.0.0.1 1",), ("REPLICAOF NO ONE",))
MASTERDOWN = Refusal(
    "MASTERDOWN",
    ("CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 1"),
    ("REPLICAOF NO ONE", "CONFIG SET replica-serve-stale-data yes"),
)
OOM = Refusal(
    "OOM",
    ("CONFIG SET maxmemory-policy noeviction", "CONFIG SET maxmemory 1"),
    ("CONFIG SET maxmemory 0",),
)
# A connected client keeps its rights until it disconnects.
NOAUTH = Refusal(
    "NOAUTH",
    (_RESCUE, "ACL SETUSER {user} resetpass >other", *_PUT_OUT),
    ("ACL SETUSER {user} resetpass {secret}",),
)
NOPERM = Refusal(
    "NOPERM",
    (_RESCUE, "ACL SETUSER {user} -@all +auth +hello"),
    ("ACL SETUSER {user} +@all",),
)
BY_COMMAND = (READONLY, MASTERDOWN, OOM, NOAUTH, NOPERM)


def tell(url: str, commands: Sequence[str], log_in: str = "") -> None:
    """Runs commands on one connection of this log-in (`name:secret`), or of the address's own."""
    own, at = _log_in(url)
    user, _, secret = own.partition(":")
    words = {"user": user or "default", "secret": f">{secret}" if secret else "nopass"}
    scheme = url.partition("://")[0]
    with redis.Redis.from_url(f"{scheme}://{log_in}@{at}" if log_in else url) as client:
        for command in commands:
            client.execute_command(*(word.format(**words) for word in command.split(" ")))


def _log_in(url: str) -> tuple[str, str]:
    """`name:secret` of the URL, and what follows it."""
    own, _, at = url.partition("://")[2].rpartition("@")
    return own, at


def end(url: str, refusal: Refusal) -> None:
    """Ends the state with the user that may always do so, where one is needed."""
    tell(url, refusal.end, "rescue:rescue" if _RESCUE in refusal.begin else "")


def answer(client: Any) -> str:
    """The answer to a write, once a connection is possible."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return str(client.set("x", "1"))
        except REFUSED as error:
            return f"{type(error).__name__.upper()} {error}"
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def fail_to_save(url: str, folder: Path) -> None:
    """MISCONF: the snapshot cannot be written, and writes are refused until it can."""
    (folder / SNAPSHOT / "in the way").mkdir(parents=True)  # a folder in place of the file
    with redis.Redis.from_url(url) as client:
        client.config_set("save", "3600 1")
        client.set("x", "1")
        client.bgsave()
        _until(client, "rdb_last_bgsave_status", "err")


def save_again(url: str, folder: Path) -> None:
    (folder / SNAPSHOT / "in the way").rmdir()
    (folder / SNAPSHOT).rmdir()
    with redis.Redis.from_url(url) as client:
        client.bgsave()
        _until(client, "rdb_last_bgsave_status", "ok")
        client.config_set("save", "")


def _until(client: Any, fact: str, value: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while client.info("persistence")[fact] != value:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{fact} does not become {value}")
        time.sleep(0.02)
