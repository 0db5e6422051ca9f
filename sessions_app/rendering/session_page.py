"""What the session page asks for: read when its template asks. `PointInTimePage` answers for a moment of the past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..choices import KINDS, SOURCES, STATES, VERBS, Badge, Text, Verb, primary_verb
from ..conditions import PAUSED, pause_verbs
from ..models import AgentSession, Checkpoint, HistoryEntry
from ..selectors import conversation as turns
from ..selectors import session as detail
from ..selectors.conversation import Conversation
from ..selectors.conversation_client import conversation_id_of
from ..selectors.point_in_time import PointInTime, state_at
from ..selectors.rows import Row
from ..selectors.session import Action, CheckpointItem, RepeatedFailure
from ..selectors.step_durations import StepDurations, read_step_durations
from . import json_tree

FILTERS = ("order", "checkpoint", "context", "state", "edit", "acknowledged", "refused")


@dataclass(frozen=True, slots=True)
class SessionPageParams:
    """What the address asks for: a moment of the past, a place in checkpoints and history, kinds of entries."""

    at: datetime | None = None
    before: int | None = None
    before_checkpoint: int | None = None
    kinds: tuple[str, ...] = ()


class SessionPage:
    """What the template asks for; read when it asks."""

    past: PointInTime | None = None
    permitted: Sequence[Verb] = ()  # the orders that the reader may give

    def __init__(self, session: AgentSession, row: Row, asked: SessionPageParams) -> None:
        self.session = session
        self.row = row
        self.now = row.read_at
        self.asked = asked

    @cached_property
    def _checkpoints(self) -> tuple[list[CheckpointItem], bool]:
        before = self.asked.before_checkpoint
        return detail.read_checkpoints(self.session.id, before=before, past=self.past)

    @property
    def checkpoints(self) -> list[CheckpointItem]:
        return self._checkpoints[0]

    @property
    def older_checkpoints(self) -> int | None:
        return self.checkpoints[-1].n if self._checkpoints[1] else None

    @property
    def is_newest_checkpoints(self) -> bool:
        return self.asked.before_checkpoint is None

    @cached_property
    def _newest_checkpoints(self) -> list[CheckpointItem]:
        if self.is_newest_checkpoints:
            return self.checkpoints
        return detail.read_checkpoints(self.session.id, past=self.past)[0]

    @cached_property
    def groups(self) -> list[StepDurations]:
        return read_step_durations(self.session.id, self.past.at if self.past else None)

    @cached_property
    def _history(self) -> tuple[list[Any], bool]:
        return detail.read_history(self.session.id, self.asked.before, self.asked.kinds)

    @property
    def history(self) -> list[Any]:
        return self._history[0]

    @property
    def older_history(self) -> int | None:
        return self.history[-1].version if self._history[1] else None

    @property
    def filters(self) -> list[tuple[str, Text, bool]]:
        return [(kind, KINDS[kind].word, kind in self.asked.kinds) for kind in FILTERS]

    @property
    def kind_query(self) -> str:
        return f"&kind={','.join(self.asked.kinds)}" if self.asked.kinds else ""

    @property
    def is_newest_history(self) -> bool:
        return self.asked.before is None

    @cached_property
    def conversation_id(self) -> str:
        return conversation_id_of(self.session.id, self.session.metadata, self.session.context)

    @property
    def shares_conversation(self) -> bool:
        return self.conversation_id != str(self.session.id)

    @cached_property
    def conversation(self) -> Conversation | None:
        return turns.read_live(self.session.id, self.conversation_id, self.session.context)

    @cached_property
    def context(self) -> json_tree.Node:
        return json_tree.build(self.session.context or {})

    @property
    def context_version(self) -> int:
        return self.session.context_version

    @cached_property
    def metadata(self) -> json_tree.Node:
        return json_tree.build(self.session.metadata or {}, nodes=100)

    @cached_property
    def actions(self) -> list[Action]:
        return [detail.action(verb, self.row.state) for verb in self.permitted]

    @property
    def primary_action(self) -> Action | None:
        """The order that this state most likely needs, or the first that is possible to this person."""
        wanted = primary_verb(self.row.state)
        return next(
            (action for action in self.actions if action.verb is wanted),
            next((action for action in self.actions if action.possible), None),
        )

    @property
    def others(self) -> list[Action]:
        return [
            a
            for a in self.actions
            if a is not self.primary_action and (a.possible or not a.verb.rare)
        ]

    @cached_property
    def last_good(self) -> CheckpointItem | None:
        """Where a rollback would most likely go: the newest checkpoint of the agent's own work.

        After the same error again it lies before those that were rolled back to in vain.
        """
        if self.repeated is None:
            return detail.first_matching(self._newest_checkpoints, own=True)
        earlier = detail.read_checkpoints(self.session.id, before=self.repeated.earliest)[0]
        return detail.first_matching(earlier, own=True)

    @cached_property
    def repeated(self) -> RepeatedFailure | None:
        return detail.read_repeated_failure(self.session.id) if self.row.state == "failed" else None

    @cached_property
    def failure(self) -> dict[str, Any] | None:
        return self._ending("failed", "session_failed")

    @cached_property
    def order_author(self) -> str:
        """Who gave the last order; where no name was given, through what it came."""
        session = self.session
        if session.order_actor:
            return session.order_actor
        entries = HistoryEntry.objects.of(session.id).filter(version=self.row.order_version)
        source = entries.values_list("source", flat=True).first() or "?"
        return str(SOURCES.get(source, source))

    @cached_property
    def order_verb(self) -> Any:
        return VERBS.get(self.session.order_verb or "")

    @property
    def undo_checkpoint(self) -> int | None:
        """The checkpoint that a rollback made of what it left: the way back to where it was."""
        entry = self.rollback_entry
        before = (entry.detail or {}).get("before") if entry else None
        return before if isinstance(before, int) else None

    @cached_property
    def rollback_entry(self) -> HistoryEntry | None:
        found = HistoryEntry.objects.of(self.session.id).filter(detail__verb="rollback")
        return found.filter(kind="order").newest_first().first()

    @cached_property
    def order_target(self) -> CheckpointItem | None:
        wanted = self.session.order_checkpoint
        if wanted is None:
            return None
        known = next((flag for flag in self._newest_checkpoints if flag.n == wanted), None)
        if known:
            return known
        found = detail.read_checkpoints(self.session.id, before=wanted + 1)[0][:1]
        return found[0] if found and found[0].n == wanted else None

    @property
    def shows_order(self) -> bool:
        """While it is open; afterwards where no banner tells of it."""
        told = self.rolled_back or (
            self.row.state == PAUSED and self.session.order_verb in pause_verbs()
        )
        return self.order_verb is not None and (self.row.order_open or not told)

    @property
    def confirmed_at(self) -> datetime | None:
        """When the agent confirmed the last order; None while it has not."""
        session = self.session
        if self.row.order_open or not session.acknowledged_at or not session.ordered_at:
            return None
        return session.acknowledged_at if session.acknowledged_at >= session.ordered_at else None

    @property
    def parts_at_work(self) -> str:
        """Why the order is not confirmed yet, as far as the run says so."""
        at_work, parts = self.row.parts_at_work, self.row.parts
        if not self.row.order_open or not at_work or not parts:
            return ""
        words = ngettext(
            "%(at_work)s of %(parts)s part still at work",
            "%(at_work)s of %(parts)s parts still at work",
            parts,
        ) % {"at_work": at_work, "parts": parts}
        return _("pausing: %(words)s") % {"words": words} if self.row.pausing else words

    @property
    def rolled_back(self) -> bool:
        return self.session.order_verb == "rollback" and self.row.state in ("active", "paused")

    @property
    def owned(self) -> bool:
        return self.session.owner_id is not None and self._is_live

    @property
    def lease_holds(self) -> bool:
        until = self.session.lease_until
        return until is not None and until > self.now

    @property
    def handed_back(self) -> bool:
        return self.session.handed_back_at is not None and not self.owned and self._is_live

    @cached_property
    def failed_attempt(self) -> dict[str, Any] | None:
        """The last error that left the session open; None once it has ended or was rolled back."""
        if not self.session.failed_attempts or not self._is_live:
            return None
        found = HistoryEntry.objects.of(self.session.id).filter(kind="attempt")
        detail = found.newest_first().values_list("detail", flat=True).first()
        return detail if isinstance(detail, dict) else None

    @property
    def _is_live(self) -> bool:
        return self.row.state in ("active", "paused")

    @property
    def silent(self) -> bool:
        return self.row.health in ("late", "lost")

    def _ending(self, state: str, name: str) -> dict[str, Any] | None:
        if self.row.state != state:
            return None
        found = Checkpoint.objects.of(self.session.id).filter(name=name).newest_first()
        data = found.values_list("data", flat=True).first()
        return data if isinstance(data, dict) else None


class PointInTimePage(SessionPage):
    """Context, conversation, checkpoints and history as of then; who and what the session is, as of now."""

    def __init__(
        self, session: AgentSession, row: Row, asked: SessionPageParams, at: datetime
    ) -> None:
        super().__init__(session, row, asked)
        self.past: PointInTime = state_at(session, at)

    @property
    def past_sign(self) -> Badge | None:
        return STATES.get(self.past.state)

    @property
    def context_version(self) -> int:
        return self.past.context_version

    @cached_property
    def context(self) -> json_tree.Node:
        return json_tree.build(self.past.context)

    @cached_property
    def conversation(self) -> Conversation | None:
        return turns.read_past(self.session.id, self.past.context, self.past.version)

    @cached_property
    def _history(self) -> tuple[list[Any], bool]:
        last = (self.past.version or 0) + 1
        before = min(last, self.asked.before or last)
        return detail.read_history(self.session.id, before, self.asked.kinds)


def read_page(session_id: Any, asked: SessionPageParams) -> SessionPage | None:
    found = detail.read_session(session_id)
    if found is None:
        return None
    session, row = found
    if asked.at is None or asked.at >= row.read_at:
        return SessionPage(session, row, asked)
    return PointInTimePage(session, row, asked, max(asked.at, row.created_at or asked.at))
