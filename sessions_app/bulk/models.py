"""Bulk jobs and the outcome for each session. Managed by Django."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class BulkJob(models.Model):
    """`worker` holds the job until `lease_until`; another worker takes over an expired lease."""

    class State(models.TextChoices):
        DRAFT = "draft", _("not started")
        RUNNING = "running", _("running")
        STOPPED = "stopped", _("stopped")
        DONE = "done", _("finished")

    class Origin(models.TextChoices):
        LIST = "list", _("from the list")
        UNDO = "undo", _("undoes another")
        RETRY = "retry", _("tries again what failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    verb = models.CharField(_("order"), max_length=20)
    checkpoint = models.CharField(_("checkpoint"), max_length=500, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    actor = models.CharField(_("by"), max_length=150)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.DRAFT)
    trouble = models.CharField(max_length=20, blank=True)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.LIST)
    follows = models.ForeignKey("self", on_delete=models.SET_NULL, null=True)
    query = models.TextField(blank=True)
    cut = models.BooleanField(default=False)
    created_at = models.DateTimeField(_("planned"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    worker = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("bulk order")
        verbose_name_plural = _("bulk orders")
        indexes = [
            models.Index(
                fields=["started_at"], condition=models.Q(state="running"), name="bulk_running"
            ),
            models.Index(fields=["-created_at"], name="bulk_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {str(self.id)[:8]}"


class BulkItem(models.Model):
    """`version` is the base of the plan: the item fails if an order or another state came since; saves do not count."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DONE = "done", _("done")
        ALREADY = "already", _("was so already")
        FAILED = "failed", _("did not work")
        IMPOSSIBLE = "impossible", _("not possible")

    job = models.ForeignKey(BulkJob, on_delete=models.CASCADE, related_name="items")
    n = models.IntegerField()
    # No foreign key constraint: the outcome remains after the session was removed for good.
    session = models.ForeignKey(
        "sessions_app.AgentSession",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="bulk_items",
    )
    agent_type = models.CharField(max_length=50)
    version = models.BigIntegerField()
    checkpoint_n = models.IntegerField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.WAITING)
    problem = models.CharField(max_length=20, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    result_version = models.BigIntegerField(null=True)
    at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "session"], name="bulk_item_once")]
        indexes = [models.Index(fields=["job", "outcome", "n"], name="bulk_item_outcome")]

    def __str__(self) -> str:
        return f"{self.session_id} {self.outcome}"
