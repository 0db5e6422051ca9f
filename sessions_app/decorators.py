"""View decorators for the permissions to view and to operate sessions."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from .choices import Verb
from .permissions import may_look, may_operate, may_perform, permitted_verbs

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def performers_only(view: View[P]) -> View[P]:
    """For users who may give at least one order; the view checks the permission for its own."""
    return _guarded(view, lambda request: bool(permitted_verbs(request.user)))


def require_permission(request: HttpRequest, verb: Verb) -> None:
    if not may_perform(request.user, verb):
        raise PermissionDenied


def viewers_only(view: View[P]) -> View[P]:
    return _guarded(view, lambda request: may_look(request.user))


def operators_only(view: View[P]) -> View[P]:
    return _guarded(view, lambda request: may_operate(request.user))


def _guarded(view: View[P], allowed: Callable[[HttpRequest], bool]) -> View[P]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not allowed(request):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return cast(View[P], login_required(guarded))
