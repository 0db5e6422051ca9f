"""Bulk orders: plan on a pinned set, start, progress, and follow-up."""

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from agent_sessions import InvalidInput

from ..actions import check_reason, explain
from ..bulk import planning
from ..bulk.models import BulkItem, BulkJob
from ..bulk.planning import MOST
from ..bulk.progress import SHOWN, lines, progress, reasons
from ..bulk.worker import background
from ..choices import VERBS
from ..decorators import require_right, viewers_only
from ..drafts import drafts
from ..forms import BulkForm, BulkLinesQuery, BulkPlanForm
from ..models import AgentSession
from ..permissions import access
from ..selectors.filters import ListFilter
from .orders import is_fetch
from .redirects import back

JOBS_SHOWN = 50
State = BulkJob.State


def bulk(request: HttpRequest) -> HttpResponseBase:
    return plan(request) if request.method == "POST" else jobs(request)


def _visible(request: HttpRequest) -> QuerySet[BulkJob]:
    """Somebody with a limit sees only own ones, and of these only those whose sessions are all visible."""
    types = access(request).types
    if types is None:
        return BulkJob.objects.all()
    hidden = BulkItem.objects.filter(job=OuterRef("pk")).exclude(agent_type__in=sorted(types))
    return BulkJob.objects.filter(~Exists(hidden), owner=cast(User, request.user))


@viewers_only
@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    newest = _visible(request).exclude(state=State.DRAFT).order_by("-created_at")[:JOBS_SHOWN]
    context = {"jobs": [progress(job) for job in newest]}
    return render(request, "sessions/bulk/bulk_jobs.html", context)


@viewers_only
@require_POST
def plan(request: HttpRequest) -> HttpResponse:
    asked = BulkPlanForm.read(request.POST)
    verb = VERBS.get(asked["verb"])
    if verb is not None:
        require_right(request, verb.right)
    if verb is None or not (asked["id"] or asked["all"]):
        messages.warning(request, _("Nothing was selected. Tick the sessions first."))
        return HttpResponseRedirect(back(request))
    user = cast(User, request.user)
    if asked["all"]:
        job = planning.plan_matching(verb.name, asked["query"], user)
    else:
        job = planning.plan_ticked(verb.name, asked["id"], user)
    return _go(request, job)


@viewers_only
@require_GET
def job(request: HttpRequest, id: UUID) -> HttpResponse:
    return _show(request, get_object_or_404(_visible(request).select_related("follows"), id=id))


@viewers_only
@require_GET
def matching(request: HttpRequest) -> HttpResponse:
    """The number of sessions that a query matches, counted up to the limit of a bulk order."""
    wanted = ListFilter.from_query(request.GET.urlencode(), access(request))
    found = wanted.queryset(AgentSession.objects.all()).order_by().values("id")[: MOST + 1]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '3s'")
            n = found.count()
    except OperationalError:
        return JsonResponse({"n": None})
    return JsonResponse({"n": min(n, MOST), "more": n > MOST})


@viewers_only
@require_POST
def act(request: HttpRequest, id: UUID, act: str) -> HttpResponse:
    job = get_object_or_404(_visible(request), id=id)
    if act not in ACTS:
        raise Http404
    require_right(request, progress(job).verb.right)
    return ACTS[act](request, job)


def _start(request: HttpRequest, job: BulkJob) -> HttpResponse:
    reason = BulkForm.read(request.POST)["reason"]
    if job.state == State.DRAFT:
        try:
            check_reason(job.verb, reason)
        except InvalidInput as error:
            job.reason = reason  # shows the typed reason again
            return _show(request, job, refused=explain(error))
    draft = BulkJob.objects.filter(id=job.id, state=State.DRAFT)
    started = {"owner": request.user, "actor": request.user.get_username(), "reason": reason}
    if draft.update(state=State.RUNNING, started_at=Now(), **started):
        drafts.forget(cast(User, request.user), progress(job).draft_name)
        background.wake()
    return _go(request, job)


