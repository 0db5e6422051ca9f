"""What every template gets."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from . import permissions


def access(request: HttpRequest) -> dict[str, Any]:
    """`access`: what the reader may see and do. Read only if a template uses it."""
    return {"access": SimpleLazyObject(lambda: permissions.access(request))}
