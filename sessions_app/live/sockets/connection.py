"""One open page: a slot for the newest news, its turn to be written to, and credit that the browser grants."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from .. import metrics
from ..limits import LIMITS, Limits
from . import run_eagerly
from .auth import Viewer
from .frames import Update
from .protocol import Hello
from .send_scheduler import Queue, SendScheduler

log = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Connection:
    """Without credit the slot only conflates; the hub closes who stays without it too long."""

    __slots__ = (
        "_closing",
        "_limits",
        "_monotonic",
        "_scheduler",
        "_send",
        "_sizes",
        "_writer",
        "acked",
        "closed",
        "hello_seq",
        "keepalive_due",
        "last_frame_at",
        "new",
        "new_sent",
        "opened_at",
        "parts",
        "queue",
        "queued_hello",
        "reload",
        "sent",
        "since",
        "timeline",
        "tokens",
        "tokens_at",
        "unacked_bytes",
        "viewer",
        "waiting_since",
    )  # fmt: skip

    def __init__(
        self,
        send: Send,
        *,
        scheduler: SendScheduler,
        monotonic: Callable[[], float],
        limits: Limits = LIMITS,
    ) -> None:
        self._send, self._scheduler, self._monotonic, self._limits = (
            send,
            scheduler,
            monotonic,
            limits,
        )
        self.queue: Queue | None = None
        self.viewer: Viewer | None = None
        self.queued_hello: Hello | None = None
        self.since = 0.0
        self.parts: Update | None = None
        self.keepalive_due = False
        self.new: int | None = None
        self.new_sent = 0
        self.hello_seq: int | None = None
        self.timeline = ""
        self.reload = False
        self.sent = self.acked = self.unacked_bytes = 0
        self._sizes: list[int] = []
        self.opened_at = self.last_frame_at = self.tokens_at = monotonic()
        self.waiting_since: float | None = None
        self.tokens = limits.message_burst
        self.closed: int | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    def enqueue(self, parts: Update) -> None:
        """Takes news for the next frame; what was not yet sent is merged, never queued."""
        if self.parts is None:
            self.parts = parts
        else:
            metrics.CONFLATED.inc()
            self.parts = self.parts.merged(parts)

    def tell_newcomers(self, n: int) -> None:
        if n != self.new_sent or self.new is not None:
            self.new = n

    def schedule(self) -> None:
        """Waits for its turn, when there is something to write and credit to write it with."""
        if self._may_write:
            self._scheduler.take(self, is_change=self._has_change)

    @property
    def _may_write(self) -> bool:
        """Asked twice for each frame: one property, the likeliest answer first."""
        if self._writer is not None or self.closed is not None:
            return False
        if (
            self.parts is None
            and not self.keepalive_due
            and self.new is None
            and self.hello_seq is None
        ):
            return False
        waiting, limits = self.sent - self.acked, self._limits
        return waiting == 0 or (
            waiting < limits.window_frames and self.unacked_bytes < limits.window_bytes
        )

    @property
    def _has_change(self) -> bool:
        """The answer to a hello is none: a thousand that come back at once delay no change."""
        return self.parts is not None and self.parts.is_change and self.hello_seq is None

    def write(self, header: str, now: float) -> int:
        """One frame, if it still may; its size."""
        self.queue = None
        if not self._may_write:
            return 0
        frame = self._next_frame(header)
        self.last_frame_at = now
        self.waiting_since = self.waiting_since or now
        self._sizes.append(len(frame))
        self.unacked_bytes += len(frame)
        try:
            writer = run_eagerly.start(self._send({"type": "websocket.send", "text": frame}))
        except Exception as error:  # whatever the server raises for a peer that has gone
            log.debug("page went away while being written to: %r", error)
        else:
            if writer is not None:
                self._writer = writer
                writer.add_done_callback(self._written)
        if self.parts is not None:
            self.schedule()
        return len(frame)

    def _written(self, writer: asyncio.Task[None]) -> None:
        self._writer = None
        if not writer.cancelled() and (error := writer.exception()):
            log.debug("page went away while being written to: %r", error)
        self.schedule()

    def _next_frame(self, header: str) -> str:
        self.sent += 1
        parts, rest = self.parts.split(self._limits.frame_bytes) if self.parts else (None, None)
        self.parts, self.keepalive_due = rest, False
        own = rest is not None or self.hello_seq is not None or self.new is not None
        more = self._more(rest) if own else ""
        return f'{{"n":{self.sent},{header}{more}{parts.body() if parts else "}"}'

    def _more(self, rest: Update | None) -> str:
        """What is this page's alone."""
        texts = []
        if self.new is not None:
            texts.append(f',"new":{self.new}')
            self.new_sent, self.new = self.new, None
        if rest is not None:
            texts.append(',"more":true')
        elif self.hello_seq is not None:
            texts.append(f',"hello":{self.hello_seq},"timeline":"{self.timeline}"')
            self.hello_seq = None
            if self.reload:
                texts.append(',"reload":true')
        return "".join(texts)

    def acknowledge(self, n: int) -> bool:
        """False when the browser acknowledges what was never sent."""
        if n > self.sent:
            return False
        count, self.acked = max(n - self.acked, 0), max(n, self.acked)
        self.unacked_bytes -= sum(self._sizes[:count])
        del self._sizes[:count]
        self.waiting_since = self._monotonic() if self._sizes else None
        self.schedule()
        return True

    def may_speak(self) -> bool:
        """Counts one message against the bucket that floods empty."""
        now = self._monotonic()
        gained = (now - self.tokens_at) * self._limits.messages_per_second
        self.tokens = min(self._limits.message_burst, self.tokens + gained) - 1
        self.tokens_at = now
        return self.tokens >= 0

    def close(self, code: int, reason: str) -> asyncio.Task[None] | None:
        """Ends the socket once; the task is the caller's to keep."""
        if self.closed is not None:
            return None
        self.closed = code
        metrics.CLOSED.labels(str(code)).inc()
        log.info("closing a page: %s %s", code, reason)
        self._closing = asyncio.create_task(self._close(code, reason))
        return self._closing

    async def _close(self, code: int, reason: str) -> None:
        self.release()
        try:
            async with asyncio.timeout(self._limits.hello):
                await self._send({"type": "websocket.close", "code": code, "reason": reason[:120]})
        except Exception as error:
            log.debug("page had gone before it could be closed: %r", error)

    async def idle(self) -> None:
        """Until nothing is being written: the slot is empty, or there is no credit."""
        await self._scheduler.idle()
        while tasks := [t for t in (self._writer, self._closing) if t is not None and not t.done()]:
            await asyncio.wait(tasks)

    def release(self) -> None:
        """Lets go of everything held for this page."""
        self.closed = self.closed or 1000
        self.parts = None
        if self._writer is not None:
            self._writer.cancel()
