"""The host and port to serve on, and whether they are free."""

from __future__ import annotations

import errno
import socket

from dashboard.errors import SetupError
from dashboard.polling import poll

RELEASE_TIMEOUT = 3.0  # seconds; a killed process may still hold the port


def url_of(host: str, port: int, prefix: str = "") -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    name = f"[{reachable}]" if ":" in reachable else reachable
    return f"http://{name}:{port}{prefix}/"


def check_port(host: str, port: int, patience: float = RELEASE_TIMEOUT) -> None:
    for is_last in poll(patience, 0.2):
        error = _bind_error(host, port)
        if error is None:
            return
        if error.errno != errno.EADDRINUSE or is_last:
            raise SetupError(_meaning(host, port, error)) from None


def _bind_error(host: str, port: int) -> OSError | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        return error
    return None


def _meaning(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken: stop what serves there, or choose another PORT"
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than this account has: choose a PORT above 1023"
    return f"HOST={host} is no address of this machine ({error.strerror}): choose another HOST"
