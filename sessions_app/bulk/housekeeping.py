"""What the watchdog does for bulk jobs: orphans are resumed, old ones deleted."""

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
    """In a thread beside the watch: a long job must not keep it from looking."""
    background.start()


def prune_jobs() -> None:
    """In a thread of its own, which gives its connection back."""
    try:
        abandoned = Q(state="draft", created_at__lt=Now() - DRAFTS_KEPT)
        ended = Q(state__in=("done", "stopped"), created_at__lt=Now() - JOBS_KEPT)
        BulkJob.objects.filter(abandoned | ended).delete()
    finally:
        connection.close()
