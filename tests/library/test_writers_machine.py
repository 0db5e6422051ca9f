"""Managers of several processes, an old agent, an administrator and psql on one session, in any order.

No acknowledged write is lost, no illegal transition happens, an administrator's order is never
undone by an agent, and the history explains the row.
"""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
import redis.asyncio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from agent_sessions import AgentSession, InvalidTransition, SessionEnded, StaleEpoch
from tests.library.machines import World, world
from tests.library.old_agent import OldAgent
from tests.library.people import OLGA, Sql, history, row
from tests.library.replay import replayed, states_that_history_allows

LIVE = ("active", "paused")


def writers_machine(here: World, sql: Sql, valkey: Any) -> type[RuleBasedStateMachine]:
    class Writers(RuleBasedStateMachine):
        @initialize()
        def a_session_begins(self) -> None:
            session = here.run(here.managers[0].create_session("grader", context={"start": 1}))
            self.id = session.session_id
            self.tokens = 0
            self.acknowledged: list[int] = []
            self.expected: dict[str, Any] = {"start": 1}
            self.contexts: dict[int, dict[str, Any]] = {1: {"start": 1}}
            self.copies: list[AgentSession] = [session, *map(self._read, here.managers[1:])]
            self.old = OldAgent(sql, valkey)
            here.run(self.old.load(self.id))
            self.orders = self.orders_known_to_old = 0
            self.fences = self.fences_known_to_old = 0

        def _read(self, manager: Any) -> AgentSession:
            session: AgentSession | None = here.run(manager.get_session(self.id))
            assert session is not None
            return session

        def _row(self) -> dict[str, Any]:
            return here.run(row(sql, self.id))

        def _token(self) -> int:
            self.tokens += 1
            return self.tokens

        # --- agents with the library ---------------------------------------------------------------

        @rule(who=st.integers(0, 2), context=st.booleans())
        def an_agent_of_ours_works(self, who: int, context: bool) -> None:
            manager, mine, token = here.managers[who], self.copies[who], self._token()
            made = mine.checkpoint("essay_marked", {"token": token})
            if context:
                mine.context[f"ours {who}"] = token
            before = self._row()
            try:
                here.run(manager.update_session(mine))
            except (StaleEpoch, SessionEnded):
                assert before["epoch"] != mine.epoch or before["state"] not in LIVE
                self.copies[who] = self._read(manager)
                return
            assert before["epoch"] == mine.epoch and before["state"] in LIVE
            self.acknowledged.append(token)
            if context:
                self.expected[f"ours {who}"] = token
            assert made.n is not None
            self.contexts[made.n] = dict(self.expected)

        @rule(who=st.integers(0, 2))
        def an_agent_of_ours_reads(self, who: int) -> None:
            self.copies[who] = self._read(here.managers[who])

        @rule(who=st.integers(0, 2))
        def an_agent_of_ours_acknowledges(self, who: int) -> None:
            order = self._row()["order_version"]
            here.run(here.managers[who].acknowledge(self.id, order))

        # --- an old agent --------------------------------------------------------------------------

        @rule(context=st.booleans(), state=st.sampled_from([None, None, "active", "completed"]))
        def the_old_agent_works(self, context: bool, state: str | None) -> None:
            token, before = self._token(), self._row()
            self.old.checkpoint("turn", token=token)
            if context:
                self.old.cache["context"]["old"] = token
            if state:
                self.old.cache["state"] = state
            here.run(self.old.save())
            after = self._row()
            self.acknowledged.append(token)  # checkpoints are merged even if the rest is refused
            wanted = self.old.cache["context"].get("old")
            if after["context"].get("old") == wanted:
                if wanted is not None:
                    self.expected["old"] = wanted
            else:
                assert after["refused_writes"] == before["refused_writes"] + 1
            self._is_not_undone(before["state"], after)

        def _is_not_undone(self, before: str, after: dict[str, Any]) -> None:
            if self.orders_known_to_old < self.orders and after["state"] != before:
                finished = before in LIVE and after["state"] == "completed"
                assert finished and self.fences_known_to_old == self.fences, (before, after)

        @rule()
        def the_old_agent_starts_again(self) -> None:
            here.run(self.old.load(self.id))
            self.orders_known_to_old = self.orders
            self.fences_known_to_old = self.fences

        # --- people ---------------------------------------------------------------------------------------

        @rule(
            who=st.integers(0, 2),
            verb=st.sampled_from(["pause", "resume", "fail", "complete", "delete", "restore"]),
        )
        def an_administrator_orders(self, who: int, verb: str) -> None:
            before = self._row()
            call = getattr(here.managers[who], verb)
            try:
                here.run(call(self.id, *(["why"] if verb == "fail" else []), **OLGA))
            except InvalidTransition:
                assert self._row() == before
                return
            ordered = self._row()["version"] != before["version"]
            self.orders += ordered
            self.fences += ordered and verb not in ("pause", "resume")

        @rule(who=st.integers(0, 2), data=st.data())
        def an_administrator_rolls_back(self, who: int, data: st.DataObject) -> None:
            n = data.draw(st.sampled_from(sorted(self.contexts)))
            before = self._row()
            try:
                here.run(here.managers[who].rollback(self.id, n, **OLGA))
            except InvalidTransition:
                assert before["state"] == "deleted"
                return
            self.orders += 1
            self.fences += 1
            self.expected = dict(self.contexts[n])

        @rule(who=st.integers(0, 2))
        def an_administrator_edits(self, who: int) -> None:
            token, now = self._token(), self._row()
            wanted = now["context"] | {"rubric": token}
            here.run(here.managers[who].edit(self.id, context=wanted, **OLGA))
            self.expected["rubric"] = token

        @rule(state=st.sampled_from(["active", "paused", "failed", "deleted"]))
        def somebody_uses_psql(self, state: str) -> None:
            before = self._row()
            statement = "UPDATE agent_sessions SET state = %s WHERE id = %s"
            try:
                here.run(sql.execute(statement, (state, self.id)))
            except psycopg.errors.CheckViolation as refused:
                assert f"a {before['state']} session cannot become {state}" in str(refused)
                assert self._row() == before
                return
            self.orders += before["state"] != state
            self.fences += before["state"] != state and "deleted" in (before["state"], state)
            self.fences += before["state"] != state and state == "failed"

        # --- invariants ----------------------------------------------------------------------------

        @invariant()
        def no_acknowledged_write_is_lost(self) -> None:
            checkpoints = here.run(here.managers[0].get_checkpoints(self.id, limit=1000))
            tokens = [c.data["token"] for c in checkpoints if "token" in c.data]
            assert sorted(set(self.acknowledged) - set(tokens)) == []
            assert len(tokens) == len(set(tokens)), "each once"
            assert [c.n for c in checkpoints] == list(range(1, len(checkpoints) + 1))
            assert self._row()["context"] == self.expected

        @invariant()
        def the_history_explains_the_row(self) -> None:
            now, entries = self._row(), here.run(history(sql, self.id))
            assert replayed(entries) == (now["version"], now["state"], now["epoch"])
            states_that_history_allows(entries)

        @invariant()
        def every_process_serves_what_is_stored(self) -> None:
            now = self._row()
            for manager in here.managers:
                served = self._read(manager)
                assert (served.version, served.state) == (now["version"], now["state"])
                assert served.context == now["context"]

    return Writers


