"""Forms that create, change and delete saved views and set the list's look."""

from collections.abc import Callable
from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from agent_sessions.validation import has_visible

from ..bidi import isolated
from ..decorators import viewers_only
from ..drafts import drafts
from ..forms import ListStyleForm, SavedViewForm
from ..permissions import access
from ..saved_views import preferences, queries
from ..saved_views.models import SavedView
from ..selectors.facet_counts import counts as all_counts
from .redirects import back

MAX_QUERY = 4000


def user_of(request: HttpRequest) -> User:
    return cast(User, request.user)


@viewers_only
@require_POST
def create(request: HttpRequest) -> HttpResponse:
    sent = SavedViewForm.read(request.POST)
    if not has_visible(sent["name"]):
        drafts.keep_sent(request)
        messages.warning(request, _("Please give the view a name."))
        return HttpResponseRedirect(back(request))
    shared = bool(sent["shared"]) and access(request).may_share
    view = SavedView(owner=user_of(request), name=sent["name"], shared=shared)
    view.query = queries.canonical(sent["query"])
    return _stored(request, view)


@viewers_only
@require_POST
def act(request: HttpRequest, id: int, act: str) -> HttpResponse:
    user = user_of(request)
    view = get_object_or_404(queries.readable(user), id=id)
    if act == "defaults":
        return _default(request, view)
    if act not in ACTS:
        raise Http404
    if view.owner_id != user.pk:
        raise PermissionDenied
    return ACTS[act](request, view)


def _default(request: HttpRequest, view: SavedView) -> HttpResponse:
    """Makes the view the list's default; if it is that already, the list has none."""
    preferences.toggle_default(user_of(request), view)
    return _open(view)


def _change(request: HttpRequest, view: SavedView) -> HttpResponse:
    view.query = queries.canonical(SavedViewForm.read(request.POST)["query"])
    return _stored(request, view)


def _rename(request: HttpRequest, view: SavedView) -> HttpResponse:
    sent = SavedViewForm.read(request.POST)
    if has_visible(sent["name"]):
        view.name = sent["name"]
    # Without the right a view that is shared already may stay so or become private.
    view.shared = bool(sent["shared"]) and (view.shared or access(request).may_share)
    return _stored(request, view)


def _delete(request: HttpRequest, view: SavedView) -> HttpResponse:
    view.delete()
    messages.success(request, _("The view “%(name)s” was deleted.") % {"name": isolated(view.name)})
    return HttpResponseRedirect(f"{reverse('sessions')}?all")


ACTS: dict[str, Callable[[HttpRequest, SavedView], HttpResponse]] = {
    "changes": _change,
    "names": _rename,
    "deletions": _delete,
}


def _stored(request: HttpRequest, view: SavedView) -> HttpResponse:
    if len(view.query) > MAX_QUERY:  # a shortened filter would match more
        drafts.keep_sent(request)
        messages.warning(request, _("This filter is too long for a view."))
        return HttpResponseRedirect(back(request))
    draft = queries.draft_name(view)
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError:
        drafts.keep_sent(request)
        text = _("You have a view called “%(name)s” already.") % {"name": isolated(view.name)}
        messages.warning(request, text)
        return HttpResponseRedirect(back(request))
    drafts.forget(user_of(request), draft)
    return _open(view)


def _open(view: SavedView) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('sessions')}{view.address}")


@viewers_only
@require_GET
def counts(request: HttpRequest) -> HttpResponse:
    """The number of sessions in each view, for the sidebar."""
    views = queries.visible(user_of(request))
    found = queries.view_counts(views, all_counts(), access(request))
    return JsonResponse({str(pk): {"n": t.n, "shown": t.shown} for pk, t in found.items()})


@viewers_only
@require_POST
def look(request: HttpRequest) -> HttpResponse:
    """Stores columns and density for the user."""
    density = ListStyleForm.read(request.POST)["density"]
    shown = request.POST.getlist("column")
    preferences.save_preferences(user_of(request), shown=shown, density=density or "")
    return HttpResponseRedirect(back(request))
