"""The watchdog's tasks for bulk jobs: it resumes orphaned jobs and deletes old ones."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from .models import BulkJob
from .worker import background

DRAFTS_KEPT = timedelta(days=1)
JOBS_KEPT = timedelta(days=90)


async def take_up_orphans() -> None:
    """Starts the worker's thread, so that a long job does not block the watchdog."""
    background.start()


def prune_jobs() -> None:
    """Deletes old jobs. Runs in a thread of its own, so it closes its connection."""
    try:
        abandoned = Q(state="draft", created_at__lt=Now() - DRAFTS_KEPT)
        ended = Q(state__in=("done", "stopped"), created_at__lt=Now() - JOBS_KEPT)
        BulkJob.objects.filter(abandoned | ended).delete()
    finally:
        connection.close()
