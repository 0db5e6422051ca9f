"""Drafts. Managed by Django."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from ..bidi import isolated


class FormDraft(models.Model):
    """`form` identifies the form, as its page names it; `fields` are its texts by name."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    form = models.CharField(max_length=100)
    fields = models.JSONField()
    saved_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "form"], name="one_draft_a_form")]
        indexes = [models.Index(fields=["saved_at"], name="oldest_draft")]

    def __str__(self) -> str:
        return f"{isolated(self.user)} {self.form}"
