"""Keeping, finding and forgetting drafts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models.functions import Now
from django.http import QueryDict

from agent_sessions import InvalidInput, validation

from .models import FormDraft

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KEPT = timedelta(days=7)
MAX_DRAFTS = 20
MAX_BYTES = 16 * 1024 * 1024
FORM = re.compile(r"[a-z]{1,20}:[a-z]{1,20}:[0-9a-f-]{36}")


def keep(user: User, form: str, fields: dict[str, list[str]]) -> None:
    """Raises InvalidInput. Of more than MAX_DRAFTS of one person the oldest are forgotten."""
    if not FORM.fullmatch(form):
        raise InvalidInput("there is no such form")
    validation.json_object(fields, "draft", MAX_BYTES)
    found = {"fields": fields, "saved_at": Now()}
    FormDraft.objects.update_or_create(user=user, form=form, defaults=found)
    newest = FormDraft.objects.filter(user=user).order_by("-saved_at").values("pk")[:MAX_DRAFTS]
    FormDraft.objects.filter(user=user).exclude(pk__in=newest).delete()


def find(user: User, form: str) -> QueryDict | None:
    """As it would have been sent."""
    found = FormDraft.objects.filter(user=user, form=form).values_list("fields", flat=True).first()
    if found is None:
        return None
    sent = QueryDict(mutable=True)
    for name, texts in found.items():
        sent.setlist(name, texts)
    return sent


def forget(user: User, form: str) -> None:
    FormDraft.objects.filter(user=user, form=form).delete()


def forget_old() -> None:
    """In a thread of its own, which gives its connection back."""
    try:
        FormDraft.objects.filter(saved_at__lt=Now() - KEPT).delete()
    finally:
        connection.close()
