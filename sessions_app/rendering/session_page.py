"""Data of the session page, read before its template renders.

`PointInTimePage` is for a past time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from agent_sessions.states import LIVE_STATES, SessionState

from ..choices import KINDS, SOURCES, STATES, VERBS, Badge, Text, primary_verb
from ..health import Health
from ..listed_states import PAUSED, pause_verbs
from ..models import AgentSession, HistoryEntry
from ..permissions import Access
from ..selectors import conversation as turns
from ..selectors import session as detail
from ..selectors.conversation import Conversation
from ..selectors.conversation_client import conversation_id_of
from ..selectors.point_in_time import PointInTime, state_at
from ..selectors.rows import Row
from ..selectors.session import Action, RepeatedFailure, ShownCheckpoint, ShownHistoryEntry
from ..selectors.step_durations import MAX_CHECKPOINTS, StepDurations, read_step_durations
from . import json_tree

FILTERS = ("order", "checkpoint", "context", "state", "edit", "acknowledged", "refused")


@dataclass(frozen=True, slots=True)
class SessionPageParams:
    """Parameters of the URL: a past time, positions in checkpoints and history, kinds of entries."""

    at: datetime | None = None
    before: int | None = None
    before_checkpoint: int | None = None
    kinds: tuple[str, ...] = ()


class SessionPageContent:
    """Data for the templates, which make no queries: the view calls `read_conversation` or `read_panels` first.

    Contents are left out if the reader may not see them.
    """

    past: PointInTime | None = None
    conversation: Conversation | None = None
    checkpoints: list[ShownCheckpoint]
    groups: list[StepDurations]
    history: list[ShownHistoryEntry]
    older_checkpoints: int | None = None
    older_history: int | None = None
    last_good: ShownCheckpoint | None = None
    repeated: RepeatedFailure | None = None
    failure: dict[str, Any] | None = None
    failed_attempt: dict[str, Any] | None = None
    order_author = ""
    order_target: ShownCheckpoint | None = None
    undo_checkpoint: int | None = None
    saves_after_order = False
    """Whether an agent tried to save after the open order, although it sends no heartbeats."""

    def __init__(
        self,
        session: AgentSession,
        row: Row,
        asked: SessionPageParams,
        access: Access,
    ) -> None:
        self.session = session
        self.row = row
        self.now = row.read_at
        self.checkpoint_count = row.checkpoint_count
        self.asked = asked
        self.access = access
        self.shows_content = access.sees_content

    def read_conversation(self) -> None:
        if self.shows_content:
            self.conversation = turns.read_live(
                self.session.id, self.conversation_id, self.session.context
            )

    def read_panels(self) -> None:
        self.read_conversation()
        newest = self._read_checkpoints()
        self._read_history()
        self._read_failure(newest)
        if self.past is None:
            self._read_order(newest)

    def _read_checkpoints(self) -> list[ShownCheckpoint]:
        """Returns the newest of all; the page may show older ones."""
        before = self.asked.before_checkpoint
        self.checkpoints, more = detail.read_checkpoints(
            self.session.id, content=self.shows_content, before=before, past=self.past
        )
        self.older_checkpoints = self.checkpoints[-1].n if more else None
        if self.past is not None:
            self.checkpoint_count = detail.count_checkpoints(self.session.id, self.past)
        at = self.past.at if self.past else None
        self.groups = read_step_durations(self.session.id, at) if self.checkpoints else []
        if self.is_newest_checkpoints:
            return self.checkpoints
        return detail.read_checkpoints(self.session.id, content=False, past=self.past)[0]

    def _read_history(self) -> None:
        before = self.asked.before
        if self.past is not None:
            last = (self.past.version or 0) + 1
            before = min(last, before or last)
        self.history, more = detail.read_history(
            self.session.id, before, self.asked.kinds, content=self.shows_content
        )
        self.older_history = self.history[-1].version if more else None

    def _read_failure(self, newest: list[ShownCheckpoint]) -> None:
        """`last_good` is the most likely target of a rollback: the newest checkpoint of the agent's own work.

        After a repeated error it is older than those to which the session was rolled back in vain.
        """
        if self.row.state == SessionState.FAILED and self.shows_content:
            self.repeated = detail.read_repeated_failure(self.session.id)
        if self.repeated is not None:
            newest = detail.read_checkpoints(
                self.session.id, content=False, before=self.repeated.earliest
            )[0]
        self.last_good = detail.first_matching(newest, own=True)
        if self.past is not None:
            return
        if self.row.state == SessionState.FAILED and self.shows_content:
            self.failure = detail.read_failure(self.session.id)
        elif self.session.failed_attempts and self._is_live:
            self.failed_attempt = detail.read_failed_attempt(
                self.session.id, content=self.shows_content
            )

    def _read_order(self, newest: list[ShownCheckpoint]) -> None:
        """Facts of the last order, each only where the page shows it."""
        session = self.session
        if self.shows_order or self.rolled_back or self._paused_by_order:
            self.order_author = session.order_actor or self._order_source()
        if session.order_checkpoint is not None and (self.shows_order or self.rolled_back):
            self.order_target = detail.find_checkpoint(
                session.id, session.order_checkpoint, among=newest
            )
        if self.row.order_open and self.row.without_agent and self.row.refused_writes:
            later = HistoryEntry.objects.of(session.id).late_saves(self.row.order_version)
            self.saves_after_order = later.exists()
        if self.rolled_back and self.access.may_roll_back:
            self.undo_checkpoint = detail.read_undo_checkpoint(session.id)

    def _order_source(self) -> str:
        """The source of an order without an author."""
        source = detail.read_order_source(self.session.id, self.row.order_version)
        return str(SOURCES.get(source, source))

    @property
    def is_newest_checkpoints(self) -> bool:
        return self.asked.before_checkpoint is None

    @property
    def filters(self) -> list[tuple[str, Text, bool]]:
        return [(kind, KINDS[kind].word, kind in self.asked.kinds) for kind in FILTERS]

    @property
    def kind_query(self) -> str:
        return f"&kind={','.join(self.asked.kinds)}" if self.asked.kinds else ""

    @property
    def moment_query(self) -> str:
        """Keeps the past time that is shown."""
        return (
            f"&at={self.past.at.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
            if self.past
            else ""
        )

    @property
    def measured_checkpoints(self) -> int | None:
        """How many checkpoints the durations of steps are from; None for all."""
        return MAX_CHECKPOINTS if self.checkpoint_count > MAX_CHECKPOINTS else None

    @property
    def is_newest_history(self) -> bool:
        return self.asked.before is None

    @cached_property
    def conversation_id(self) -> str:
        """A limited reader gets the session's own: metadata could name that of any other session."""
        parts = (self.session.metadata, self.session.context) if self.access.types is None else ()
        return conversation_id_of(self.session.id, *parts)

    @property
    def shares_conversation(self) -> bool:
        return self.conversation_id != str(self.session.id)

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
        return [detail.action(verb, self.row.state) for verb in self.access.verbs]

    @property
    def primary_action(self) -> Action | None:
        """The order that this state most likely needs, or the first possible one of this person's."""
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
    def order_verb(self) -> Any:
        return VERBS.get(self.session.order_verb or "")

    @property
    def shows_order(self) -> bool:
        """While the order is open; afterwards only if no banner shows it."""
        told = self.rolled_back or self._paused_by_order
        return self.order_verb is not None and (self.row.order_open or not told)

    @property
    def _paused_by_order(self) -> bool:
        return self.row.state == PAUSED and self.session.order_verb in pause_verbs()

    @property
    def confirmed_at(self) -> datetime | None:
        """When the agent confirmed the last order; None if it has not."""
        session = self.session
        if self.row.order_open or not session.acknowledged_at or not session.ordered_at:
            return None
        return session.acknowledged_at if session.acknowledged_at >= session.ordered_at else None

    @property
    def parts_at_work(self) -> str:
        """The parts that delay the confirmation, as far as the run has reported them."""
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
        return self.session.order_verb == "rollback" and self.row.state in LIVE_STATES

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

    @property
    def _is_live(self) -> bool:
        return self.row.state in LIVE_STATES

    @property
    def silent(self) -> bool:
        return self.row.health in (Health.LATE, Health.LOST)


class PointInTimePage(SessionPageContent):
    """Context, conversation, checkpoints and history at that time; other facts as of now."""

    past: PointInTime

    def read_past(self, at: datetime) -> None:
        self.past = state_at(self.session, at, content=self.shows_content)

    def read_conversation(self) -> None:
        if self.shows_content:
            self.conversation = turns.read_past(
                self.session.id, self.past.context, self.past.version
            )

    @property
    def past_sign(self) -> Badge | None:
        return STATES.get(self.past.state)

    @property
    def context_version(self) -> int:
        return self.past.context_version

    @cached_property
    def context(self) -> json_tree.Node:
        return json_tree.build(self.past.context)


def read_page(
    session_id: Any, asked: SessionPageParams, access: Access
) -> SessionPageContent | None:
    """None if the session does not exist. Panels or conversation are read by the page's methods."""
    found = detail.read_session(session_id, access)
    if found is None:
        return None
    session, row = found
    if asked.at is None or asked.at >= row.read_at:
        return SessionPageContent(session, row, asked, access)
    page = PointInTimePage(session, row, asked, access)
    page.read_past(max(asked.at, row.created_at or asked.at))
    return page
