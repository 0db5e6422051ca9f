"""Cost of history, version, guard and feed for writers: checkpoints with the triggers and without.

With them every version must have its history entry, and the newest of every session must have been
announced.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg

from tools.bench import seed
from tools.bench.comparison import Arm, Bar, Comparison, Measured, NotRight
from tools.bench.rows import checkpoint
from tools.bench.stage import GUARDED, UNGUARDED, Stage

WITHOUT_HISTORY = """
SELECT count(*) FROM agent_sessions s
WHERE s.version <> (SELECT count(*) FROM agent_session_history h WHERE h.session_id = s.id)
"""


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    for clients, bar in ((8, 0.75), (32, 0.7)):
        ids = checkpoint.seeded(stage, GUARDED, 20, clients)
        bare = checkpoint.seeded(stage, UNGUARDED, 20, clients)
        async with stage.ours() as guarded, stage.ours(UNGUARDED) as unguarded:
            yield Comparison(
                f"{clients} clients, history, version, guard and feed",
                "itself without triggers",
                _checked(stage, checkpoint.arm(stage, GUARDED, guarded, ids)),
                checkpoint.arm(stage, UNGUARDED, unguarded, bare),
                (Bar("rate", "stored/s", at_least=bar),),
            )


def _checked(stage: Stage, arm: Arm) -> Arm:
    async def checked() -> Measured:
        before = _versions(stage)
        with psycopg.connect(stage.url(GUARDED), autocommit=True) as listener:
            listener.execute("LISTEN agent_sessions")
            figures = await arm()
            heard = {
                pair for n in listener.notifies(timeout=1) for pair in seed.announced(n.payload)
            }
        silent = stage.value(GUARDED, WITHOUT_HISTORY)
        unheard = _versions(stage) - before - heard
        if silent or unheard:
            raise NotRight(f"{silent} sessions without history, {len(unheard)} not announced")
        return figures

    return checked


def _versions(stage: Stage) -> set[tuple[str, int]]:
    return set(stage.fetch(GUARDED, "SELECT id::text, version FROM agent_sessions"))
