"""Refuses request bodies over DATA_UPLOAD_MAX_MEMORY_SIZE.

By their Content-Length before they are read; a chunked body as soon as it exceeds the limit.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from io import BytesIO
from typing import Any

from daphne.http_protocol import WebRequest
from django.conf import settings

from dashboard import problems, url_prefix

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

SAID = b"The request is too large.\n"


class Nowhere(BytesIO):
    """A file that discards what is written to it."""

    def write(self, data: Any) -> int:
        return len(data)


def refuse_in_daphne() -> None:
    """Makes Daphne check the length first; it would otherwise write any body to disk before the application runs."""
    WebRequest.gotLength = _got_length
    WebRequest.handleContentChunk = _handle_chunk
    WebRequest.process = _process


_keep_length = WebRequest.gotLength
_keep_chunk = WebRequest.handleContentChunk
_keep_process = WebRequest.process


def _got_length(self: Any, length: int | None) -> None:
    self.kept_bytes = 0
    self.is_too_large = length is not None and length > _most()
    if self.is_too_large:
        self.content = Nowhere()
        _answer(self)
    else:
        _keep_length(self, length)


def _handle_chunk(self: Any, data: bytes) -> None:
    """Counts the bytes: a chunked body has no Content-Length."""
    self.kept_bytes += len(data)
    if not self.is_too_large and self.kept_bytes > _most():
        self.is_too_large = True
        self.content.close()
        self.content = Nowhere()
        _answer(self)
    _keep_chunk(self, data)


def _process(self: Any) -> Any:
    if self.is_too_large:
        self.channel.loseConnection()
        return None
    return _keep_process(self)


def _answer(self: Any) -> None:
    """Answers before the body is complete, so that the client can stop sending."""
    # the request's own path is not set yet
    kind, said = _said(self.channel._path.decode("latin-1"))
    head = (
        "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(said)}\r\n\r\n"
    )
    self.channel.transport.write(head.encode() + said)


def _said(path: str) -> tuple[str, bytes]:
    """Content type and body of the refusal."""
    if url_prefix.without(settings.URL_PREFIX, path).startswith(problems.API):
        return problems.CONTENT_TYPE, json.dumps(problems.document(413)).encode()
    return "text/plain; charset=utf-8", SAID


class TooLarge(Exception):
    """The body that is being received exceeds the limit."""


def limited(app: App) -> App:
    """The same for every other ASGI server; `app` reads the whole body before it answers, as Django does."""

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        try:
            if _length(scope) > _most():
                raise TooLarge
            await app(scope, _counted(receive), send)
        except TooLarge:
            kind, said = _said(scope.get("path", ""))
            headers = [(b"content-type", kind.encode()), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 413, "headers": headers})
            await send({"type": "http.response.body", "body": said})

    return application


def _counted(receive: Receive) -> Receive:
    received = 0

    async def counting() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > _most():
            raise TooLarge
        return message

    return counting


def _most() -> int:
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)


def _length(scope: Message) -> int:
    said = dict(scope["headers"]).get(b"content-length", b"")
    return int(said) if said.isdigit() and len(said) < 20 else 0
