"""The path prefix of the dashboard behind a proxy that shares one host between programs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from dashboard.errors import SetupError
from sessions_app.live.sockets.path import FEED

Scope = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]
OUTSIDE_URLCONF = ("static", "healthz", FEED.partition("/")[0])


def below(prefix: str, app: App) -> App:
    """Makes every path begin with the prefix, whether or not the proxy removes it.

    A prefix in the request (`Daphne-Root-Path`) is ignored: rendered rows are cached for all users,
    so a client could inject addresses into other users' pages.
    """

    async def application(scope: Scope, receive: Any, send: Any) -> None:
        if "path" in scope:
            scope["path"] = prefix + without(prefix, scope["path"])
            scope["root_path"] = prefix
        await app(scope, receive, send)

    return application


def without(prefix: str, path: str) -> str:
    """The path without the prefix."""
    below_it = path == prefix or path.startswith(f"{prefix}/")
    return path[len(prefix) :] if below_it else path


def check(prefix: str) -> None:
    """Refuses a prefix such as `/admin`: it would be ambiguous whether a path still contains it."""
    first = prefix[1:].partition("/")[0]
    if first and first in {*OUTSIDE_URLCONF, *_first_parts(get_resolver().url_patterns)}:
        raise SetupError(
            f"URL_PREFIX={prefix} cannot be used: /{first} is an address of the dashboard itself; "
            "choose another first part, such as /agents"
        )


def _first_parts(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        text = str(pattern.pattern)
        if not text and isinstance(pattern, URLResolver):
            yield from _first_parts(pattern.url_patterns)
        else:
            yield text.partition("/")[0]
