"""View decorators for the permissions to view and to operate sessions."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from . import choices
from .choices import Verb
from .permissions import OPERATE, user_may_look

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def may_look(request: HttpRequest) -> bool:
    return user_may_look(request.user)


def may_operate(request: HttpRequest) -> bool:
    return request.user.has_perm(f"sessions_app.{OPERATE}")


def may_perform(request: HttpRequest, verb: Verb) -> bool:
    return verb.is_permitted_to(request.user)


def permitted_verbs(request: HttpRequest) -> list[Verb]:
    return choices.permitted_verbs(request.user)


def performers_only(view: View[P]) -> View[P]:
    """For users who may give at least one order; the view checks the permission of its own."""
    return _guarded(view, lambda request: bool(permitted_verbs(request)))


def require_permission(request: HttpRequest, verb: Verb) -> None:
    if not may_perform(request, verb):
        raise PermissionDenied


def viewers_only(view: View[P]) -> View[P]:
    return _guarded(view, may_look)


def operators_only(view: View[P]) -> View[P]:
    return _guarded(view, may_operate)


def _guarded(view: View[P], allowed: Callable[[HttpRequest], bool]) -> View[P]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not allowed(request):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return cast(View[P], login_required(guarded))
