"""Values that JSON cannot hold are refused with their path, or converted by the author's `encode`."""

from __future__ import annotations

import dataclasses
import decimal
import enum
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from agent_sessions import AgentSession, CheckpointManager, InvalidInput, SessionManager, json_merge
from agent_sessions.conversation import ConversationManager, ConversationState, ConversationTurn
from agent_sessions.errors import Failed
from tests.library.conftest import Make

KEYS = [7, None, True, 1.5, (1, 2), b"7", float("nan")]
Store = Callable[[SessionManager, AgentSession, dict[Any, Any]], Awaitable[object]]


async def _creates(manager: SessionManager, _: AgentSession, value: dict[Any, Any]) -> None:
    await manager.create_session("grader", context=value)


async def _creates_with_metadata(
    manager: SessionManager, _: AgentSession, value: dict[Any, Any]
) -> None:
    await manager.create_session("grader", metadata=value)


async def _updates(manager: SessionManager, session: AgentSession, value: dict[Any, Any]) -> None:
    session.context.update(value)
    await manager.update_session(session)


async def _updates_metadata(
    manager: SessionManager, session: AgentSession, value: dict[Any, Any]
) -> None:
    session.metadata.update(value)
    await manager.update_session(session)


async def _adds_a_checkpoint(
    manager: SessionManager, session: AgentSession, value: dict[Any, Any]
) -> None:
    session.checkpoint("marked", value)
    await manager.update_session(session)


async def _changes_a_checkpoint(
    manager: SessionManager, session: AgentSession, value: dict[Any, Any]
) -> None:
    made = session.checkpoint("marked", {})
    made.data.update(value)
    await manager.update_session(session)


async def _runs(manager: SessionManager, session: AgentSession, value: dict[Any, Any]) -> None:
    async with manager.attach(session.session_id, complete=False) as run:
        await run.checkpoint("marked", value)


async def _runs_with_metadata(
    manager: SessionManager, session: AgentSession, value: dict[Any, Any]
) -> None:
    async with manager.attach(session.session_id, complete=False) as run:
        await run.checkpoint("marked", {}, value)


async def _runs_with_context(
    manager: SessionManager, session: AgentSession, value: dict[Any, Any]
) -> None:
    async with manager.attach(session.session_id, complete=False) as run:
        run.context.update(value)
        await run.save()


async def _edits(manager: SessionManager, session: AgentSession, value: dict[Any, Any]) -> None:
    await manager.edit(session.session_id, context=value, actor="olga")


async def _edits_metadata(
    manager: SessionManager, session: AgentSession, value: dict[Any, Any]
) -> None:
    await manager.edit(session.session_id, metadata=value, actor="olga")


async def _completes(manager: SessionManager, session: AgentSession, value: dict[Any, Any]) -> None:
    await manager.complete(session.session_id, value, actor="olga")


async def _fails(manager: SessionManager, session: AgentSession, value: dict[Any, Any]) -> None:
    await manager.fail(session.session_id, "why", value, actor="olga")


async def _ends_its_run(
    manager: SessionManager, session: AgentSession, value: dict[Any, Any]
) -> None:
    async with manager.attach(session.session_id, complete=False) as run:
        await run.complete(value)


