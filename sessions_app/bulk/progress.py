"""Progress of a bulk job, and outcome and reason of each session, in the reader's language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Exists, F, OuterRef, Q
from django.urls import reverse
from django.utils.translation import gettext as _

from ..bidi import isolated
from ..choices import VERBS, Text, Verb
from ..health import silent_q
from ..models import AgentSession, HistoryEntry
from ..selectors import session
from .models import BulkItem, BulkJob

Outcome, State = BulkItem.Outcome, BulkJob.State
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason why sessions do not get the order."""

    n: int
    why: Text


@dataclass(frozen=True, slots=True)
class JobLine:
    n: int
    session_id: UUID
    agent_type: str
    outcome: str
    word: Text
    why: Text

    @property
    def short_id(self) -> str:
        return str(self.session_id)[:8]


@dataclass(frozen=True, slots=True)
class Confirmations:
    """Numbers of the sessions that got the order: confirmed, or why not."""

    confirmed: int = 0
    outstanding: int = 0
    without_agent: int = 0
    superseded: int = 0
    gone: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    job: BulkJob
    verb: Verb
    counts: dict[str, int]
    confirmations: Confirmations

    def n(self, outcome: str) -> int:
        return self.counts.get(outcome, 0)

    @property
    def possible(self) -> int:
        return self.total - self.n(Outcome.IMPOSSIBLE)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        return self.n(Outcome.DONE)

    @property
    def already(self) -> int:
        return self.n(Outcome.ALREADY)

    @property
    def failed(self) -> int:
        return self.n(Outcome.FAILED)

    @property
    def waiting(self) -> int:
        return self.n(Outcome.WAITING)

    @property
    def impossible(self) -> int:
        return self.n(Outcome.IMPOSSIBLE)

    @property
    def finished(self) -> int:
        return self.possible - self.waiting

    @property
    def runs(self) -> bool:
        return self.job.state == State.RUNNING

    @property
    def awaits_confirmation(self) -> bool:
        return self.confirmations.outstanding > 0

    @property
    def is_followed(self) -> bool:
        """Whether the page still polls for updates."""
        return self.runs or self.awaits_confirmation or self.confirmations.without_agent > 0

    @property
    def ended(self) -> bool:
        return self.job.state in (State.DONE, State.STOPPED)

    @property
    def at(self) -> str:
        return reverse("bulk-job", args=[self.job.pk])

    @property
    def draft_name(self) -> str:
        """Depends on the kind of plan only: the text of an abandoned plan is offered for the next."""
        return f"bulk:{'checkpoint' if self.needs_checkpoint else self.verb.name}"

    @property
    def needs_checkpoint(self) -> bool:
        return self.verb.needs_checkpoint and not self.job.checkpoint

    @property
    def can_be_undone(self) -> bool:
        return self.ended and bool(self.verb.undo) and self.done > 0

    @property
    def opposite(self) -> Verb | None:
        return VERBS.get(self.verb.undo)


def progress(job: BulkJob) -> Progress:
    counted = job.items.order_by().values_list("outcome").annotate(n=Count("id"))
    counts = dict(counted)
    return Progress(job, VERBS[job.verb], counts, confirmations(job, counts.get(Outcome.DONE, 0)))


def confirmations(job: BulkJob, given_to: int) -> Confirmations:
    """For sessions that got the order; one that another order followed before it was confirmed is superseded."""
    confirmed = Q(acknowledged_version__gte=F("given"))
    superseded = ~confirmed & Q(order_version__gt=F("given"))
    late = HistoryEntry.objects.of(OuterRef("id")).late_saves(OuterRef("order_version"))
    works_on = Q(Exists(late), refused_writes__gt=0)
    silent = silent_q(settings.HEARTBEAT_RULES) & ~works_on
    found = (
        AgentSession.objects.filter(bulk_items__job=job, bulk_items__outcome=Outcome.DONE)
        .annotate(given=F("bulk_items__result_version"))
        .aggregate(
            known=Count("id"),
            confirmed=Count("id", filter=confirmed),
            superseded=Count("id", filter=superseded),
            without_agent=Count("id", filter=~confirmed & ~superseded & silent),
        )
    )
    known = found.pop("known")
    return Confirmations(
        **found, outstanding=known - sum(found.values()), gone=max(given_to - known, 0)
    )


def reasons(job: BulkJob) -> list[Reason]:
    """Why the order is not possible for some sessions, the most frequent reason first."""
    not_possible = job.items.filter(outcome=Outcome.IMPOSSIBLE).order_by()
    counted = not_possible.values_list("problem", "detail").annotate(n=Count("id"))
    found = [Reason(n, why(job, problem, text)) for problem, text, n in counted]
    return sorted(found, key=lambda reason: -reason.n)


def lines(job: BulkJob, outcome: str = "", after: int = 0) -> Sequence[JobLine]:
    """Outcomes by number; one more than is shown if there are more."""
    items = job.items.filter(n__gt=after).order_by("n")
    if outcome:
        items = items.filter(outcome=outcome)
    return [
        JobLine(
            item.n,
            item.session_id,
            item.agent_type,
            item.outcome,
            Outcome(item.outcome).label,
            why(job, item.problem, item.detail) if item.problem else "",
        )
        for item in items[: SHOWN + 1]
    ]


def why(job: BulkJob, problem: str, text: str) -> Text:
    match problem:
        case "state":
            return session.action(VERBS[job.verb], text).why_not or _("Its state has changed.")
        case "checkpoint":
            return _("It has no checkpoint “%(name)s”.") % {"name": isolated(job.checkpoint)}
        case "conflict":
            return _("%(actor)s has changed it since.") % {
                "actor": isolated(text) if text else _("Someone else")
            }
        case "gone":
            return _("It was removed for good.")
        case "hidden":
            return _("The account does not see sessions of this agent type any more.")
    return text
