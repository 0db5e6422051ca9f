"""Channels as documented: each page is a consumer in one group, each change is sent to the group.

The sender waits when a page is eight messages behind, as the feed does for browsers. Without that
limit it would be faster, and the layer would silently drop messages.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

import django
from django.conf import settings

BEHIND = 8
LAYERS = {
    "redis": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
    "memory": "channels.layers.InMemoryChannelLayer",
}
GROUP = "sessions"
SESSION = "00000000-0000-4000-8000-000000000000"


def layers() -> dict[str, Any]:
    kind = os.environ.get("BENCH_LAYER", "redis")
    patient = {
        "address": settings.VALKEY_URL,
        "socket_timeout": 60,
    }  # longer than redis-py's default, because the layer blocks
    config = {} if kind == "memory" else {"hosts": [patient]}
    return {"default": {"BACKEND": LAYERS[kind], "CONFIG": config}}


settings.CHANNEL_LAYERS = layers()
django.setup()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

passed_on: dict[Any, int] = {}


class Consumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    sending: asyncio.Task[None] | None = None
    halted = False

    async def connect(self) -> None:
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.accept()
        await self.send(text_data='{"hello":1}')
        passed_on[self] = 0

    async def disconnect(self, code: int) -> None:
        self.halted = True
        passed_on.pop(self, None)
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """The sender ends without cancellation, which redis-py sometimes swallows."""
        self.halted = text_data != "go"
        if not self.halted:
            self.sending = asyncio.create_task(self.send_until_halted())

    async def change(self, event: dict[str, Any]) -> None:
        passed_on[self] += 1
        await self.send(text_data=event["text"])

    async def send_until_halted(self) -> None:
        html = "x" * int(os.environ.get("BENCH_HTML", "0"))
        start, sent = min(passed_on.values()), 0
        while not self.halted:
            sent += 1
            news = {"id": SESSION, "version": int(time.time() * 1e6), "beat": 0, "html": html}
            head = {"n": sent, "now": int(time.time() * 1000), "feed": {"status": "live"}}
            text = json.dumps({**head, "session": news}, separators=(",", ":"))
            await self.channel_layer.group_send(GROUP, {"type": "change", "text": text})
            while not self.halted and start + sent - min(passed_on.values()) >= BEHIND:  # noqa: ASYNC110
                await asyncio.sleep(0.002)


application = ProtocolTypeRouter(
    {"websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(Consumer.as_asgi()))}
)
