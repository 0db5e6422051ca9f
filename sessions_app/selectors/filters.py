"""The filter of a list by its URL: one rule for SQL (pages) and for a single row (feed)."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Now
from django.http import QueryDict
from django.utils.translation import gettext as _

from agent_sessions.states import SessionState

from ..health import PROGRESSED, condition_q
from ..listed_states import LISTED_STATES, state_q
from ..models import AgentSession, Checkpoint
from ..permissions import NONE, Access
from ..querysets import SessionQuerySet
from .json_lookups import json_contains_q, json_path_q
from .search import SearchGroup, is_deep, looks_like_id, parse, seconds
from .search_words import INSIDE, as_condition
from .time_dependent import TimedRow, depends_on_time, entered_at
from .url_values import SORTS, errors_of

if TYPE_CHECKING:
    from .rows import Row

SEARCHED = 20_000
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ListFilter:
    """`states`, `conditions` and `types` come from the sidebar, `terms` from the search box.

    A filter with `errors` matches nothing: without the values that are not understood it would match more.
    """

    states: frozenset[str] = frozenset()
    conditions: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    text: str = ""
    terms: tuple[SearchGroup, ...] = ()
    errors: tuple[str, ...] = ()
    sort: str = SORTS[0]
    access: Access = NONE

    @classmethod
    def from_query(cls, query: QueryDict | str, access: Access) -> "ListFilter":
        """What the caller may not see is not searched either."""
        if isinstance(query, str):
            query = QueryDict(query.lstrip("?"))
        wanted = {name.lower() for name in query.getlist("state")}
        text = " ".join(query.getlist("q"))[:2000].strip()
        search = parse(text)
        users = tuple(SearchGroup("user", frozenset({user})) for user in query.getlist("user"))
        sort = query.get("sort", "")
        return cls(
            states=frozenset(wanted & set(LISTED_STATES)),
            conditions=frozenset(filter(None, map(as_condition, wanted))),
            types=frozenset(query.getlist("type")),
            text=text,
            terms=search.groups + users,
            errors=errors_of(query) + search.errors + _refused(search.groups, access),
            sort=sort if sort in SORTS else SORTS[0],
            access=access,
        )

    @property
    def groups(self) -> tuple[SearchGroup, ...]:
        rail = (
            SearchGroup("state", self.states),
            SearchGroup("condition", self.conditions),
            SearchGroup("agent", self.types),
        )
        return tuple(group for group in rail if group.values) + self.terms

    @property
    def narrows(self) -> bool:
        return bool(self.groups or self.errors)

    @property
    def shows_deleted(self) -> bool:
        return any(key == "state" and SessionState.DELETED in values for key, values in self.groups)

    def matches(self, row: "Row", *, shown: bool = False) -> bool:
        """Whether a row belongs to this list now.

        `shown` is for a row that the page shows already: a match by free text, by a checkpoint's name or inside the
        context stays, because the row alone has neither older checkpoints nor the context.
        """
        if self.errors or not self.access.allows(row.agent_type):
            return False
        if row.state == SessionState.DELETED and not self.shows_deleted:
            return False
        return all(
            any(_row_has(row, group.key, value) for value in group.values)
            for group in self.groups
            if not (shown and is_deep(group.key))
        )

    def queryset(self, sessions: SessionQuerySet[AgentSession]) -> SessionQuerySet[AgentSession]:
        if self.errors:
            return sessions.none()
        found = self._by_index(sessions)
        return self._inside(found.filter(_not_beyond(found))) if self.is_deep else found

    def beyond(
        self, sessions: SessionQuerySet[AgentSession], newest: int
    ) -> QuerySet[AgentSession, Any]:
        """The start of the first session beyond the `newest`, which a search leaves out; no row if it reaches all."""
        return _beyond(self._by_index(sessions), newest)

    def since(
        self, sessions: SessionQuerySet[AgentSession], begun: datetime
    ) -> SessionQuerySet[AgentSession]:
        """Like `queryset`, for sessions that started later."""
        if self.errors:
            return sessions.none()
        return self._inside(self._by_index(sessions).filter(created_at__gt=begun))

    def _inside(self, sessions: SessionQuerySet[AgentSession]) -> SessionQuerySet[AgentSession]:
        for group in self.groups:
            if is_deep(group.key):
                sessions = sessions.filter(self._any_of(group))
        return sessions

    def _any_of(self, group: SearchGroup) -> Q:
        content = self.access.sees_content
        return _any(_sql(group.key, value, content=content) for value in group.values)

    @property
    def is_deep(self) -> bool:
        return any(is_deep(group.key) for group in self.groups)

    @property
    def depends_on_time(self) -> bool:
        """Whether sessions enter or leave without a change, by silence or age."""
        return any(depends_on_time(group) for group in self.groups)

    def entered_at(self, facts: "TimedRow") -> datetime | None:
        """When time alone brought the session into this list; None if something else did."""
        timed = [entered_at(group, facts) for group in self.groups if depends_on_time(group)]
        known = [moment for moment in timed if moment is not None]
        return max(known) if len(known) == len(timed) else None

    def without_deep(self) -> "ListFilter":
        """The filter without searches inside sessions, for sessions that a page shows already."""
        return replace(self, terms=tuple(g for g in self.terms if not is_deep(g.key)))

    def _by_index(self, sessions: SessionQuerySet[AgentSession]) -> SessionQuerySet[AgentSession]:
        with_progress = sessions.visible_to(self.access).annotate(progressed=PROGRESSED)
        sessions = cast("SessionQuerySet[AgentSession]", with_progress)
        if not self.shows_deleted:
            sessions = sessions.outside_trash()
        for group in self.groups:
            if not is_deep(group.key):
                sessions = sessions.filter(self._any_of(group))
        return sessions

    def without(self, **facets: frozenset[str]) -> "ListFilter":
        return replace(self, **facets)  # type: ignore[arg-type]


def _beyond(sessions: SessionQuerySet[AgentSession], newest: int) -> QuerySet[AgentSession, Any]:
    """The newest session outside of the search."""
    return sessions.newest_first().values("created_at")[newest : newest + 1]


def _not_beyond(sessions: SessionQuerySet[AgentSession]) -> Q:
    """A range for the index; with "or without a start" every row would be read."""
    return Q(created_at__gt=Coalesce(Subquery(_beyond(sessions, SEARCHED)), Value(BEGINNING)))


def _any(conditions: Iterable[Q]) -> Q:
    found = Q()
    for condition in conditions:
        found |= condition
    return found


def _row_has(row: "Row", key: str, value: str) -> bool:
    match key:
        case "state":
            return row.listed_state == value
        case "condition":
            return row.has_condition(value)
        case "agent":
            return row.agent_type == value
        case "user":
            return row.user_id.startswith(value)
        case "id":
            return row.id.hex.startswith(_digits(value))
        case "checkpoint":
            return row.checkpoint_name.startswith(value)
        case "older":
            age = timedelta(seconds=seconds(value))
            return row.created_at is not None and row.created_at <= row.read_at - age
    if key.startswith(INSIDE):
        return False
    wanted = value.casefold()
    texts = (row.user_id, row.agent_type, row.checkpoint_name)
    return any(wanted in text.casefold() for text in texts) or (
        looks_like_id(value) and _row_has(row, "id", value)
    )


def _refused(groups: Iterable[SearchGroup], access: Access) -> tuple[str, ...]:
    if access.sees_content or not any(group.key.startswith(INSIDE) for group in groups):
        return ()
    return (_("Your account cannot see contents of sessions, so it cannot search in them."),)


def _sql(key: str, value: str, *, content: bool) -> Q:
    match key:
        case "state":
            return state_q(value)
        case "condition":
            return condition_q(value, settings.HEARTBEAT_RULES)
        case "agent":
            return Q(agent_type=value)
        case "user":
            return Q(user_id__startswith=value)
        case "id":
            return _id_range(value)
        case "checkpoint":
            return Q(_has_checkpoint(name__startswith=value))
        case "older":
            return Q(created_at__lte=Now() - timedelta(seconds=seconds(value)))
    if key.startswith(INSIDE):
        part, _dot, path = key.partition(".")
        return json_path_q(part, path, value)
    found = Q(user_id__icontains=value) | Q(agent_type__icontains=value)
    found |= Q(_has_checkpoint(name__icontains=value))
    if content:
        found |= json_contains_q(value)
    return found | _id_range(value) if looks_like_id(value) else found


def _has_checkpoint(**name: str) -> Coalesce:
    """Checks only the searched sessions; EXISTS would scan all checkpoints."""
    found = Checkpoint.objects.of(OuterRef("id")).filter(**name).order_by()
    return Coalesce(Subquery(found.values(found=Value(True))[:1]), Value(False))


def _id_range(start: str) -> Q:
    """Ids that begin with `start`, as a range for the primary key."""
    digits = _digits(start)
    return Q(id__gte=uuid.UUID(digits.ljust(32, "0")), id__lte=uuid.UUID(digits.ljust(32, "f")))


def _digits(value: str) -> str:
    return value.lower().replace("-", "")[:32]
