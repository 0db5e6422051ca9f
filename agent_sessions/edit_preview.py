"""Reads the version that an edit is based on, and the authors of conflicting changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agent_sessions import edits, validation
from agent_sessions.edits import EditPreview, Wanted
from agent_sessions.errors import EditConflict, SessionNotFound
from agent_sessions.stores.store import Store


class Editing:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def wanted(
        self,
        session_id: str,
        context: dict[str, Any] | None,
        metadata: dict[str, Any] | None,
        seen_version: int | None,
        seen_metadata: dict[str, Any] | None,
    ) -> list[Wanted]:
        """Raises InvalidInput."""
        session_id = validation.session_id(session_id)
        found: list[Wanted] = []
        if context is not None:
            validation.json_object(context, "context")
            compared = seen_version is not None
            loaded = (
                None
                if seen_version is None
                else await self._store.context_seen(session_id, seen_version)
            )
            found.append(Wanted("context", context, compared, loaded))
        if metadata is not None:
            validation.json_object(metadata, "metadata")
            compared = seen_version is not None or seen_metadata is not None
            if seen_version is not None and seen_metadata is None:
                seen_metadata = await self._unchanged_metadata(session_id, seen_version)
            found.append(Wanted("metadata", metadata, compared, seen_metadata))
        return found

    async def _unchanged_metadata(self, session_id: str, version: int) -> dict[str, Any] | None:
        """Past metadata is not stored: only that of the newest version is known."""
        session = await self._store.read(session_id)
        newest = session is not None and session.version == version
        return session.metadata if session is not None and newest else None

    async def preview(
        self, session_id: str, wanted: Sequence[Wanted], seen_version: int | None
    ) -> EditPreview:
        session = await self._store.read(session_id)
        if session is None:
            raise SessionNotFound(session_id)
        return await self._signed(edits.preview(session, wanted), seen_version)

    async def signed(self, error: EditConflict, seen_version: int | None) -> EditConflict:
        preview = await self._signed(error.preview, seen_version)
        return EditConflict(preview, preview.conflicts)

    async def _signed(self, preview: EditPreview, seen_version: int | None) -> EditPreview:
        if not preview.conflicts:
            return preview
        writers = await self._store.writers_since(preview.session.session_id, seen_version or 0)
        signed = {
            merged.part: replace(merged, conflicts=edits.signed(merged.conflicts, writers))
            for merged in preview.parts
        }
        return EditPreview(preview.session, signed.get("context"), signed.get("metadata"))
