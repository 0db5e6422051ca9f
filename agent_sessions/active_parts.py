"""Which parts of a run are at work: nothing is confirmed while one of them is.

A part is a task that shares the run: one that has called it, one inside of a step, or one that was started in the
block and whose code calls the run, so that a call is still to come. It is at work until it waits at a safe point
or has ended; while it only awaits other parts they are at work, not it.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from asyncio import Task
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, ContextVar, Token
from functools import cache, partial
from itertools import islice
from types import (
    AsyncGeneratorType,
    CodeType,
    FrameType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
)
from typing import Any, NamedTuple

AnyTask = Task[Any]

# Marks the tasks that are started in a block: a new task takes over the context variables of its starter.
_BLOCKS: ContextVar[tuple[object, ...]] = ContextVar("agent_sessions_blocks", default=())
# Code that names one of these calls the run; a task that only reads it keeps no order from being confirmed.
_CALL_NAMES = frozenset({"checkpoint", "save", "safe_point", "step", "complete", "fail"})
DEPTH = 3  # attributes of attributes in which a run is looked for
LOOKED_INTO = 100  # values of one container
_PLAIN = frozenset({str, int, float, bool, type(None)})
# What `async for` awaits, and what closes a generator.
_STEPS_OF_GENERATORS = frozenset({"async_generator_asend", "async_generator_athrow"})
_JOIN: CodeType = asyncio.Queue.join.__code__


class Count(NamedTuple):
    parts: int
    at_work: int


class Parts:
    def __init__(
        self, run: object, calls: frozenset[CodeType], changed: Callable[[], None]
    ) -> None:
        self._run = run
        self._calls = calls  # the code of the run's own methods
        self._changed = changed  # called when a part is no longer at work
        self._body = asyncio.current_task()
        self._known: set[AnyTask] = set()
        self._steps: dict[AnyTask, int] = {}
        self._waiting: set[AnyTask] = set()
        self._block = object()
        self._token: Token[tuple[object, ...]] | None = None

    def enter(self) -> None:
        self._token = _BLOCKS.set((*_BLOCKS.get(), self._block))

    def leave(self) -> None:
        try:
            if self._token is not None:
                _BLOCKS.reset(self._token)
        except ValueError:
            """The block is left in another task than it was entered in. That task's context ends with it."""

    def called(self) -> AnyTask | None:
        """Notes a call by the current task, which is a part from its first call on.

        The block's own task is one when it calls beside others; alone it is not to be told from them. A task that is
        nothing but one call (`create_task(run.checkpoint(…))`) belongs to who started it.
        """
        task = asyncio.current_task()
        if task is None or task in self._known or task in self._steps:
            return task
        if task is self._body:
            if self._known:
                self._known.add(task)
        elif getattr(task.get_coro(), "cr_code", None) not in self._calls:
            self._known.add(task)
            task.add_done_callback(self._ended)
        return task

    def begin_step(self) -> AnyTask | None:
        task = asyncio.current_task()
        if task is not None:
            self._steps[task] = self._steps.get(task, 0) + 1
        return task

    def end_step(self, task: AnyTask | None) -> None:
        if task is None:
            return
        self._steps[task] -= 1
        if not self._steps[task]:
            del self._steps[task]
            self._changed()

    def wait(self, task: AnyTask | None) -> None:
        """The task waits at a safe point, until `go_on`."""
        if task is not None and task not in self._waiting:
            self._waiting.add(task)
            self._changed()

    def go_on(self, task: AnyTask | None) -> None:
        if task is not None:
            self._waiting.discard(task)

    def count(self, besides: AnyTask | None = None) -> Count:
        """`besides` is the calling task, which counts as waiting at a safe point."""
        stopped = self._waiting if besides is None else {*self._waiting, besides}
        parts = {*self._known, *self._steps, *self._sharing(), *stopped}
        parts = {task for task in parts if not task.done()}
        busy = {task for task in parts - stopped if not _only_awaits(task, parts)}
        return Count(len(busy) + len(stopped), len(busy))

    def _ended(self, task: AnyTask) -> None:
        self._known.discard(task)
        self._changed()

    def _sharing(self) -> Iterator[AnyTask]:
        """The tasks that were started in the block and whose code still calls the run."""
        for task in asyncio.all_tasks():
            if task is self._body or task in self._known:
                continue
            context = _context_of(task)
            started_here = context is not None and self._block in context.get(_BLOCKS, ())
            if started_here and any(_will_call(frame, self._run) for frame in _frames(task)):
                yield task


