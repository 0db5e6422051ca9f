"""A process that adds turns: python -m tests.library.conversation.writer URL NAME COUNT."""

from __future__ import annotations

import asyncio
import sys

from agent_sessions.conversation import ConversationConfig, ConversationManager


async def main(url: str, name: str, count: int) -> None:
    async with ConversationManager(ConversationConfig(valkey_url=url)) as manager:
        print("ready", flush=True)
        sys.stdin.readline()
        for n in range(count):
            await manager.add_turn_to_session("shared", f"{name} {n}", f"answer to {name} {n}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
