"""Executes bulk jobs in a thread of the web process or the watchdog; another process takes over when it dies.

Only the holder of a job's lease works on it. An order that a worker gave without recording it,
because it died, is given again with the same request id, which changes nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from agent_sessions import (
    CheckpointNotFound,
    Conflict,
    InvalidTransition,
    SessionError,
    SessionNotFound,
    StorageUnavailable,
)

from .. import actions
from ..choices import VERBS
from ..models import HistoryEntry
from ..permissions import NONE, Access, access_of
from .models import BulkItem, BulkJob

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=20)
BATCH = 64
AT_ONCE = 8
LOOK_EVERY = 10.0
AGAIN_AFTER = 2.0
Outcome, State = BulkItem.Outcome, BulkJob.State

_CLAIM = """
UPDATE sessions_app_bulkjob SET worker = %(worker)s, lease_until = now() + make_interval(secs => %(lease)s)
WHERE id = (SELECT id FROM sessions_app_bulkjob
            WHERE state = 'running' AND (lease_until IS NULL OR lease_until < now())
            ORDER BY started_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""


class BulkWorker:
    """`run_next()` claims a job and works until it is finished, stopped or taken over."""

    def __init__(self, name: str = "") -> None:
        self.name = name or f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"

    def run_next(self) -> bool:
        """Whether there was a job. Raises DatabaseError while PostgreSQL is unavailable."""
        job = self.claim()
        if job is None:
            return False
        with ThreadPoolExecutor(AT_ONCE, "bulk") as hands:
            while self.step(job, hands):
                pass
        return True

    def claim(self) -> BulkJob | None:
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, {"worker": self.name, "lease": LEASE.total_seconds()})
            found = cursor.fetchone()
        return BulkJob.objects.get(id=found[0]) if found else None

    def step(self, job: BulkJob, hands: ThreadPoolExecutor) -> bool:
        """Executes one batch. False if nothing is left for this worker."""
        if not self._mine(job).update(lease_until=Now() + LEASE):
            return False
        access = owner_access(job)
        if not access.may_perform(VERBS[job.verb]):
            self._mine(job).update(state=State.STOPPED, trouble="right", ended_at=Now())
            return False
        batch = list(job.items.filter(outcome=Outcome.WAITING).order_by("n")[:BATCH])
        if not batch:
            self._mine(job).update(state=State.DONE, trouble="", ended_at=Now(), worker="")
            return False
        try:
            results = list(hands.map(lambda item: apply_item(job, item, access), batch))
        except StorageUnavailable:
            self._mine(job).update(trouble="database", lease_until=Now() + timedelta(seconds=1))
            return False
        BulkItem.objects.bulk_update(
            recognised(job, results), ["outcome", "problem", "detail", "result_version", "at"]
        )
        return True

    def _mine(self, job: BulkJob) -> QuerySet[BulkJob]:
        return BulkJob.objects.filter(id=job.id, state=State.RUNNING, worker=self.name)


def apply_item(job: BulkJob, item: BulkItem, access: Access) -> BulkItem:
    """Gives the order, unless the owner does not see sessions of that agent type any more.

    Raises StorageUnavailable if the outcome is unknown; the item is then repeated.
    """
    extra = {} if item.checkpoint_n is None else {"checkpoint_id": item.checkpoint_n}
    item.at = None
    if not access.allows(item.agent_type):
        item.outcome, item.problem, item.at = Outcome.FAILED, "hidden", Now()
        return item
    try:
        outcome = actions.perform(
            job.verb,
            item.session_id,
            actor=job.actor,
            reason=job.reason,
            source="bulk",
            request_id=request_id(job, item),
            seen_version=item.version,
            **extra,
        )
    except StorageUnavailable:
        raise
    except SessionError as error:
        item.outcome = Outcome.FAILED
        item.problem, item.detail = _problem(error)
    else:
        item.outcome = Outcome.DONE if outcome.changed else Outcome.ALREADY
        item.problem = item.detail = ""
        item.result_version = outcome.session.version
    item.at = Now()
    return item


def recognised(job: BulkJob, items: list[BulkItem]) -> list[BulkItem]:
    """Marks orders as done that a worker of this job gave before it died without recording them."""
    unsure = {request_id(job, item): item for item in items if item.outcome == Outcome.ALREADY}
    if unsure:
        found = HistoryEntry.objects.filter(
            session_id__in=[item.session_id for item in unsure.values()], change_id__in=list(unsure)
        )
        for change_id, version in found.values_list("change_id", "version"):
            if change_id is not None:
                unsure[change_id].outcome = Outcome.DONE
                unsure[change_id].result_version = version
    return items


def request_id(job: BulkJob, item: BulkItem) -> uuid.UUID:
    return uuid.uuid5(job.id, str(item.session_id))


def _problem(error: SessionError) -> tuple[str, str]:
    if isinstance(error, InvalidTransition):
        return "state", str(error.current)[:300]
    if isinstance(error, Conflict):
        return "conflict", (error.actor or "")[:300]
    if isinstance(error, SessionNotFound):
        return "gone", ""
    if isinstance(error, CheckpointNotFound):
        return "checkpoint", ""
    return "other", str(error)[:300]


def owner_access(job: BulkJob) -> Access:
    """What the owner may do now; without the right the job stops."""
    owner = BulkJob.objects.select_related("owner").get(id=job.id).owner
    return NONE if owner is None else access_of(owner)


class Background:
    """The thread of this process that runs jobs: immediately when woken, else every few seconds."""

    def __init__(self, look: Callable[[], bool]) -> None:
        self._look = look
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._stopped.clear()
                self._thread = threading.Thread(target=self._run, name="bulk", daemon=True)
                self._thread.start()

    def wake(self) -> None:
        self._woken.set()
        self.start()

    def stop(self) -> None:
        """Returns when the thread has ended, which it does after its current job."""
        self._stopped.set()
        self._woken.set()
        with self._starting:
            if self._thread is not None:
                self._thread.join()
                self._thread = None

    def _run(self) -> None:
        while True:
            self._woken.clear()
            # checked after clear(), which would otherwise undo the set() in `stop`
            if self._stopped.is_set():
                return
            self._woken.wait(self.tick())

    def tick(self) -> float:
        """Runs all waiting jobs; returns the seconds until the next check."""
        try:
            while not self._stopped.is_set() and self._look():
                pass
            return LOOK_EVERY
        except (DatabaseError, InterfaceError) as error:
            logger.warning("bulk jobs wait for the database: %s", error)
        except Exception:
            logger.exception("a bulk job stumbled; it is taken up again")
        finally:
            connection.close()
        return AGAIN_AFTER


background = Background(lambda: BulkWorker().run_next())
