"""The form that was sent while its text could not be kept: the page that says so gives it back."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from . import signed_fields

WRITTEN = frozenset({"reason", "name", "text", "context", "metadata"})


def form_to_send_again(request: HttpRequest) -> dict[str, Any] | None:
    """Its address and its fields (name, text, whether a person wrote it). None for what is not kept as a draft.

    Nothing is read but the request: the database is away.
    """
    if signed_fields.read(request.POST.get(signed_fields.FIELD, "")) is None:
        return None
    fields = [
        (name, text, name in WRITTEN) for name, texts in request.POST.lists() for text in texts
    ]
    return {"fields": fields, "action": request.get_full_path()}
