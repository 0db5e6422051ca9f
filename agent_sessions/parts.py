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
from collections.abc import Callable, Iterator
from contextvars import Context, ContextVar, Token
from types import CodeType, FrameType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from agent_sessions.safe_points import SafePoints

AnyTask = Task[Any]

# By what the tasks that are started in a block are known: a new task takes over the context of its starter.
_BLOCKS: ContextVar[tuple[object, ...]] = ContextVar("agent_sessions_blocks", default=())
# By what code is known to call a run; one that only looks at it keeps no order from being confirmed.
_CALL_NAMES = frozenset({"checkpoint", "save", "safe_point", "step", "complete", "fail", "_obey"})
_JOIN: CodeType = asyncio.Queue.join.__code__


class Count(NamedTuple):
    parts: int
    at_work: int


class Parts:
    def __init__(
        self, run: SafePoints, calls: frozenset[CodeType], changed: Callable[[], None]
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
            """The block is left in another task than it was entered in, whose context ends with it."""

    def called(self) -> AnyTask | None:
        """By the current task, which is a part from its first call on.

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
        """It waits at a safe point, until it goes on."""
        if task is not None and task not in self._waiting:
            self._waiting.add(task)
            self._changed()

    def go_on(self, task: AnyTask | None) -> None:
        if task is not None:
            self._waiting.discard(task)

    def count(self, besides: AnyTask | None = None) -> Count:
        """`besides`: who asks, and is at a safe point."""
        stopped = self._waiting if besides is None else {*self._waiting, besides}
        parts = {*self._known, *self._steps, *self._sharing(), *stopped}
        parts = {task for task in parts if not task.done()}
        busy = {task for task in parts - stopped if not _only_awaits(task, parts)}
        return Count(len(busy) + len(stopped), len(busy))

    def _ended(self, task: AnyTask) -> None:
        self._known.discard(task)
        self._changed()

    def _sharing(self) -> Iterator[AnyTask]:
        """Started in the block, and a call is still to come."""
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
    """Of the coroutines that the task is in, the outermost first."""
    at: Any = task.get_coro()
    while at is not None:
        frame = getattr(at, "cr_frame", None) or getattr(at, "gi_frame", None)
        if frame is not None:
            yield frame
        at = getattr(at, "cr_await", None) or getattr(at, "gi_yieldfrom", None)


def _will_call(frame: FrameType, run: SafePoints) -> bool:
    """Its code names a call, and has the run: as a variable, as an attribute, or inside of a function that it holds."""
    names = frame.f_code.co_names
    calls = not _CALL_NAMES.isdisjoint(names)
    for value in frame.f_locals.values():
        if isinstance(value, FunctionType):
            if _CALL_NAMES.isdisjoint(value.__code__.co_names):
                continue
            held = [_content(cell) for cell in value.__closure__ or ()]
        elif calls:
            attributes = getattr(value, "__dict__", {})
            held = [value, *(attributes.get(name) for name in names if attributes)]
        else:
            continue
        if any(one is run for one in held):
            return True
    return False


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _only_awaits(task: AnyTask, parts: set[AnyTask]) -> bool:
    """It can go on no sooner than another part has ended."""
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
