"""Accounts of the identity provider, limits to agent types, failed log-ins. Managed by Django."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from ..bidi import isolated


class ProviderIdentity(models.Model):
    """An account of the single sign-on provider, and the user it logs in as."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, verbose_name=_("user")
    )
    issuer = models.CharField(_("provider (iss)"), max_length=255)
    subject = models.CharField(_("account at the provider (sub)"), max_length=255)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        app_label = "sessions_app"
        verbose_name = _("single sign-on account")
        verbose_name_plural = _("single sign-on accounts")
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="one_user_an_identity")
        ]

    def __str__(self) -> str:
        return f"{isolated(self.subject)} @ {isolated(self.issuer)}"


class AgentTypeLimit(models.Model):
    """The agent types to whose sessions a user, or the members of a group, are limited."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, verbose_name=_("user")
    )
    group = models.OneToOneField(
        "auth.Group", on_delete=models.CASCADE, null=True, verbose_name=_("group")
    )
    agent_types = ArrayField(models.CharField(max_length=50), verbose_name=_("agent types"))

    class Meta:
        app_label = "sessions_app"
        verbose_name = _("limit to agent types")
        verbose_name_plural = _("limit to agent types")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user=None) ^ models.Q(group=None), name="of_a_user_or_a_group"
            )
        ]

    def __str__(self) -> str:
        return isolated(", ".join(self.agent_types))


class LoginAttempts(models.Model):
    """Password attempts for an account, from an address, or both, since a time."""

    class Kind(models.TextChoices):
        ADDRESS = "address", _("address")
        ACCOUNT = "account", _("account")
        PAIR = "pair", _("account from address")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    name = models.CharField(_("name"), max_length=255)
    tries = models.PositiveIntegerField(_("attempts"))
    since = models.DateTimeField(_("since"), db_index=True)
    last_at = models.DateTimeField(_("last"))

    class Meta:
        app_label = "sessions_app"
        verbose_name = _("failed log-ins")
        verbose_name_plural = _("failed log-ins")
        constraints = [
            models.UniqueConstraint(fields=["kind", "name"], name="one_count_of_attempts")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {isolated(self.name)}"
