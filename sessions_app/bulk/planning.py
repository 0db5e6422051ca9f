"""The dry run: pins sessions and versions, and determines for each whether the order is possible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection, transaction

from agent_sessions.states import SessionState

from ..choices import VERBS
from ..models import AgentSession
from ..permissions import access_of
from ..querysets import SessionQuerySet
from ..selectors.filters import ListFilter
from .models import BulkItem, BulkJob

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST = 10_000
MOST_NAMES = 50
NAMES_FROM = 500
Outcome = BulkItem.Outcome

_NAMES = """
SELECT name, count(DISTINCT session_id) FROM agent_session_checkpoints WHERE session_id = ANY(%s)
GROUP BY name ORDER BY 2 DESC, 1 LIMIT %s
"""
_CHOOSE = """
UPDATE sessions_app_bulkitem i SET checkpoint_n = found.n,
    outcome = CASE WHEN i.problem = 'state' OR found.n IS NULL THEN 'impossible' ELSE 'waiting' END,
    problem = CASE WHEN i.problem = 'state' THEN 'state' WHEN found.n IS NULL THEN 'checkpoint' ELSE '' END
FROM (SELECT id, (SELECT max(n) FROM agent_session_checkpoints k
                  WHERE k.session_id = j.session_id AND k.name = %(name)s) AS n
      FROM sessions_app_bulkitem j WHERE job_id = %(job)s) AS found
WHERE i.id = found.id
"""


def plan_ticked(verb: str, seen: dict[UUID, int | None], user: User) -> BulkJob:
    """`seen` is the version that each row showed when it was ticked, if known."""
    sessions = _visible(user).filter(id__in=list(seen)[:MOST])
    return _pinned(BulkJob(verb=verb, **_by(user)), sessions, seen)


def plan_matching(verb: str, query: str, user: User) -> BulkJob:
    """Plans for the sessions that the list's query matches now, at most MOST.

    Later matches are not included.
    """
    sessions = ListFilter.from_query(query, access_of(user)).queryset(AgentSession.objects.all())
    return _pinned(BulkJob(verb=verb, query=query[:4000], **_by(user)), sessions)


def plan_undo(job: BulkJob, user: User) -> BulkJob:
    """Plans to undo the job's changes; items fail where an order or another state has come since."""
    undo = BulkJob(verb=VERBS[job.verb].undo, origin=BulkJob.Origin.UNDO, follows=job, **_by(user))
    changed = dict(
        job.items.filter(outcome=Outcome.DONE).values_list("session_id", "result_version")
    )
    return _pinned(undo, _visible(user).filter(id__in=list(changed)), changed)


def plan_retry(job: BulkJob, user: User) -> BulkJob:
    """Plans the failed sessions again, with their current versions."""
    retry = BulkJob(
        verb=job.verb,
        checkpoint=job.checkpoint,
        reason=job.reason if access_of(user).sees_content or job.owner == user else "",
        origin=BulkJob.Origin.RETRY,
        follows=job,
        **_by(user),
    )
    failed = job.items.filter(outcome=Outcome.FAILED).values_list("session_id", flat=True)
    planned = _pinned(retry, _visible(user).filter(id__in=list(failed)))
    if job.checkpoint:
        choose_checkpoint(planned, job.checkpoint)
    return planned


def _visible(user: User) -> SessionQuerySet[AgentSession]:
    return AgentSession.objects.visible_to(access_of(user))


def _by(user: User) -> dict[str, object]:
    return {"actor": user.get_username(), "owner": user}


def _pinned(
    job: BulkJob,
    sessions: SessionQuerySet[AgentSession],
    seen: dict[UUID, int | None] | None = None,
) -> BulkJob:
    columns = ("id", "agent_type", "state", "version")
    found = list(sessions.newest_first().values_list(*columns)[: MOST + 1])
    job.cut = len(found) > MOST
    possible = VERBS[job.verb].states
    items = []
    for n, (id, agent_type, state, version) in enumerate(found[:MOST], 1):
        item = BulkItem(job=job, n=n, session_id=id, agent_type=agent_type)
        item.version = (seen or {}).get(id) or version
        if (state or SessionState.ACTIVE) not in possible:
            item.outcome, item.problem, item.detail = Outcome.IMPOSSIBLE, "state", state
        items.append(item)
    with transaction.atomic():
        job.save(force_insert=True)
        BulkItem.objects.bulk_create(items, batch_size=2000)
    return job


def checkpoint_names(job: BulkJob) -> Sequence[tuple[str, int]]:
    """Checkpoint names of the newest of these sessions, each with in how many it occurs, the most frequent first."""
    ids = list(job.items.order_by("n").values_list("session_id", flat=True)[:NAMES_FROM])
    with connection.cursor() as cursor:
        cursor.execute(_NAMES, [ids, MOST_NAMES])
        return [(name, n) for name, n in cursor.fetchall()]


def choose_checkpoint(job: BulkJob, name: str) -> None:
    """Pins the newest checkpoint of that name for each session."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not BulkJob.objects.filter(id=job.id, state="draft").update(checkpoint=name):
            return
        cursor.execute(_CHOOSE, {"name": name, "job": job.id})
    job.checkpoint = name
