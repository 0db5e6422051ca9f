"""How the block of an attached agent is left: with its order, its end or its error."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

from agent_sessions import validation
from agent_sessions.errors import (
    Conflict,
    InvalidInput,
    OrderReceived,
    SessionNotFound,
    StorageUnavailable,
    WriteRefused,
)
from agent_sessions.json_merge import apply, diff
from agent_sessions.states import LIVE_STATES

if TYPE_CHECKING:
    from agent_sessions.models import AgentSession
    from agent_sessions.run import Run

logger = logging.getLogger(__name__)


async def leave(run: Run, error: BaseException | None, complete: bool) -> None:
    """Completed when it ended well, failed when it raised; while an order stands, that order is raised.

    Whatever came between may have wrapped or swallowed the order: what wrapped it is its cause.
    """
    if error is not None and not isinstance(error, Exception):
        return
    order = await _standing(run, error)
    if order is not None and not _is_same(order, error):
        raise order from error
    if error is None:
        if complete and run.session.state in LIVE_STATES:
            await run.complete()
    elif not isinstance(error, OrderReceived | WriteRefused | StorageUnavailable | SessionNotFound):
        await _fail_with(run, error)


async def _standing(run: Run, error: Exception | None) -> OrderReceived | None:
    if run.order is not None:
        return run.order.again()
    if isinstance(error, WriteRefused):
        return await run.order_of_the_record()
    if error is None and run.session.state in LIVE_STATES:
        try:
            return await run.order_heard()
        except StorageUnavailable as away:
            logger.debug("whether an order stands is found out by the next who attaches: %s", away)
    return None


def _is_same(order: OrderReceived, error: Exception | None) -> bool:
    return (
        type(order) is type(error)
        and isinstance(error, OrderReceived)
        and error.session.session_id == order.session.session_id
        and error.session.order_version == order.session.order_version
    )


async def _fail_with(run: Run, error: Exception) -> None:
    if run.session.state not in LIVE_STATES:
        return
    for checkpoint in run.session.new_checkpoints:
        run.discard(checkpoint)
    where = "".join(traceback.format_exception(error, limit=-5))
    told = _storable(f"{type(error).__name__}: {error}")[: validation.MAX_TEXT]
    details = {"traceback": _storable(where)[-4000:]}
    try:
        try:
            await run.fail(told, details)
        except (Conflict, InvalidInput):
            # that it failed is worth more than what it could not store
            _forget_changes(run.session)
            await run.fail(told, details)
    except OrderReceived as order:
        raise order from error
    except Exception:
        # the agent's own error is the one that must be seen
        logger.exception("the failure of %s could not be stored", run.session.session_id)


def _forget_changes(session: AgentSession) -> None:
    base = session.loaded
    if base is not None:
        apply(session.context, diff(session.context, base.context))
        apply(session.metadata, diff(session.metadata, base.metadata))


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
