"""How the block of an attached agent is left: with its order, its end or its error."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from agent_sessions import save_rules, validation
from agent_sessions.attach_options import AttachOptions, Kinds
from agent_sessions.errors import (
    Conflict,
    HandedBack,
    InvalidInput,
    OrderReceived,
    SessionNotFound,
    StorageUnavailable,
    WriteRefused,
)
from agent_sessions.json_merge import apply, diff
from agent_sessions.models import AgentSession
from agent_sessions.run import Run
from agent_sessions.states import LIVE_STATES

logger = logging.getLogger(__name__)

# Errors after which the session stays open, because they say nothing about the work itself.
LEAVE_OPEN = (OrderReceived, WriteRefused, StorageUnavailable, SessionNotFound, Conflict)


async def leave(run: Run, error: BaseException | None, options: AttachOptions) -> None:
    """Completes, fails or leaves the session open, depending on error and options; raises a pending order instead.

    The agent's code may have swallowed or wrapped the order, so it is raised again, from the exception of the block.
    """
    if run.lease.is_copy or not isinstance(error, Exception | None):
        return
    order = await _standing(run, error, options)
    if order is None and error is not None:
        await _leave_by(run, error, options)
        return
    if order is None or isinstance(order, HandedBack):
        await _save_the_rest(run, options, complete=order is None and options.complete)
    if order is not None and not _is_same(order, error):
        raise order from error


async def _save_the_rest(run: Run, options: AttachOptions, *, complete: bool) -> None:
    """The last save of the block. Its error leaves the block, and ends the session as any other one does."""
    if run.session.state not in LIVE_STATES:
        return
    try:
        await (run.complete() if complete else run.store_changes())
    except Exception as failed:
        if is_made_of(failed, LEAVE_OPEN):
            _say_that_it_stays_open(run, failed)
        else:
            await _leave_by(run, failed, options)
        raise


async def _leave_by(run: Run, error: Exception, options: AttachOptions) -> None:
    if is_made_of(error, LEAVE_OPEN):
        _say_what_is_unsaved(run, error)
        _say_that_it_stays_open(run, error)
    elif is_made_of(error, (*LEAVE_OPEN, *_each(options.retry_on))):
        await _fail_or_count(run, error, options.attempts)
    else:
        await _fail_with(run, error)


def _say_what_is_unsaved(run: Run, error: Exception) -> None:
    """A half-done step is not stored: the next attempt could take it for a finished one."""
    session = run.session
    known = session.state in LIVE_STATES and session.attempt is None
    if known and save_rules.is_changed(session):
        error.add_note(
            "changes since the last save were not stored: the next attempt starts from that save"
        )


def _say_what_was_not_stored(run: Run, error: Exception, failed: Exception) -> None:
    if str(failed) == str(error):
        return
    said = f"changes since the last save were not stored: {_told(failed)}"
    error.add_note(said)
    logger.warning("session %s: %s", run.session.session_id, said)


def is_made_of(
    error: BaseException | None, kinds: Kinds, seen: tuple[BaseException, ...] = ()
) -> bool:
    """Whether `error`, or an error in its chain of causes, is of `kinds`; of a group, whether all parts are."""
    if isinstance(error, kinds):
        return True
    # `raise error.__cause__ from error` makes a circle of causes
    if error is None or any(error is one for one in seen):
        return False
    seen = (*seen, error)
    if isinstance(error, BaseExceptionGroup):
        return all(is_made_of(part, kinds, seen) for part in error.exceptions)
    return is_made_of(error.__cause__, kinds, seen)


def _each(kinds: Kinds) -> tuple[type[Exception], ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)


def _say_that_it_stays_open(run: Run, error: Exception) -> None:
    if isinstance(error, OrderReceived) or run.session.state not in LIVE_STATES:
        return
    error.add_note(f"session {run.session.session_id} stays open: attach again to go on")
    logger.warning("session %s stays open after %s", run.session.session_id, _told(error))


async def _fail_or_count(run: Run, error: Exception, attempts: int) -> None:
    n = run.session.failed_attempts + 1
    if n >= attempts:
        await _fail_with(run, error, {"attempts": n})
        return
    _say_what_is_unsaved(run, error)
    try:
        await run.count_attempt(_told(error), attempts)
    except Exception:
        # logged only: the agent's own error must leave the block
        logger.exception("attempt %d of %s could not be counted", n, run.session.session_id)
    else:
        _say_that_it_stays_open(run, error)


def _told(error: Exception) -> str:
    try:
        said = str(error)
    except Exception as broken:  # logged only: the agent's own error must leave the block
        said = f"what it says cannot be read ({type(broken).__name__})"
    return _storable(f"{type(error).__name__}: {said}")[: validation.MAX_TEXT]


async def _standing(
    run: Run, error: Exception | None, options: AttachOptions
) -> OrderReceived | None:
    if run.order is not None:
        return run.order.again()
    if isinstance(error, WriteRefused):
        return await run.stored_order()
    if run.session.state not in LIVE_STATES:
        return None
    try:
        if error is None:
            return await run.known_order()
        if is_made_of(error, _each(options.retry_on)):
            return await run.stored_order()  # the session may not stay open for another attempt
    except StorageUnavailable as away:
        logger.debug("pending orders are unknown; the next attach reads them: %s", away)
    except SessionNotFound:
        if error is None:
            raise
    return None


def _is_same(order: OrderReceived, error: Exception | None) -> bool:
    return (
        type(order) is type(error)
        and isinstance(error, OrderReceived)
        and error.session.session_id == order.session.session_id
        and error.session.order_version == order.session.order_version
    )


async def _fail_with(run: Run, error: Exception, facts: dict[str, Any] | None = None) -> None:
    if run.session.state not in LIVE_STATES:
        return
    for checkpoint in run.session.new_checkpoints:
        run.discard(checkpoint)
    where = "".join(traceback.format_exception(error, limit=-5))
    told = _told(error)
    details = {"traceback": _storable(where)[-4000:], **(facts or {})}
    try:
        try:
            await run.fail(told, details)
        except (Conflict, InvalidInput) as failed:
            # the failure is stored without the changes that could not be stored
            _say_what_was_not_stored(run, error, failed)
            _forget_changes(run.session)
            await run.fail(told, details)
    except OrderReceived as order:
        raise order from error
    except Exception:
        # logged only: the agent's own error must leave the block
        logger.exception("the failure of %s could not be stored", run.session.session_id)


def _forget_changes(session: AgentSession) -> None:
    base = session.loaded
    if base is not None:
        apply(session.context, diff(session.context, base.context))
        apply(session.metadata, diff(session.metadata, base.metadata))


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