WAYS: list[Store] = [
    _creates, _creates_with_metadata, _updates, _updates_metadata, _adds_a_checkpoint, _changes_a_checkpoint, _runs,
    _runs_with_metadata, _runs_with_context, _edits, _edits_metadata, _completes, _fails, _ends_its_run,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
async def test_a_key_that_is_no_text_is_refused_with_its_path(
    manager: SessionManager, way: Store
) -> None:
    session = await manager.create_session("grader", context={"marks": {"12": 1}})
    with pytest.raises(InvalidInput) as refused:
        await way(manager, session, {"marks": {"7": 1, 7: 2}})
    for words in ("marks.7", "key 7", "int", "'7'"):
        assert words in str(refused.value)
    stored = await manager.read(session.session_id)
    assert stored is not None
    assert stored.context == {"marks": {"12": 1}}
    assert stored.metadata == {}


@pytest.mark.parametrize("key", KEYS, ids=repr)
async def test_each_kind_of_key_that_is_no_text_is_refused(
    anywhere: SessionManager, key: Any
) -> None:
    for value in ({key: 1}, {"a": [{"b": ({key: 1},)}]}):
        with pytest.raises(InvalidInput) as refused:
            await anywhere.create_session("grader", context=value)
        assert f"key {key!r} is of type {type(key).__name__}" in str(refused.value)
    assert f"a.0.b.0.{key}" in str(refused.value)


async def test_a_run_that_set_such_a_key_says_why_it_failed(manager: SessionManager) -> None:
    session = await manager.create_session("grader", context={"marks": {}})
    with pytest.raises(InvalidInput):
        async with manager.attach(session.session_id) as run:
            run.context["marks"][7] = 2
            await run.checkpoint("marked")
    with pytest.raises(Failed) as failed:
        async with manager.attach(session.session_id):
            pass
    assert failed.value.session.context == {"marks": {}}
    assert "marks.7" in failed.value.session.checkpoints[-1].data["error"]


async def test_keys_of_an_enumeration_of_texts_are_stored_as_their_texts(
    another: Make,
) -> None:
    class Subject(str, enum.Enum):  # noqa: UP042 - its str() is not its text
        MATHS = "maths"

    one, two = await another(), await another()
    session = await one.create_session("grader", context={})
    session.context[Subject.MATHS] = 1
    theirs = await two.read(session.session_id)
    assert theirs is not None
    theirs.context["other"] = 1
    await two.update_session(theirs)
    await one.update_session(session)  # merges path by path
    stored = await two.read(session.session_id)
    assert stored is not None
    assert stored.context == {"maths": 1, "other": 1}


def test_the_checkpoint_manager_refuses_such_a_key() -> None:
    kept = CheckpointManager("x")
    for data, metadata in (({"marks": {7: 1}}, {}), ({}, {"marks": {7: 1}})):
        with pytest.raises(InvalidInput, match=r"marks\.7: the key 7 is of type int"):
            kept.create("marked", data, metadata)
    assert len(kept) == 0


async def test_a_turn_of_a_conversation_refuses_such_a_key() -> None:
    conversations = ConversationManager()
    with pytest.raises(InvalidInput, match=r"results\.0\.marks\.7: the key 7 is of type int"):
        await conversations.add_turn_to_session(
            "s", "question", "answer", results=[{"marks": {7: 1}}]
        )
    slots: Any = {7: "a", "7": "b"}
    with pytest.raises(InvalidInput, match="the key 7 is of type int"):
        await conversations.add_turn_to_session("s", "question", "answer", slots=slots)
    with pytest.raises(InvalidInput, match="the key 7 is of type int"):
        ConversationTurn.from_dict({"role": "user", "content": "?", "slots": slots})
    with pytest.raises(InvalidInput, match="the key 7 is of type int"):
        ConversationState.from_dict({"current_slots": slots})


# -- Values --------------------------------------------------------------------------------------
@dataclasses.dataclass
class Essay:
    number: int = 1


class Number:
    """A number like those of numpy: no subclass of Python's, with an `item()`."""

    def __init__(self, value: float) -> None:
        self.value = value

    def item(self) -> float:
        return self.value


VALUES = [
    datetime(2026, 11, 27, tzinfo=UTC), decimal.Decimal("1.10"), {1}, b"x", Essay(), Number(2), frozenset(), object(),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
async def test_a_value_that_json_does_not_know_is_named_with_its_path(
    manager: SessionManager, value: Any
) -> None:
    many = {f"essay {i}": {"marks": [1, 2], "text": "x" * 1000} for i in range(900)}
    many["essay 700"]["marks"] = [{"at": value}]
    with pytest.raises(InvalidInput) as refused:
        await manager.create_session("grader", context=many)
    assert f"essay 700.marks.0.at is of type {type(value).__name__}" in str(refused.value)
    assert len(str(refused.value)) < 300


async def test_nan_is_named_with_its_path(manager: SessionManager) -> None:
    with pytest.raises(InvalidInput, match=r"NaN or an infinity at marks\.1"):
        await manager.create_session("grader", context={"marks": [1.0, float("nan")]})


async def test_values_in_a_circle_are_looked_through_once(manager: SessionManager) -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidInput, match="of type set"):
        await manager.create_session("grader", context={"circle": [{1}, circle]})


def encode(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case decimal.Decimal():
            return str(value)
        case set() | frozenset():
            return sorted(value)
        case Essay():
            return {"number": Number(value.number)}
        case Number():
            return value.item()
    raise TypeError("unknown")


def given() -> dict[str, Any]:
    return {
        "at": AT,
        "deep": [{"sum": decimal.Decimal("1.10"), "seen": {2, 1}}, (Essay(3),)],
    }


AT = datetime(2026, 11, 27, tzinfo=UTC)
STORED = {
    "at": "2026-11-27T00:00:00+00:00",
    "deep": [{"sum": "1.10", "seen": [1, 2]}, [{"number": 3}]],
}


@pytest.fixture(params=("memory", "valkey", "both"))
async def encoding(request: pytest.FixtureRequest, another: Make) -> SessionManager:
    store = request.param
    return await another(encode=encode, database=store == "both", valkey=store != "memory")


async def test_what_encode_makes_is_stored_and_held_by_the_copy(encoding: SessionManager) -> None:
    session = await encoding.create_session("grader", context=given(), metadata=given())
    assert session.context == session.metadata == STORED
    session.context["again"], session.metadata["again"] = given(), given()
    session.checkpoint("marked", given())
    await encoding.update_session(session)
    after = {**STORED, "again": STORED}
    stored = await encoding.read(session.session_id)
    assert stored is not None
    for copy in (session, stored):
        assert (copy.context, copy.metadata) == (after, after)
        assert copy.checkpoints[-1].data == STORED


async def test_a_run_holds_what_is_stored_in_the_same_objects(encoding: SessionManager) -> None:
    session = await encoding.create_session("grader", context={"inner": {"list": []}})
    async with encoding.attach(session.session_id, complete=False) as run:
        inner = run.context["inner"]
        inner["given"] = given()
        inner["list"].append(decimal.Decimal(1))
        made = await run.checkpoint("marked", given(), given())
        assert run.context["inner"] is inner
        assert inner == {"list": ["1"], "given": STORED}
        assert type(inner["list"][0]) is str
        assert (made.data, made.metadata) == (STORED, STORED)
        await run.complete(given())
    stored = await encoding.read(session.session_id)
    assert stored is not None
    assert stored.context == {"inner": inner}
    assert stored.checkpoints[-1].data == {"result": STORED}


async def test_orders_and_edits_go_through_encode(encoding: SessionManager) -> None:
    edited = (await encoding.create_session("grader")).session_id
    changed = await encoding.edit(edited, context=given(), metadata=given(), actor="olga")
    assert (changed.context, changed.metadata) == (STORED, STORED)
    done = await encoding.complete(edited, given(), actor="olga")
    assert done.checkpoints[-1].data == {"result": STORED}
    other = (await encoding.create_session("grader")).session_id
    failed = await encoding.fail(other, "why", given(), actor="olga")
    assert failed.checkpoints[-1].data == {"error": "why", "details": STORED}


async def test_what_others_changed_meanwhile_is_merged_with_encoded_values(
    encoding: SessionManager,
) -> None:
    session = await encoding.create_session("grader", context={"at": AT})
    other = await encoding.read(session.session_id)
    assert other is not None
    session.context["mine"] = AT
    await encoding.update_session(session)
    other.context["theirs"] = AT
    await encoding.update_session(other)
    other.context["at"] = decimal.Decimal(2)
    await encoding.update_session(other)
    assert other.context == {"at": "2", "mine": STORED["at"], "theirs": STORED["at"]}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda _: {7: 1}, r"marks\.0\.7: the key 7 is of type int"),
        (lambda value: [value], "cannot be written as JSON"),
        (lambda _: object(), "cannot be written as JSON"),
        (lambda _: float("nan"), r"NaN or an infinity at marks\.0"),
        (
            lambda value: value.no_such_name,
            r"marks\.0 is of type datetime, for which encode raised",
        ),
        (encode, r"marks\.0 is of type object, for which encode raised TypeError"),
    ],
    ids=["key", "circle", "unknown", "nan", "raises", "refuses"],
)
async def test_an_encode_that_does_not_help_is_named_with_the_path(
    another: Make, answer: Callable[[Any], Any], words: str
) -> None:
    manager = await another(encode=answer)
    value = object() if answer is encode else AT
    with pytest.raises(InvalidInput, match=words):
        await manager.create_session("grader", context={"marks": [value]})


