"""Where Valkey alone holds the record."""

from __future__ import annotations

import redis.asyncio

from tests.library.conftest import Make


async def test_a_session_that_only_beats_is_kept(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    manager = await another(database=False)
    beating = await manager.create_session("grader")
    silent = await manager.create_session("grader")
    keys = [f"breakpilot:session:{s.session_id}" for s in (beating, silent)]
    for key in keys:
        await redis_client.expire(key, 60)  # most of its time is over
    await manager.heartbeat(beating.session_id)
    lifetimes = [await redis_client.ttl(key) for key in keys]
    assert lifetimes[0] > 23 * 3600
    assert lifetimes[1] <= 60
