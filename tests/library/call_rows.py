"""A row for each public method of the library: what it needs, and the call during a fault."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agent_sessions import AgentSession, CheckpointManager, Run, SessionError, SessionManager
from agent_sessions.conversation import ConversationManager

Call = Callable[[], Awaitable[Any]]
WHO: dict[str, Any] = {"actor": "olga", "reason": "a test"}


@dataclass
class Scene:
    """What the rows of one fault share. `stack` is closed after the fault has ended."""

    manager: SessionManager
    conversations: ConversationManager
    stack: AsyncExitStack

    async def session(self) -> AgentSession:
        session = await self.manager.create_session("grader", "keller", {"class": "7b"})
        session.checkpoint("started", {"n": 1})
        await self.manager.update_session(session)
        return session

    async def session_id(self) -> str:
        return (await self.session()).session_id

    async def run(self) -> Run:
        session_id = await self.session_id()
        attached = self.manager.attach(session_id, interval=60, complete=False)
        run = await attached.__aenter__()

        async def leave() -> None:
            with suppress(SessionError):  # the end of the session, or a Valkey that lost its data
                await attached.__aexit__(None, None, None)

        self.stack.push_async_callback(leave)
        return run


Prepare = Callable[[Scene], Awaitable[Call]]
ROWS: dict[tuple[type, str], Prepare] = {}


def public_methods(kind: type) -> set[str]:
    """Includes properties: reading one is a call, too."""
    return {
        name
        for name, value in inspect.getmembers(kind)
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    }


def row(kind: type, name: str) -> Callable[[Prepare], Prepare]:
    def add(prepare: Prepare) -> Prepare:
        ROWS[kind, name] = prepare
        return prepare

    return add


def of_session(name: str, call: Callable[[SessionManager, str], Awaitable[Any]]) -> None:
    """A row that needs only a session."""

    async def prepare(scene: Scene) -> Call:
        session_id = await scene.session_id()
        return lambda: call(scene.manager, session_id)

    ROWS[SessionManager, name] = prepare


def of_run(name: str, call: Callable[[Run], Any]) -> None:
    async def prepare(scene: Scene) -> Call:
        run = await scene.run()
        run.context["mark"] = name
        return lambda: _awaited(call(run))

    ROWS[Run, name] = prepare


def of_conversation(name: str, call: Callable[[ConversationManager, str], Any]) -> None:
    async def prepare(scene: Scene) -> Call:
        session_id = f"talk-{name}"
        await scene.conversations.add_turn_to_session(session_id, "why?", "because")
        return lambda: _awaited(call(scene.conversations, session_id))

    ROWS[ConversationManager, name] = prepare


def of_checkpoints(name: str, call: Callable[[CheckpointManager], Any]) -> None:
    async def prepare(scene: Scene) -> Call:
        checkpoints = CheckpointManager("a-session")
        checkpoints.create("started", {"n": 1})
        return lambda: _awaited(call(checkpoints))

    ROWS[CheckpointManager, name] = prepare


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


async def _iterated(manager: SessionManager) -> None:
    async for _ in manager.iterate_active_sessions():
        pass


# --- SessionManager -------------------------------------------------------------------------------------------------


async def _create(manager: SessionManager, _: str) -> None:
    await manager.create_session("grader", "keller", {"a": 1})


of_session("create_session", _create)
of_session("get_session", lambda m, s: m.get_session(s))
of_session("read", lambda m, s: m.read(s))
of_session("delete_session", lambda m, s: m.delete_session(s, **WHO))
of_session("get_active_sessions", lambda m, _: m.get_active_sessions(limit=5))
of_session("iterate_active_sessions", lambda m, _: _iterated(m))
of_session("cleanup_stale_sessions", lambda m, _: m.cleanup_stale_sessions(timedelta(hours=48)))
of_session("fail_silent", lambda m, s: m.fail_silent(s, timedelta(0)))
of_session("heartbeat", lambda m, s: m.heartbeat(s))
of_session("head", lambda m, s: m.head(s))
of_session("count_beats", lambda m, _: m.count_beats([0, 10]))
of_session("order", lambda m, s: m.order("pause", s, **WHO))
of_session("pause", lambda m, s: m.pause(s, **WHO))
of_session("complete", lambda m, s: m.complete(s, {"mark": 1}, **WHO))
of_session("fail", lambda m, s: m.fail(s, "broken", **WHO))
of_session("delete", lambda m, s: m.delete(s, **WHO))
of_session("rollback", lambda m, s: m.rollback(s, f"{s}:1", **WHO))
of_session("preview_rollback", lambda m, s: m.preview_rollback(s, f"{s}:1"))
of_session("edit", lambda m, s: m.edit(s, context={"b": 2}, seen_version=1, actor="olga"))
of_session("preview_edit", lambda m, s: m.preview_edit(s, context={"b": 2}, seen_version=1))
of_session("acknowledge", lambda m, s: m.acknowledge(s, 1))
of_session("report_parts", lambda m, s: m.report_parts(s, 1, 2, 1))
of_session("get_checkpoints", lambda m, s: m.get_checkpoints(s))
of_session("get_context_at", lambda m, s: m.get_context_at(s, 1))
of_session("announce", lambda m, s: m.announce([s]))


@row(SessionManager, "tick")
async def _(scene: Scene) -> Call:
    await scene.manager.heartbeat(await scene.session_id())
    return scene.manager.tick


@row(SessionManager, "update_session")
async def _(scene: Scene) -> Call:
    session = await scene.session()
    session.context["mark"] = 2
    session.checkpoint("marked")
    return lambda: scene.manager.update_session(session)


@row(SessionManager, "count_attempt")
async def _(scene: Scene) -> Call:
    session = await scene.session()
    return lambda: scene.manager.count_attempt(session, 1, {"error": "broken"})


@row(SessionManager, "renew")
async def _(scene: Scene) -> Call:
    session = await scene.session()
    return lambda: scene.manager.renew(session)


@row(SessionManager, "resume")
async def _(scene: Scene) -> Call:
    session_id = await scene.session_id()
    await scene.manager.pause(session_id, **WHO)
    return lambda: scene.manager.resume(session_id, **WHO)


@row(SessionManager, "restore")
async def _(scene: Scene) -> Call:
    session_id = await scene.session_id()
    await scene.manager.delete(session_id, **WHO)
    return lambda: scene.manager.restore(session_id, **WHO)


@row(SessionManager, "restart_point")
async def _(scene: Scene) -> Call:
    session_id = await scene.session_id()
    session = await scene.manager.rollback(session_id, f"{session_id}:1", **WHO)
    return lambda: scene.manager.restart_point(session)


@row(SessionManager, "attach")
async def _(scene: Scene) -> Call:
    session_id = await scene.session_id()

    async def attach() -> None:
        async with scene.manager.attach(session_id) as run:
            run.context["attached"] = True
            await run.checkpoint("attached")

    return attach


# --- Run ------------------------------------------------------------------------------------------------------------


async def _beaten(run: Run) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await run.beat()


async def _watched(run: Run) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await run.until_over()


async def _left_unsaved(run: Run) -> None:
    run.context["unsaved"] = 1
    await run.store_changes()


async def _stepped(run: Run) -> None:
    async with run.step("marking"):
        await run.save()


of_run("beat", _beaten)
of_run("checkpoint", lambda run: run.checkpoint("marked", {"n": 2}))
of_run("complete", lambda run: run.complete({"mark": 1}))
of_run("count_attempt", lambda run: run.count_attempt("broken", 3))
of_run("acknowledge_end", lambda run: run.acknowledge_end())
of_run("context", lambda run: run.context)
of_run("discard", lambda run: run.discard(run.session.checkpoint("given up")))
of_run("enter", lambda run: run.enter())
of_run("fail", lambda run: run.fail("broken"))
of_run("last_checkpoint", lambda run: run.last_checkpoint())
of_run("on_head", lambda run: run.on_head(None))
of_run("known_order", lambda run: run.known_order())
of_run("stored_order", lambda run: run.stored_order())
of_run("raise_if_ended", lambda run: run.raise_if_ended())
of_run("safe_point", lambda run: run.safe_point())
of_run("store_changes", _left_unsaved)
of_run("save", lambda run: run.save())
of_run("step", _stepped)
of_run("stop", lambda run: run.stop())
of_run("tick", lambda run: run.tick())
of_run("until_over", _watched)


# --- ConversationManager --------------------------------------------------------------------------------------------


@row(ConversationManager, "update")
async def _(scene: Scene) -> Call:
    _, state = await scene.conversations.get_or_create("talk-update")
    state.language = "de"
    return lambda: scene.conversations.update("talk-update", state)


of_conversation("add_turn_to_session", lambda c, s: c.add_turn_to_session(s, "and?", "so"))
of_conversation("changes_channel", lambda c, _: c.changes_channel)
of_conversation("delete", lambda c, s: c.delete(s))
of_conversation("generate_session_id", lambda c, _: c.generate_session_id())
of_conversation("get", lambda c, s: c.get(s))
of_conversation("get_or_create", lambda c, s: c.get_or_create(s))
of_conversation("get_stats", lambda c, _: c.get_stats())
of_conversation("list_conversations", lambda c, _: c.list_conversations())
of_conversation("peek", lambda c, s: c.peek(s))
of_conversation("stamps", lambda c, s: c.stamps([s]))
of_conversation("start", lambda c, _: c.start())
of_conversation("tick", lambda c, _: c.tick())


# --- CheckpointManager ----------------------------------------------------------------------------------------------

of_checkpoints("clear", lambda c: c.clear())
of_checkpoints("create", lambda c: c.create("marked", {}))
of_checkpoints("export", lambda c: c.export())
of_checkpoints("get", lambda c: c.get("none"))
of_checkpoints("get_all", lambda c: c.get_all())
of_checkpoints("get_between", lambda c: c.get_between(*[c.get_all()[0].timestamp] * 2))
of_checkpoints("get_by_name", lambda c: c.get_by_name("started"))
of_checkpoints("get_latest", lambda c: c.get_latest())
of_checkpoints("get_since", lambda c: c.get_since(c.get_all()[0].timestamp))
of_checkpoints("get_summary", lambda c: c.get_summary())
of_checkpoints("import_checkpoints", lambda c: c.import_checkpoints(c.export()))
of_checkpoints("on_checkpoint", lambda c: c.on_checkpoint(lambda _: None))
of_checkpoints("rollback_to", lambda c: c.rollback_to(c.get_all()[0].id))

# `connect`, `close` and `stop` begin and end a manager: the test calls them separately. `attach` calls
# `leave` at the end of a run.
APART = {
    (Run, "leave"),
    (SessionManager, "connect"),
    (SessionManager, "close"),
    (ConversationManager, "stop"),
}
