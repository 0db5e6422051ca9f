"""Verbs of an operator and an agent in any order, on every store, compared with a simple model."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from agent_sessions import (
    AgentSession,
    Conflict,
    InvalidTransition,
    SessionEnded,
    SessionManager,
    StaleEpoch,
)
from tests.library.machines import World, world
from tests.library.people import OLGA

RESULT = {"pause": "paused", "resume": "active", "complete": "completed", "fail": "failed"}
RESULT["delete"] = "deleted"
ALLOWED = {
    "pause": {"active"},
    "resume": {"paused"},
    "complete": {"active", "paused"},
    "fail": {"active", "paused"},
    "delete": {"active", "paused", "completed", "failed"},
    "rollback": {"active", "paused", "completed", "failed"},
    "restore": {"deleted"},
}
LIVE = {"active", "paused"}
MARKS = {
    "pause": "session_paused",
    "resume": "session_resumed",
    "complete": "session_completed",
    "fail": "session_failed",
    "delete": "session_deleted",
    "restore": "session_restored",
}


def verbs_machine(here: World) -> type[RuleBasedStateMachine]:
    manager: SessionManager = here.managers[0]

    class Verbs(RuleBasedStateMachine):
        copy: AgentSession

        @initialize()
        def a_session_begins(self) -> None:
            session = here.run(manager.create_session("grader", context={"n": 0}))
            self.id = session.session_id
            self.state, self.before, self.epoch, self.orders = "active", "", 0, 0
            self.context: dict[str, Any] = {"n": 0}
            self.names, self.contexts = ["session_created"], [{"n": 0}]
            self.the_agent_reads()

        def _mark(self, *names: str) -> None:
            self.names += names
            self.contexts += [copy.deepcopy(self.context)] * len(names)

        # --- the operator ---------------------------------------------------------------------------------

        @rule(verb=st.sampled_from(["pause", "resume", "complete", "fail", "delete", "restore"]))
        def the_operator_orders(self, verb: str) -> None:
            arguments = ["because"] if verb == "fail" else []
            call = getattr(manager, verb)
            if RESULT.get(verb) == self.state:
                version = here.run(manager.read(self.id)).version  # type: ignore[union-attr]
                assert here.run(call(self.id, *arguments, **OLGA)).version == version
            elif self.state not in ALLOWED[verb]:
                self._is_refused(call(self.id, *arguments, **OLGA), verb)
            else:
                answer = here.run(call(self.id, *arguments, **OLGA))
                to = self.before if verb == "restore" else RESULT[verb]
                self.before = self.state if verb == "delete" else self.before
                self.epoch += to in ("completed", "failed", "deleted") and verb != "restore"
                self.state, self.orders = to, self.orders + 1
                self._mark(MARKS[verb])
                assert answer.state == self.state

        @rule(data=st.data())
        def the_operator_rolls_back(self, data: st.DataObject) -> None:
            n = data.draw(st.integers(1, len(self.names)))
            call = manager.rollback(self.id, n, **OLGA)
            if self.state not in ALLOWED["rollback"]:
                self._is_refused(call, "rollback")
                return
            answer = here.run(call)
            self._is_rolled_back(n)
            assert answer.context == self.context

        def _is_rolled_back(self, n: int) -> None:
            self._mark(f"before rollback to {self.names[n - 1]}"[:200])
            self.context = copy.deepcopy(self.contexts[n - 1])
            self._mark("session_rolled_back")
            self.state, self.epoch, self.orders = "active", self.epoch + 1, self.orders + 1

        def _is_refused(self, call: Any, verb: str) -> None:
            before = here.run(manager.read(self.id))
            with pytest.raises(InvalidTransition) as refused:
                here.run(call)
            assert str(refused.value) == f"cannot {verb} a session that is {self.state}"
            after = here.run(manager.read(self.id))
            assert after is not None and before is not None
            assert after.to_dict() == before.to_dict()

        # --- the agent ------------------------------------------------------------------------------------

        @rule()
        def the_agent_reads(self) -> None:
            read = here.run(manager.get_session(self.id))
            assert read is not None
            self.copy, self.orders_read = read, self.orders

        @rule(
            key=st.sampled_from("ab"),
            value=st.integers(0, 2),
            name=st.sampled_from("xyz"),
            times=st.integers(1, 3),
        )
        def the_agent_works(self, key: str, value: int, name: str, times: int) -> None:
            base = dict(self.copy.context)
            self.copy.context[key] = value
            for _ in range(times):
                self.copy.checkpoint(name, {"value": value})
            expected: type[Exception] | None = None
            if self.copy.epoch != self.epoch:
                expected = StaleEpoch
            elif self.state not in LIVE:
                expected = SessionEnded
            elif base.get(key) != value and self.context.get(key) != base.get(key):
                expected = Conflict
            if self._saves(expected):
                if base.get(key) != value or key not in base:
                    self.context[key] = value
                self._mark(*[name] * times)

        @rule(verb=st.sampled_from(["pause", "resume", "complete", "fail"]))
        @precondition(lambda self: self.copy.state in ALLOWED["pause"] | ALLOWED["resume"])
        def the_agent_changes_its_state(self, verb: str) -> None:
            read = self.copy.state.value
            if read not in ALLOWED[verb]:
                return
            getattr(self.copy, verb)(*(["why"] if verb == "fail" else []))
            to = RESULT[verb]
            expected: type[Exception] | None = None
            if self.copy.epoch != self.epoch:
                expected = StaleEpoch
            elif to == self.state:
                expected = None if self.state in LIVE else SessionEnded
            elif to in LIVE and self.orders > self.orders_read:
                expected = Conflict
            elif self.state not in ALLOWED[verb]:
                expected = InvalidTransition
            if self._saves(expected):
                self.state = to
                self._mark(MARKS[verb])

        @rule(verb=st.sampled_from(["pause", "resume"]))
        @precondition(lambda self: self.state in LIVE)
        def orders_there_and_back_come_between_reading_and_changing(self, verb: str) -> None:
            """The state is what the agent read, but it has not seen the newest order."""
            self.the_agent_reads()
            orders = ["resume", "pause"] if self.state == "paused" else ["pause", "resume"]
            for order in orders:
                self.the_operator_orders(order)
            self.the_agent_changes_its_state(verb)

        @rule(times=st.integers(2, 3))
        @precondition(lambda self: self.state in LIVE)
        def a_rollback_comes_between_reading_and_working(self, times: int) -> None:
            self.the_agent_reads()
            here.run(manager.rollback(self.id, 1, **OLGA))
            self._is_rolled_back(1)
            self.the_agent_works("a", 1, "late", times)

        def _saves(self, expected: type[Exception] | None) -> bool:
            if expected is not None:
                with pytest.raises(expected):
                    here.run(manager.update_session(self.copy))
                self.the_agent_reads()
                return False
            here.run(manager.update_session(self.copy))
            self.the_agent_reads()
            return True

        # --- invariants ----------------------------------------------------------------------------

        @invariant()
        def what_is_stored_is_what_the_model_says(self) -> None:
            stored = here.run(manager.read(self.id))
            served = here.run(manager.get_session(self.id))
            assert stored is not None and served is not None
            assert (stored.state, stored.epoch) == (self.state, self.epoch)
            assert stored.context == self.context
            checkpoints = here.run(manager.get_checkpoints(self.id, limit=1000))
            assert [c.name for c in checkpoints] == self.names
            assert [c.n for c in checkpoints] == list(range(1, len(self.names) + 1))
            assert served.to_dict() == stored.to_dict()
            assert (stored.ended_at is not None) == (self.state not in LIVE)

    return Verbs


@pytest.mark.parametrize("store", ["memory", "valkey", "postgres", "both"])
def test_any_sequence_of_verbs_does_what_the_model_says(
    store: str, database_url: str, valkey_url: str
) -> None:
    urls = {
        "database_url": database_url if store in ("postgres", "both") else None,
        "valkey_url": valkey_url if store in ("valkey", "both") else None,
    }
    with world(urls) as here:
        run_machine(verbs_machine(here))
