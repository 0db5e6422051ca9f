"""View decorators for the rights on sessions."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from .permissions import access, labels

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def requires(*rights: str) -> Callable[[View[P]], View[P]]:
    """For users with all of these rights and the right to see sessions; others are led to the log-in or refused."""

    def decorated(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            require_right(request, *rights)
            return view(request, *args, **kwargs)

        return cast(View[P], login_required(guarded))

    return decorated


def viewers_only(view: View[P]) -> View[P]:
    """For users with the right to see sessions."""
    return requires()(view)


def require_right(request: HttpRequest, *rights: str) -> None:
    """Raises PermissionDenied with the label of the missing right, which the page of the refusal names."""
    if missing := access(request).missing(*rights):
        raise PermissionDenied(str(labels()[missing]))
