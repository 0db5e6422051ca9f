"""Reads the database for the feed in a thread of its own, so that pages and sockets do not wait."""

import asyncio
import copy
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.db.utils import load_backend
from django.urls import set_script_prefix

from ..limits import LIMITS

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseUnavailable(Exception):
    """The database could not be read; the caller has to read again."""


def _prepare_thread() -> None:
    """Sets the path prefix, which links in rows need outside of a request.

    The thread has its own connection, so pages that exhaust their pool do not stop the feed.
    """
    set_script_prefix(settings.FORCE_SCRIPT_NAME or "/")
    given = copy.deepcopy(connections["default"].settings_dict)
    given["OPTIONS"].pop("pool", None)
    given["CONN_MAX_AGE"] = None
    connections["default"] = load_backend(given["ENGINE"]).DatabaseWrapper(given, "default")


class DatabaseThread:
    """One thread with one connection, which is replaced when the database does not answer."""

    def __init__(self, name: str, *, timeout: float = LIMITS.read) -> None:
        self._name, self._timeout = name, timeout
        self._thread = self._new_thread()
        self._one = asyncio.Lock()

    def _new_thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, self._name, initializer=_prepare_thread)

    async def read(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs it in the thread.

        Raises DatabaseUnavailable for an error of the driver, which ends the connection, and after the time limit.
        """

        def ask() -> T:
            try:
                return question(*args, **kwargs)
            except (DatabaseError, InterfaceError):
                connections.close_all()
                raise

        try:
            async with self._one, asyncio.timeout(self._timeout):
                return await asyncio.get_running_loop().run_in_executor(self._thread, ask)
        except TimeoutError:
            self._thread.shutdown(wait=False)
            self._thread = self._new_thread()
            raise DatabaseUnavailable("the database does not answer") from None
        except (DatabaseError, InterfaceError) as error:
            raise DatabaseUnavailable(str(error)) from error

    async def close(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._thread, connections.close_all)
        except TimeoutError:
            log.warning("the thread %s is still waiting for the database", self._name)
        self._thread.shutdown(wait=False, cancel_futures=True)
