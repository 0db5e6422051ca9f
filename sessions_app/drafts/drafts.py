"""Stores, finds and deletes drafts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models.functions import Now
from django.http import QueryDict

from agent_sessions import InvalidInput, validation

from . import signed_fields
from .models import FormDraft

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest

KEPT = timedelta(days=7)
MAX_DRAFTS = 20
MAX_BYTES = 16 * 1024 * 1024
LONGEST_NAME = 100


def keep(user_id: int, form: str, fields: dict[str, list[str]]) -> None:
    """Stores a draft; of more than MAX_DRAFTS of one person the oldest are deleted. Raises InvalidInput."""
    if not 0 < len(form) <= LONGEST_NAME:
        raise InvalidInput("there is no such form")
    validation.json_object(fields, "draft", MAX_BYTES)
    found = {"fields": fields, "saved_at": Now()}
    FormDraft.objects.update_or_create(user_id=user_id, form=form, defaults=found)
    newest = FormDraft.objects.filter(user_id=user_id).order_by("-saved_at").values("pk")
    FormDraft.objects.filter(user_id=user_id).exclude(pk__in=newest[:MAX_DRAFTS]).delete()


def keep_sent(request: HttpRequest) -> bool:
    """Stores a sent form for its author, whoever is logged in. False if it could not be stored."""
    form = signed_fields.read(request.POST.get(signed_fields.FIELD, ""), signed_fields.TAKEN)
    people = get_user_model().objects.filter(is_active=True)
    if form is None or not people.filter(pk=form.author).exists():
        return False
    try:
        keep(form.author, form.name, signed_fields.fields_of(request.POST))
    except InvalidInput:
        return False
    return True


def find(user: User, form: str) -> QueryDict | None:
    """The draft as form data."""
    return find_all(user, [form]).get(form)


def find_all(user: User, forms: Iterable[str]) -> dict[str, QueryDict]:
    found = FormDraft.objects.filter(user=user, form__in=list(forms)).values_list("form", "fields")
    return {form: _as_sent(fields) for form, fields in found}


def _as_sent(fields: dict[str, list[Any]]) -> QueryDict:
    sent = QueryDict(mutable=True)
    for name, texts in fields.items():
        sent.setlist(name, texts)
    return sent


def forget(user: User, form: str) -> None:
    FormDraft.objects.filter(user=user, form=form).delete()


def forget_old() -> None:
    """Deletes old drafts. Runs in a thread of its own, so it closes its connection."""
    try:
        FormDraft.objects.filter(saved_at__lt=Now() - KEPT).delete()
    finally:
        connection.close()