def test_several_writers_lose_nothing_and_undo_nothing(database_url: str, valkey_url: str) -> None:
    both = {"database_url": database_url, "valkey_url": valkey_url}
    with world(both, both, {"database_url": database_url}) as here:
        sql = here.run(psycopg.AsyncConnection.connect(database_url, autocommit=True))
        valkey = redis.asyncio.Redis.from_url(valkey_url)
        try:
            run_machine(writers_machine(here, sql, valkey))
            here.run(the_counts_are_true(sql))
        finally:
            here.run(asyncio.gather(sql.close(), valkey.aclose()))


async def the_counts_are_true(sql: Sql) -> None:
    cursor = await sql.execute(
        "SELECT agent_type, state, sum(n)::int FROM agent_session_counts GROUP BY 1, 2 HAVING sum(n) <> 0"
        " EXCEPT SELECT agent_type, state, count(*)::int FROM agent_sessions GROUP BY 1, 2"
    )
    assert await cursor.fetchall() == []


def test_the_replay_itself_notices_a_gap_and_a_leap() -> None:
    def entry(version: int, was: str | None, becomes: str, **more: Any) -> dict[str, Any]:
        return {
            "version": version, "from_state": was, "to_state": becomes, "kind": "state",
            "epoch": 0, "detail": None, "source": "agent", **more,
        }  # fmt: skip

    created = entry(1, None, "active", kind="created")
    with pytest.raises(AssertionError):
        replayed([created, entry(3, "active", "paused")])
    with pytest.raises(AssertionError):
        states_that_history_allows([created, entry(2, "completed", "active")])
