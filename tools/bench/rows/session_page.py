"""The page of a session with a long history beside that of one with a short one.

Measured: the whole page, its panels as they are refreshed live, and the data of its time axis. A
page counts when it shows the newest checkpoint.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg

from tools.bench import seed, seed_large_tables
from tools.bench.comparison import Arm, Bar, Comparison, Measured, NotRight
from tools.bench.django_client import Dashboard, dashboard, timed
from tools.bench.stage import Stage

DATABASE = "bench_session_page"
OTHERS = 1_000
MUCH, LITTLE = (500, 5_000), (5, 50)
TIMES = 10
PARTS = {"page": "", "panels": "panels/", "time axis": "timeline/"}
NEWEST = "SELECT id::text FROM agent_sessions ORDER BY created_at DESC LIMIT 2"
# Every tenth version brings a checkpoint, the others change the context.
CHECKPOINTS = """
INSERT INTO agent_session_checkpoints (session_id, n, name, at, data, context_version, version, actor, source)
SELECT %(id)s, n, 'essay_' || n %% 8, now() - (%(checkpoints)s - n) * interval '10 s', %(data)s,
    n * 10 - 1, n * 10, 'grader', 'agent'
FROM generate_series(1, %(checkpoints)s) AS n
"""
HISTORY = """
INSERT INTO agent_session_history (session_id, version, at, kind, from_state, to_state, epoch, checkpoint_n,
    checkpoint_name, paths, actor, source)
SELECT %(id)s, v, now() - (%(history)s - v) * interval '1 s', CASE WHEN v %% 10 = 0 THEN 'checkpoint' ELSE 'context' END,
    'active', 'active', 0, CASE WHEN v %% 10 = 0 THEN v / 10 END, CASE WHEN v %% 10 = 0 THEN 'essay_' || v / 10 %% 8 END,
    ARRAY['essays.' || v], 'grader', 'agent'
FROM generate_series(1, %(history)s) AS v
"""
SESSION = """
UPDATE agent_sessions SET version = %(history)s, context_version = %(history)s, checkpoint_count = %(checkpoints)s,
    checkpoints_through = 0, context = %(context)s
WHERE id = %(id)s
"""


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    with dashboard(stage) as pages:
        await pages.prepare(DATABASE)
        seed_large_tables.fill(stage, DATABASE, OTHERS)
        much, little = (id for (id,) in stage.fetch(DATABASE, NEWEST))
        _did(stage, much, *MUCH)
        _did(stage, little, *LITTLE)
        for part, path in PARTS.items():
            yield Comparison(
                f"{part}, {MUCH[0]:,} checkpoints and {MUCH[1]:,} history rows",
                f"itself with {LITTLE[0]} and {LITTLE[1]}",
                _page(pages, f"/sessions/{much}/{path}", MUCH[0]),
                _page(pages, f"/sessions/{little}/{path}", LITTLE[0]),
                (Bar("ms", "ms", at_most=1.5 if part == "page" else None),),
            )


def _did(stage: Stage, session_id: str, checkpoints: int, history: int) -> None:
    values = {
        "id": session_id,
        "checkpoints": checkpoints,
        "history": history,
        "data": seed.as_json(seed.data()),
        "context": seed.as_json(seed.context()),
    }
    tables = ("checkpoints", "history")
    with psycopg.connect(stage.url(DATABASE), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for table in tables:
            connection.execute(
                f"DELETE FROM agent_session_{table} WHERE session_id = %s", (session_id,)
            )
        for statement in (CHECKPOINTS, HISTORY, SESSION):
            connection.execute(statement, values)
        for table in tables:
            connection.execute(f"VACUUM (ANALYZE) agent_session_{table}")


def _page(pages: Dashboard, path: str, checkpoints: int) -> Arm:
    async def arm() -> Measured:
        newest = f"essay_{checkpoints % 8}"
        shown = await pages.over(DATABASE, lambda client: client.get(path).content.decode())
        if newest not in shown:
            raise NotRight(f"{path} does not show {newest}")
        return {"ms": await pages.over(DATABASE, lambda client: timed(client, path, TIMES))}

    return arm
