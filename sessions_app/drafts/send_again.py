"""A form whose text could not be stored is returned in the page that reports the error."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from . import signed_fields

WRITTEN = frozenset({"reason", "name", "text", "context", "metadata"})


def form_to_send_again(request: HttpRequest) -> dict[str, Any] | None:
    """URL and fields (name, text, whether a person wrote it) of a form; None for forms without drafts.

    Reads only the request, because the database is unavailable.
    """
    if signed_fields.read(request.POST.get(signed_fields.FIELD, "")) is None:
        return None
    fields = [
        (name, text, name in WRITTEN) for name, texts in request.POST.lists() for text in texts
    ]
    return {"fields": fields, "action": request.get_full_path()}
