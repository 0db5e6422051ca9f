"""Unmanaged mirrors of the tables that agent_sessions owns. A test holds them equal to the database."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from agent_sessions.stored_values import read_json

from .bidi import isolated
from .choices import STATE_LABELS
from .permissions import VIEW, labels
from .querysets import CheckpointQuerySet, HistoryQuerySet, PastContextQuerySet, SessionQuerySet


class StoredJSONField(models.JSONField):
    """Whatever jsonb holds is read: what Python cannot hold of it is left out."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return read_json(value) if isinstance(value, str) else value

    def deconstruct(self) -> Any:
        """For migrations it is Django's own: nothing in the database differs."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs


class AgentSession(models.Model):
    id = models.UUIDField(_("id"), primary_key=True)
    agent_type = models.CharField(_("agent type"), max_length=50)
    user_id = models.TextField(_("user"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=20, choices=STATE_LABELS, null=True)
    context = StoredJSONField(_("context"), null=True)
    checkpoints = StoredJSONField(_("checkpoints"), null=True)
    created_at = models.DateTimeField(_("started"), null=True)
    updated_at = models.DateTimeField(_("changed"), null=True)
    last_heartbeat = models.DateTimeField(_("heartbeat"), null=True)
    metadata = StoredJSONField(_("metadata"), default=dict)
    version = models.BigIntegerField(_("version"), default=1)
    epoch = models.IntegerField(default=0)
    context_version = models.BigIntegerField(default=1)
    checkpoint_count = models.IntegerField(null=True)
    checkpoints_through = models.IntegerField(null=True)
    last_progress = models.DateTimeField(_("progress"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    state_before_deletion = models.CharField(max_length=20, null=True)
    order_version = models.BigIntegerField(default=0)
    order_verb = models.TextField(null=True)
    order_actor = models.TextField(null=True)
    order_reason = models.TextField(null=True)
    ordered_at = models.DateTimeField(null=True)
    order_checkpoint = models.IntegerField(null=True)
    acknowledged_version = models.BigIntegerField(default=0)
    acknowledged_at = models.DateTimeField(null=True)
    parts = models.SmallIntegerField(null=True)
    parts_at_work = models.SmallIntegerField(null=True)
    owner_id = models.TextField(null=True)
    owner_name = models.TextField(null=True)
    owner_since = models.DateTimeField(null=True)
    owner_timeline = models.TextField(null=True)
    lease_until = models.DateTimeField(null=True)
    handed_back_at = models.DateTimeField(null=True)
    failed_attempts = models.SmallIntegerField(default=0)
    refused_writes = models.IntegerField(_("late saves rejected"), default=0)
    their_copies = StoredJSONField(null=True)
    resent_version = models.BigIntegerField(default=0)
    change_kind = models.TextField(null=True)
    change_actor = models.TextField(null=True)
    change_reason = models.TextField(null=True)
    change_source = models.TextField(null=True)
    change_id = models.UUIDField(null=True)
    change_detail = StoredJSONField(null=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "agent_sessions"
        verbose_name = _("agent session")
        verbose_name_plural = _("agent sessions")
        permissions = [
            (right, cast("Any", label)) for right, label in labels().items() if right != VIEW
        ]

    def __str__(self) -> str:
        return f"{isolated(self.agent_type)} {str(self.id)[:8]}"


class Checkpoint(models.Model):
    pk = models.CompositePrimaryKey("session_id", "n")
    session_id = models.UUIDField()
    n = models.IntegerField()
    name = models.TextField()
    at = models.DateTimeField()
    claimed = models.TextField(null=True)
    data = StoredJSONField(default=dict)
    metadata = StoredJSONField(default=dict)
    context_version = models.BigIntegerField(null=True)
    version = models.BigIntegerField()
    actor = models.TextField(null=True)
    source = models.TextField()

    objects = CheckpointQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "agent_session_checkpoints"

    def __str__(self) -> str:
        return f"{self.n} {isolated(self.name)}"


class PastContext(models.Model):
    pk = models.CompositePrimaryKey("session_id", "context_version")
    session_id = models.UUIDField()
    context_version = models.BigIntegerField()
    replaced_at = models.DateTimeField()
    context = StoredJSONField()

    objects = PastContextQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "agent_session_contexts"

    def __str__(self) -> str:
        return f"{self.session_id} {self.context_version}"


class HistoryEntry(models.Model):
    pk = models.CompositePrimaryKey("session_id", "version", "at")
    session_id = models.UUIDField()
    version = models.BigIntegerField()
    at = models.DateTimeField()
    kind = models.TextField()
    from_state = models.CharField(max_length=20, null=True)
    to_state = models.CharField(max_length=20, null=True)
    epoch = models.IntegerField()
    checkpoint_n = models.IntegerField(null=True)
    checkpoint_name = models.TextField(null=True)
    paths = ArrayField(models.TextField(), null=True)
    actor = models.TextField(null=True)
    reason = models.TextField(null=True)
    source = models.TextField()
    change_id = models.UUIDField(null=True)
    detail = StoredJSONField(null=True)

    objects = HistoryQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "agent_session_history"

    def __str__(self) -> str:
        return f"{self.session_id} {self.version} {self.kind}"


class Monitor(models.Model):
    """When a watch began and when it last looked."""

    source = models.TextField(primary_key=True)
    began_at = models.DateTimeField()
    looked_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "agent_session_monitors"

    def __str__(self) -> str:
        return self.source


class Blindness(models.Model):
    """From when to when a watch could not see; without an end it still cannot."""

    pk = models.CompositePrimaryKey("source", "cause", "started_at")
    source = models.TextField()
    cause = models.TextField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "agent_session_blindness"

    def __str__(self) -> str:
        return f"{self.source} {self.cause} {self.started_at}"


class ApiToken(models.Model):
    """Lets a program in with rights of a user. Only its hash is stored. Managed by Django."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, verbose_name=_("user")
    )
    name = models.CharField(_("name"), max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"), null=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    rights = ArrayField(
        models.CharField(max_length=100),
        verbose_name=_("rights"),
        null=True,
    )
    """None: all of its user, as for tokens that were made before rights could be chosen."""

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="one_token_a_name")]

    def __str__(self) -> str:
        return isolated(self.name)


from .accounts.models import AgentTypeLimit, LoginAttempts, ProviderIdentity  # noqa: E402, F401
from .bulk.models import BulkItem, BulkJob  # noqa: E402, F401  (Django looks for models here)
from .drafts.models import FormDraft  # noqa: E402, F401
from .saved_views.models import ListStyle, SavedView  # noqa: E402, F401
