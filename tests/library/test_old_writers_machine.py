"""Two old agents, a new one and an administrator on one session, in any order.

Each old agent sets, resets and removes its keys, with and without checkpoints: its keys have the
values it wrote last, and it changes no other keys.
"""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from tests.library.machines import World, world
from tests.library.old_agent import OldAgent
from tests.library.people import OLGA, Sql, history, row
from tests.library.replay import replayed

WHO = st.sampled_from(["first", "second"])
VALUES: st.SearchStrategy[Any] = st.sampled_from([None, 0, 1, [], [1], {"a": 1}, {"b": 1}, {}])


def old_writers_machine(here: World, sql: Sql) -> type[RuleBasedStateMachine]:
    manager = here.managers[0]

    class OldWriters(RuleBasedStateMachine):
        @initialize(by_old=st.booleans())
        def a_session_begins(self, by_old: bool) -> None:
            start: dict[str, Any] = {"rubric": 0, "shared": {"x": 0}}
            maker = OldAgent(sql)
            if by_old:
                self.id = here.run(maker.create(**start))
            else:
                self.id = here.run(manager.create_session("grader", context=start)).session_id
            self.expected: dict[str, Any] = start | {"shared": {"x": 0}}
            self.token = 0
            self.old: dict[str, OldAgent] = {}
            for who in ("first", "second"):
                self.one_starts(who=who)

        @rule(who=WHO)
        def one_starts(self, who: str) -> None:
            """Reads the row and stores a checkpoint, which identifies its array."""
            self.old[who] = OldAgent(sql)
            here.run(self.old[who].load(self.id))
            self.old[who].checkpoint("started", who=who)
            here.run(self.old[who].save())

        @rule(who=WHO, changes=st.dictionaries(st.sampled_from("ab"), VALUES), inside=st.booleans(),
              checkpoint=st.booleans())  # fmt: skip
        def one_writes(
            self, who: str, changes: dict[str, Any], inside: bool, checkpoint: bool
        ) -> None:
            agent = self.old[who]
            parts = [(agent.cache["context"], self.expected)]
            if inside:
                parts = [(own["shared"], expected["shared"]) for own, expected in parts]
            for name, value in changes.items():
                for part in parts[0]:
                    part.pop(f"{who} {name}", None)
                    if value is not None:
                        part[f"{who} {name}"] = value
            if checkpoint:
                agent.checkpoint("turn", who=who)
            here.run(agent.save())

        @rule(who=WHO)
        def one_beats(self, who: str) -> None:
            here.run(self.old[who].save())

        @rule(who=WHO, left=st.integers(1, 4))
        def one_shortens_its_array(self, who: str, left: int) -> None:
            cache = self.old[who].cache
            cache["checkpoints"] = cache["checkpoints"][-left:]

        @rule(back=st.booleans())
        def an_administrator_edits(self, back: bool) -> None:
            self.token += 1
            self.expected["rubric"] = 0 if back else self.token
            self.expected["shared"]["x"] = self.token
            context = self.expected | {"shared": dict(self.expected["shared"])}
            here.run(manager.edit(self.id, context=context, **OLGA))

        @rule(count=st.sampled_from([1, 3, 60]), context=st.booleans())
        def ours_works(self, count: int, context: bool) -> None:
            ours = here.run(manager.get_session(self.id))
            assert ours is not None
            for n in range(count):
                ours.checkpoint("essay_marked", {"n": n})
                if context:
                    self.token += 1
                    ours.context["ours"] = self.expected["ours"] = self.token
                here.run(manager.update_session(ours))

        @rule()
        def an_administrator_pauses_and_resumes(self) -> None:
            here.run(manager.pause(self.id, **OLGA))
            here.run(manager.resume(self.id, **OLGA))

        @invariant()
        def each_has_what_it_wrote_last(self) -> None:
            now = here.run(row(sql, self.id))
            assert now["context"] == self.expected
            assert now["refused_writes"] == 0
            entries = here.run(history(sql, self.id))
            assert replayed(entries) == (now["version"], now["state"], now["epoch"])

    return OldWriters


def test_each_old_agent_s_keys_are_what_it_wrote_last_and_others_are_not_touched(
    database_url: str,
) -> None:
    with world({"database_url": database_url}) as here:
        sql = here.run(psycopg.AsyncConnection.connect(database_url, autocommit=True))
        try:
            run_machine(old_writers_machine(here, sql))
        finally:
            here.run(asyncio.gather(sql.close()))