def _stop(request: HttpRequest, job: BulkJob) -> HttpResponse:
    running = BulkJob.objects.filter(id=job.id, state=State.RUNNING)
    running.update(state=State.STOPPED, ended_at=Now(), trouble="")
    return _go(request, job)


def _continue(request: HttpRequest, job: BulkJob) -> HttpResponse:
    stopped = BulkJob.objects.filter(id=job.id, state=State.STOPPED)
    owner = {"owner": request.user, "actor": request.user.get_username()}
    if stopped.update(
        state=State.RUNNING, ended_at=None, trouble="", worker="", lease_until=None, **owner
    ):
        background.wake()
    return _go(request, job)


def _checkpoint(request: HttpRequest, job: BulkJob) -> HttpResponse:
    name = BulkForm.read(request.POST)["checkpoint"]
    if name and VERBS[job.verb].needs_checkpoint:
        drafts.forget(cast(User, request.user), progress(job).draft_name)
        planning.choose_checkpoint(job, name)
    return _go(request, job)


def _undo(request: HttpRequest, job: BulkJob) -> HttpResponse:
    if not progress(job).can_be_undone:
        return _go(request, job)
    return _go(request, planning.plan_undo(job, cast(User, request.user)))


def _retry(request: HttpRequest, job: BulkJob) -> HttpResponse:
    if not progress(job).failed:
        return _go(request, job)
    return _go(request, planning.plan_retry(job, cast(User, request.user)))


ACTS: dict[str, Callable[[HttpRequest, BulkJob], HttpResponse]] = {
    "starts": _start,
    "stops": _stop,
    "continuations": _continue,
    "checkpoints": _checkpoint,
    "undos": _undo,
    "retries": _retry,
}


def _go(request: HttpRequest, job: BulkJob) -> HttpResponse:
    if is_fetch(request):
        job.refresh_from_db()
        return _show(request, job)
    return HttpResponseRedirect(reverse("bulk-job", args=[job.id]))


def _show(request: HttpRequest, job: BulkJob, *, refused: str = "") -> HttpResponse:
    """The plan before the start, the progress after it: as a dialog's content or as a page."""
    now = progress(job)
    draft = job.state == State.DRAFT
    if draft and not access(request).may_perform(now.verb):
        raise Http404
    context: dict[str, Any] = {"progress": now, "job": job, "verb": now.verb, "now": timezone.now()}
    context["may_order"] = access(request).may_perform(now.verb)
    if draft:
        names = planning.checkpoint_names(job) if now.verb.needs_checkpoint else ()
        own = job.owner_id == request.user.pk or access(request).sees_content
        context |= {"reasons": reasons(job), "names": names, "refused": refused}
        context["reason"] = job.reason if own else ""
        begun = None if refused else drafts.find(cast(User, request.user), now.draft_name)
        context["begun"] = begun or {}
    else:
        context |= _outcomes(request, job)
    status = 422 if refused else 200
    if is_fetch(request):
        return render(
            request,
            f"sessions/bulk/{'_bulk_form' if draft else '_job'}.html",
            context,
            status=status,
        )
    return render(request, "sessions/bulk/bulk.html", context, status=status)


def _outcomes(request: HttpRequest, job: BulkJob) -> dict[str, Any]:
    """In the dialog the outcomes that need attention; on the page all, paginated."""
    asked = BulkLinesQuery.read(request.GET)
    outcome = asked["outcome"]  # None if unknown
    if is_fetch(request) and "full" not in request.GET:
        outcome = "failed"
    found = [] if outcome is None else lines(job, outcome, asked["after"] or 0)
    more = found[SHOWN - 1].n if len(found) > SHOWN else None
    return {
        "lines": found[:SHOWN],
        "more": more,
        "outcome": outcome,
        "full": not is_fetch(request) or "full" in request.GET,
    }
