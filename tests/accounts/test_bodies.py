"""Bodies that are too large are refused by their length, and nothing of them is kept."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.test import AsyncRequestFactory

from dashboard.bodies import limited
from tests.support.dashboard import LiveDashboard
from tests.support.waiting import HANGS

LONGEST = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
HEAD = "POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture
def wire(live_dashboard: LiveDashboard) -> Iterator[socket.socket]:
    port = urlsplit(live_dashboard.url).port
    with socket.create_connection(("127.0.0.1", port or 0), timeout=HANGS) as wire:
        yield wire


def kept_files(live: LiveDashboard) -> list[str]:
    """Open files without a name: bodies that the server keeps for the application."""
    folder = Path(f"/proc/{live.child.process.pid}/fd")
    links = [str(entry.readlink()) for entry in folder.iterdir() if entry.is_symlink()]
    return [link for link in links if link.endswith("(deleted)") and "/tmp" in link]


def answer(wire: socket.socket) -> str:
    return wire.recv(4096).decode()


def test_a_body_of_300_megabytes_is_refused_before_it_is_sent(
    live_dashboard: LiveDashboard, wire: socket.socket
) -> None:
    wire.sendall(f"{HEAD}Content-Length: 300000000\r\n\r\n".encode())
    assert answer(wire).startswith("HTTP/1.1 413 ")
    wire.sendall(b"x" * 1_000_000)
    assert kept_files(live_dashboard) == []


def test_who_sends_it_all_the_same_is_read_and_forgotten(
    live_dashboard: LiveDashboard, wire: socket.socket
) -> None:
    length = LONGEST + 1
    wire.sendall(f"{HEAD}Content-Length: {length}\r\n\r\n".encode() + b"x" * length)
    assert answer(wire).startswith("HTTP/1.1 413 ")
    assert kept_files(live_dashboard) == []
    assert wire.recv(1) == b""


def test_a_body_in_chunks_is_counted(live_dashboard: LiveDashboard, wire: socket.socket) -> None:
    wire.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    for _ in range(LONGEST // 0x100000 + 1):
        wire.sendall(chunk)
    assert answer(wire).startswith("HTTP/1.1 413 ")
    assert kept_files(live_dashboard) == []


def test_other_bodies_are_read_as_before(live_dashboard: LiveDashboard) -> None:
    port = urlsplit(live_dashboard.url).port or 0
    for length in ("0", "3", "1000000", "-1", "x", "1" * 30, "²"):
        with socket.create_connection(("127.0.0.1", port), timeout=HANGS) as wire:
            body = b"x" * int(length) if len(length) < 8 and length.isdecimal() else b""
            wire.sendall(f"{HEAD}Content-Length: {length}\r\n\r\n".encode() + body)
            wanted = ("403",) if body or length == "0" else ("400", "413")
            assert answer(wire).split(" ")[1] in wanted, length


@pytest.mark.parametrize(
    ("length", "status"), [(b"300000000", 413), (b"3", 200), (b"x", 200), (b"", 200)]
)
async def test_another_server_refuses_it_too(length: bytes, status: int) -> None:
    sent: list[Any] = []

    async def pages(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        raise AssertionError("the body is asked for")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [(b"content-length", length)]}
    await limited(pages)(scope, receive, send)
    assert sent[0]["status"] == status


async def test_another_server_refuses_chunks_as_soon_as_they_are_too_much() -> None:
    chunk = b"x" * (10 * 1024 * 1024)
    received, sent = 0, []

    async def receive() -> Any:
        nonlocal received
        received += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": received < 2 * LONGEST}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        **AsyncRequestFactory().post("/login/").scope,
        "headers": [(b"transfer-encoding", b"chunked")],
    }
    await limited(get_asgi_application())(scope, receive, send)
    assert sent[0]["status"] == 413
    assert received == LONGEST + len(chunk)


@pytest.mark.parametrize(("length", "status"), [(1_000_000, "403"), (3_000_000, "413")])
def test_a_form_in_chunks_has_the_limit_of_other_forms(
    live_dashboard: LiveDashboard, wire: socket.socket, length: int, status: str
) -> None:
    wire.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
    wire.sendall(f"{length:x}\r\n".encode() + b"x" * length + b"\r\n0\r\n\r\n")
    assert answer(wire).split(" ")[1] == status
