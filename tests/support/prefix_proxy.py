"""A proxy that gives the dashboard a path prefix, like nginx, for HTTP and WebSocket."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from itertools import takewhile
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) (HTTP/1\.[01])\r\n")
NOT_OURS = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


class PrefixProxy:
    """Forwards requests below the prefix, with or without it; refuses and records all others."""

    def __init__(self, target: str, prefix: str, *, strips: bool) -> None:
        parts = urlsplit(target)
        self._target = (str(parts.hostname), int(parts.port or 80))
        self._prefix, self._strips = prefix.encode(), strips
        self.outside: list[str] = []
        self._server = Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{prefix}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[StreamRequestHandler]:
        proxy = self

        class Handler(StreamRequestHandler):
            """One request a connection: rewrites the head and forwards everything after it."""

            def handle(self) -> None:
                with suppress(OSError):
                    head = proxy._rewritten(list(takewhile(lambda line: line.strip(), self.rfile)))
                    if head is None:
                        self.wfile.write(NOT_OURS)
                    else:
                        proxy._forward(head, self)

        return Handler

    def _rewritten(self, lines: list[bytes]) -> bytes | None:
        line = REQUEST_LINE.fullmatch(lines[0]) if lines else None
        if line is None:
            return None
        method, path, version = line.groups()
        if not path.startswith(self._prefix + b"/"):
            self.outside.append(path.decode("latin-1"))
            return None
        passed = path.removeprefix(self._prefix) if self._strips else path
        head = b"%s %s %s\r\n" % (method, passed, version)
        return head + b"".join(_for_one_request(lines[1:])) + b"\r\n"

    def _forward(self, head: bytes, handler: StreamRequestHandler) -> None:
        with socket.create_connection(self._target) as there:
            there.sendall(head)
            up = threading.Thread(target=_pass_body, args=(handler, there), daemon=True)
            up.start()
            while data := there.recv(65536):
                handler.connection.sendall(data)


def _for_one_request(headers: Iterable[bytes]) -> list[bytes]:
    kept = list(headers)
    if any(line.lower().startswith(b"upgrade: websocket") for line in kept):
        return kept
    return [line for line in kept if not line.lower().startswith(b"connection:")] + [
        b"Connection: close\r\n"
    ]


def _pass_body(handler: StreamRequestHandler, there: socket.socket) -> None:
    """Forwards until the browser has sent all, then tells the dashboard so."""
    with suppress(OSError, ValueError):
        while data := handler.rfile.read1(65536):
            there.sendall(data)
    with suppress(OSError):
        there.shutdown(socket.SHUT_WR)
