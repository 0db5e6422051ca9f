"""Named queries of the mirrored tables that several pages use."""

from __future__ import annotations

from typing import Any, Self, TypeVar
from uuid import UUID

from django.db import models

from agent_sessions.states import SessionState

from .permissions import Access

M = TypeVar("M", bound=models.Model)


class SessionQuerySet(models.QuerySet[M]):
    def newest_first(self) -> Self:
        """In a stable order that an index supports."""
        return self.order_by("-created_at", "-id")

    def visible_to(self, access: Access) -> Self:
        """Those of the agent types to which the caller is limited; the same as `Access.allows`."""
        return self if access.types is None else self.filter(agent_type__in=sorted(access.types))

    def outside_trash(self) -> Self:
        return self.exclude(state=SessionState.DELETED.value)


class OfSessionQuerySet(models.QuerySet[M]):
    def of(self, session_id: UUID | models.OuterRef) -> Self:
        return self.filter(session_id=session_id)


class CheckpointQuerySet(OfSessionQuerySet[M]):
    def newest_first(self) -> Self:
        return self.order_by("-n")


class HistoryQuerySet(OfSessionQuerySet[M]):
    """A version can have several entries: a refused write has the version of the row."""

    def newest_first(self) -> Self:
        return self.order_by("-version", "-at")

    def oldest_first(self) -> Self:
        return self.order_by("version", "at")

    def late_saves(self, after: int | models.OuterRef) -> Self:
        """Refused after that version. Their first entry alone has a time; later ones are only counted."""
        return self.filter(kind="refused", version__gt=after)


class PastContextQuerySet(OfSessionQuerySet[M]):
    def context(self, context_version: int) -> Any:
        """None if it is not stored."""
        found = self.filter(context_version=context_version)
        return found.values_list("context", flat=True).first()