def test_the_checkpoint_manager_takes_an_encode_too() -> None:
    kept = CheckpointManager("x", encode=encode)
    made = kept.create("marked", given(), given())
    assert (made.data, made.metadata) == (STORED, STORED)
    assert CheckpointManager("y").import_checkpoints(kept.export()) == 1


async def test_what_json_changes_is_what_the_documentation_says(manager: SessionManager) -> None:
    session = await manager.create_session("grader")
    session.context.update(
        {"zeta": 1, "a": (1, (2,)), "mm": -0.0, "big": 2**70, "one": 1.0, "large": 1e16}
    )
    await manager.update_session(session)
    stored = await manager.read(session.session_id)
    assert stored is not None
    assert list(stored.context) == ["a", "mm", "big", "one", "zeta", "large"]
    assert stored.context == {
        "a": [1, [2]],
        "mm": 0,
        "big": 2**70,
        "one": 1.0,
        "zeta": 1,
        "large": 10**16,
    }
    assert str(stored.context["mm"]) == "0.0"
    assert type(stored.context["one"]) is float
    assert type(stored.context["large"]) is int


LARGEST = sys.float_info.max


@pytest.mark.parametrize("number", [1e308, LARGEST, -LARGEST, 10**308, -int(LARGEST), 5e-324])
async def test_the_largest_numbers_come_back(anywhere: SessionManager, number: float) -> None:
    session = await anywhere.create_session("grader", context={"n": number})
    async with anywhere.attach(session.session_id) as run:
        run.context["beside"] = 1
        await run.checkpoint("counted", {"n": number})
    stored = await anywhere.read(session.session_id)
    copy = await anywhere.get_session(session.session_id)
    assert stored is not None and copy is not None
    last = stored.get_last_checkpoint("counted")
    assert last is not None
    read = [stored.context["n"], copy.context["n"], last.data["n"]]
    assert [type(number)(one) for one in read] == [number] * 3


