"""Only pages of this dashboard may open the feed: browsers send cookies from pages of any site."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain

LOCAL = [".localhost", "127.0.0.1", "[::1]"]


def is_ours(scope: Mapping[str, Any]) -> bool:
    headers = dict(scope.get("headers", ()))
    origin = headers.get(b"origin", b"").decode("latin1").lower()
    host = headers.get(b"host", b"").decode("latin1").lower()
    return (
        bool(origin) and _host_is_allowed(host) and (_is_host(origin, host) or _is_trusted(origin))
    )


def _host_is_allowed(host: str) -> bool:
    allowed = settings.ALLOWED_HOSTS or (LOCAL if settings.DEBUG else [])
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


def _is_host(origin: str, host: str) -> bool:
    parts = _split(origin)
    return parts is not None and parts[0] in ("http", "https") and parts[1] == host


def _is_trusted(origin: str) -> bool:
    parts = _split(origin)
    if parts is None:
        return False
    for trusted in settings.CSRF_TRUSTED_ORIGINS:
        scheme, _, domain = trusted.lower().partition("://")
        if scheme == parts[0] and is_same_domain(parts[1], domain.replace("*.", ".", 1)):
            return True
    return False


def _split(origin: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    bare = not (parts.path or parts.query or parts.fragment or parts.username)
    return (parts.scheme, parts.netloc) if bare and parts.netloc else None
