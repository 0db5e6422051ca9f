"""Saved views and list preferences. Managed by Django."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ..bidi import isolated


class SavedView(models.Model):
    """A filter with a name. `query` is the list's query string without page and view."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(_("name"), max_length=80)
    query = models.TextField(blank=True)
    shared = models.BooleanField(_("shared with everybody"), default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="one_view_a_name")]

    def __str__(self) -> str:
        return isolated(self.name)

    @property
    def address(self) -> str:
        return f"?view={self.pk}&{self.query}".rstrip("&")


class ListStyle(models.Model):
    """One per user: hidden columns, density, and the default view."""

    class Density(models.TextChoices):
        COMFORTABLE = "comfortable", _("Comfortable")
        COMPACT = "compact", _("Compact")

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True
    )
    hidden = models.JSONField(default=list)
    density = models.CharField(max_length=12, choices=Density, default=Density.COMFORTABLE)
    default_view = models.ForeignKey(SavedView, on_delete=models.SET_NULL, null=True)

    def __str__(self) -> str:
        return f"{isolated(self.user)} {self.density}"