def _context_of(task: AnyTask) -> Context | None:
    if sys.version_info >= (3, 12):
        return task.get_context()
    # Before 3.12 a task does not say it; what it refers to first is its own context.
    return next((o for o in gc.get_referents(task) if isinstance(o, Context)), None)


def _frames(task: AnyTask) -> Iterator[FrameType]:
    """Of the coroutines and generators that the task is in, the outermost first."""
    at: Any = task.get_coro()
    while at is not None:
        if (
            type(at).__name__ in _STEPS_OF_GENERATORS
        ):  # which have no attribute that names their generator
            at = next((o for o in gc.get_referents(at) if isinstance(o, AsyncGeneratorType)), None)
        frame = _first(at, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None:
            yield frame
        at = _first(at, "cr_await", "gi_yieldfrom", "ag_await")


def _first(value: Any, *names: str) -> Any:
    return next(filter(None, (getattr(value, name, None) for name in names)), None)


def _will_call(frame: FrameType, run: object) -> bool:
    """Its code names a call and has the run, or it holds a function that does, or a call itself."""
    names = _names(frame.f_code)
    named = (frame.f_globals.get(name) for name in frame.f_code.co_names)
    return any(_holds(value, run, names, DEPTH) for value in (*frame.f_locals.values(), *named))


def _holds(value: Any, run: object, names: frozenset[str], depth: int) -> bool:
    """The run, as a value, as an attribute that the code names, in a container, or inside of a function."""
    if value is run:
        return not _CALL_NAMES.isdisjoint(names)
    if isinstance(value, MethodType) and value.__self__ is run:
        return value.__name__ in _CALL_NAMES
    if not depth or type(value) in _PLAIN:
        return False
    held: Iterable[Any]
    if isinstance(value, FunctionType):
        names, held = _names(value.__code__), map(_content, value.__closure__ or ())
    elif isinstance(value, partial):
        held = (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, dict | list | tuple):
        depth = 1
        held = islice(value.values() if isinstance(value, dict) else value, LOOKED_INTO)
    else:
        held = _attributes(value, names)
    return any(_holds(one, run, names, depth - 1) for one in held)


def _attributes(value: Any, names: frozenset[str]) -> Iterator[Any]:
    """Those that the code names; for a property, which is not called here, all of the object's own."""
    own = getattr(value, "__dict__", None)
    own = own if isinstance(own, dict) else {}
    for name in names:
        kept = getattr(type(value), name, None)
        if isinstance(kept, MemberDescriptorType):
            yield getattr(value, name, None)
        elif isinstance(kept, property):
            yield from list(own.values())
        elif name in own:
            yield own[name]


@cache
def _names(code: CodeType) -> frozenset[str]:
    """What the code and the functions inside of it name."""
    inner = (_names(const) for const in code.co_consts if isinstance(const, CodeType))
    return frozenset(code.co_names).union(*inner)


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _only_awaits(task: AnyTask, parts: set[AnyTask]) -> bool:
    """The task cannot go on before another part has ended."""
    asked, left = {task}, [task]
    while left:
        at = left.pop()
        if any(frame.f_code is _JOIN for frame in _frames(at)) and len(parts) > 1:
            return True
        for awaited in _awaited(at):
            if awaited in asked or awaited.done():
                continue
            if awaited in parts:
                return True
            asked.add(awaited)
            left.append(awaited)
    return False


def _awaited(task: AnyTask) -> Iterator[AnyTask]:
    """By `await task`, `gather`, a task group's end, `wait` and `wait_for`."""
    waiter = getattr(task, "_fut_waiter", None)
    for future in (waiter, *getattr(waiter, "_children", ())):
        if isinstance(future, Task):
            yield future
    for frame in _frames(task):
        code = frame.f_code
        if code.co_name == "__aexit__" and "TaskGroup" in code.co_qualname:
            yield from list(getattr(frame.f_locals.get("self"), "_tasks", ()))
        elif (
            code.co_name in ("_wait", "wait_for") and frame.f_globals["__name__"] == "asyncio.tasks"
        ):
            found = frame.f_locals.get("fs") or (frame.f_locals.get("fut"),)
            yield from (future for future in found if isinstance(future, Task))
