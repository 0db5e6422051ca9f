"""Parameters of URLs: unknown, repeated and converted ones are refused, because ignoring one returns too much."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime
from functools import wraps
from typing import Annotated, Any, cast

from django.http import HttpRequest, QueryDict
from ninja import Router
from ninja.params.models import QueryModel
from pydantic import BeforeValidator

from agent_sessions import InvalidInput

from ..numbers import BIGINT, whole

SHOWN = 60
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].+")


def _whole(value: object) -> object:
    """pydantic alone also accepts "2.0", " 2" and "1_0"."""
    number = whole(value, BIGINT) if isinstance(value, str) else value
    if number is None:
        raise ValueError("a whole number is needed")
    return number


def _moment(value: object) -> object:
    """pydantic alone also accepts seconds since 1970."""
    if isinstance(value, str) and not _MOMENT.fullmatch(value):
        raise ValueError("a time in ISO 8601 with an offset is needed")
    return value


UrlNumber = Annotated[int, BeforeValidator(_whole)]
UrlMoment = Annotated[datetime, BeforeValidator(_moment)]


def require_known(query: QueryDict, single: Collection[str], several: Collection[str] = ()) -> None:
    """Raises InvalidInput for other names, and for a single one that is repeated."""
    for name, values in query.lists():
        if name not in single and name not in several:
            known = ", ".join([*single, *several]) or "none"
            raise InvalidInput(f"There is no parameter “{name[:SHOWN]}”. Parameters: {known}.")
        if name in single and len(values) > 1:
            raise InvalidInput(f"The parameter “{name}” can be given once.")
        if any("\x00" in value for value in values):
            raise InvalidInput(f"The parameter “{name}” contains a NUL character.")


def refuse_unknown(router: Router) -> Router:
    """Applies `require_known` to every operation of the router, before its view."""
    for path in router.path_operations.values():
        for operation in path.operations:
            single, several = _names(operation.models)
            operation.view_func = _guarded(operation.view_func, single, several)
    return router


def _names(models: Collection[Any]) -> tuple[list[str], list[str]]:
    queries = [cast(Any, model) for model in models if issubclass(model, QueryModel)]
    several = [name for model in queries for name in model.__ninja_collection_fields__]
    names = [name for model in queries for name in model.__ninja_flatten_map__]
    return [name for name in names if name not in several], several


def _guarded(
    view: Callable[..., Any], single: Collection[str], several: Collection[str]
) -> Callable[..., Any]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        require_known(request.GET, single, several)
        return view(request, *args, **kwargs)

    return guarded
