"""A server that reports an old PostgreSQL version during the handshake."""

from __future__ import annotations

import socket
import struct
import threading

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


class OldPostgres:
    def __init__(self, version: str) -> None:
        parameters = {"server_version": version, "client_encoding": "UTF8"}
        self.greeting = (
            message(b"R", struct.pack("!i", 0))
            + b"".join(
                message(b"S", f"{name}\0{value}\0".encode()) for name, value in parameters.items()
            )
            + message(b"K", struct.pack("!ii", 1, 1))
            + message(b"Z", b"I")
        )
        self.listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> str:
        threading.Thread(target=self._serve, daemon=True).start()
        return f"postgresql://me@127.0.0.1:{self.listener.getsockname()[1]}/old"

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                self._greet(client)

    def _greet(self, client: socket.socket) -> None:
        while True:
            header = client.recv(8)
            if len(header) < 8:
                return
            length, code = struct.unpack("!ii", header)
            if code not in (SSL_REQUEST, GSS_REQUEST):
                break
            client.sendall(b"N")
        client.recv(length)
        client.sendall(self.greeting)
        client.recv(1024)
