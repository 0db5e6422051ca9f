"""One open page: a slot for the newest update, its place in a queue, and the browser's credit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from .. import metrics
from ..limits import LIMITS, FeedLimits
from . import run_eagerly
from .auth import Viewer
from .frames import Update
from .protocol import Hello
from .send_scheduler import Queue, SendScheduler

log = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], Awaitable[None]]


class SocketConnection:
    """Without credit updates are merged in the slot; a page that stays without it too long is closed."""

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
                "queue",
        "queued_hello",
        "reload",
        "sent",
        "since",
        "timeline",
        "tokens",
        "tokens_at",
        "unacked_bytes",
        "update",
        "viewer",
        "waiting_since",
    )  # fmt: skip

    def __init__(
        self,
        send: Send,
        *,
        scheduler: SendScheduler,
        monotonic: Callable[[], float],
        limits: FeedLimits = LIMITS,
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
        self.update: Update | None = None
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

    def enqueue(self, update: Update) -> None:
        """Puts the update into the slot, merged with an unsent one."""
        if self.update is None:
            self.update = update
        else:
            metrics.CONFLATED.inc()
            self.update = self.update.merged(update)

    def push(self, update: Update) -> None:
        self.enqueue(update)
        self.schedule()

    def set_newcomers(self, n: int) -> None:
        if n != self.new_sent or self.new is not None:
            self.new = n

    def schedule(self) -> None:
        """Puts the connection into a queue if there is something to write and credit for it."""
        if self._may_write:
            self._scheduler.take(self, is_change=self._has_change)

    @property
    def _may_write(self) -> bool:
        """One property with the likeliest case first, because it is read twice for each frame."""
        if self._writer is not None or self.closed is not None:
            return False
        if (
            self.update is None
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
        """The answer to a hello is not a change, so that a thousand reconnects delay no changes."""
        return self.update is not None and self.update.is_change and self.hello_seq is None

    def write(self, header: str, now: float) -> int:
        """Writes one frame, if it still may; returns its size."""
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
        except Exception as error:  # servers raise different errors for a peer that is gone
            log.debug("a page disconnected while a frame was sent: %r", error)
        else:
            if writer is not None:
                self._writer = writer
                writer.add_done_callback(self._written)
        if self.update is not None:
            self.schedule()
        return len(frame)

    def _written(self, writer: asyncio.Task[None]) -> None:
        self._writer = None
        if not writer.cancelled() and (error := writer.exception()):
            log.debug("a page disconnected while a frame was sent: %r", error)
        self.schedule()

    def _next_frame(self, header: str) -> str:
        self.sent += 1
        update, rest = (
            self.update.split(self._limits.frame_bytes) if self.update is not None else (None, None)
        )
        self.update, self.keepalive_due = rest, False
        own = rest is not None or self.hello_seq is not None or self.new is not None
        more = self._more(rest) if own else ""
        return f'{{"n":{self.sent},{header}{more}{update.body() if update is not None else "}"}'

    def _more(self, rest: Update | None) -> str:
        """The part of a frame that belongs to this page alone."""
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
        """False if the browser acknowledges a frame that was never sent."""
        if n > self.sent:
            return False
        count, self.acked = max(n - self.acked, 0), max(n, self.acked)
        self.unacked_bytes -= sum(self._sizes[:count])
        del self._sizes[:count]
        self.waiting_since = self._monotonic() if self._sizes else None
        self.schedule()
        return True

    def may_speak(self) -> bool:
        """Takes a token for one message; False without any."""
        now = self._monotonic()
        gained = (now - self.tokens_at) * self._limits.messages_per_second
        self.tokens = min(self._limits.message_burst, self.tokens + gained) - 1
        self.tokens_at = now
        return self.tokens >= 0

    def close(self, code: int, reason: str) -> asyncio.Task[None] | None:
        """Closes the socket, once. The caller keeps a reference to the task."""
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
            log.debug("a page disconnected before it could be closed: %r", error)

    async def idle(self) -> None:
        """Waits until nothing is being written: the slot is empty, or there is no credit."""
        await self._scheduler.idle()
        while tasks := [t for t in (self._writer, self._closing) if t is not None and not t.done()]:
            await asyncio.wait(tasks)

    def release(self) -> None:
        """Drops the update and ends a blocked send."""
        self.closed = self.closed or 1000
        self.update = None
        if self._writer is not None:
            self._writer.cancel()
