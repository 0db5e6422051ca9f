"""View decorators for the rights on sessions."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from .choices import Verb
from .permissions import VIEW, Access, access, labels

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def viewers_only(view: View[P]) -> View[P]:
    return _guarded(view, lambda request: require_right(request, VIEW))


def requires(*rights: str) -> Callable[[View[P]], View[P]]:
    """All of them; the page of a refusal names the missing one."""

    def decorated(view: View[P]) -> View[P]:
        return _guarded(view, lambda request: require_right(request, *rights))

    return decorated


def require_right(request: HttpRequest, *rights: str) -> None:
    """Raises PermissionDenied with the label of the missing right."""
    found: Access = access(request)
    for right in rights:
        if not found.has(right):
            raise PermissionDenied(str(labels()[right]))


def require_verb(request: HttpRequest, verb: Verb) -> None:
    require_right(request, verb.right)


def _guarded(view: View[P], check: Callable[[HttpRequest], None]) -> View[P]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        check(request)
        return view(request, *args, **kwargs)

    return cast(View[P], login_required(guarded))