async def test_a_whole_number_that_could_not_be_read_again_is_named_with_its_path(
    anywhere: SessionManager,
) -> None:
    for number in (10**309, -(10**400), 10**4000, 10**5000):
        with pytest.raises(InvalidInput, match=r"sums\.0"):
            await anywhere.create_session("grader", context={"sums": [number]})


@pytest.mark.parametrize("sign", [1, -1])
async def test_the_error_of_a_number_that_is_too_large_names_the_bound_that_holds(
    anywhere: SessionManager, sign: int
) -> None:
    await anywhere.create_session("grader", context={"n": sign * int(LARGEST)})
    with pytest.raises(InvalidInput) as refused:
        await anywhere.create_session("grader", context={"n": sign * (int(LARGEST) + 1)})
    bound = re.search(r"beyond ±([0-9.e+]+)", str(refused.value))
    assert bound is not None and float(bound[1]) == LARGEST


class Level(enum.IntEnum):
    ONE, TWO = 1, 2


AS_JSON_READS = [((1, 2), (1, 3)), (Level.ONE, Level.TWO), (1e16, 2e16), ([(1,)], [(2,)])]


@pytest.mark.parametrize(("before", "after"), AS_JSON_READS)
async def test_an_edit_of_another_key_is_no_conflict_whatever_python_holds(
    anywhere: SessionManager, before: Any, after: Any
) -> None:
    session = await anywhere.create_session("grader", context={"own": before})
    async with anywhere.attach(session.session_id) as run:
        run.context["own"] = before
        await run.checkpoint("begun")
        stored = await anywhere.read(session.session_id)
        assert stored is not None
        await anywhere.edit(
            session.session_id, context={**stored.context, "note": "hurry"}, actor="olga"
        )
        run.context["own"] = after
        await run.checkpoint("done")
    stored = await anywhere.read(session.session_id)
    assert stored is not None and stored.context["note"] == "hurry"
    assert json_merge.same(stored.context["own"], after)
