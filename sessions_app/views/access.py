"""Who may look and who may act."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from ..permissions import OPERATE, user_may_look

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def may_look(request: HttpRequest) -> bool:
    return user_may_look(request.user)


def may_operate(request: HttpRequest) -> bool:
    return request.user.has_perm(f"sessions_app.{OPERATE}")


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
