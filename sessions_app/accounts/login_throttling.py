"""Limits password attempts, counted in PostgreSQL for all web processes, before hashing."""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from .models import LoginAttempts

WINDOW = timedelta(minutes=15)
KEPT = timedelta(days=1)
Kind = LoginAttempts.Kind
# The limit per address is below that per account: one machine must not lock out an account's owner.
MOST = {Kind.ADDRESS: 30, Kind.PAIR: 10, Kind.ACCOUNT: 50}
LONGEST_NAME = 150

_COUNT = """
INSERT INTO sessions_app_loginattempts AS kept (kind, name, tries, since, last_at)
VALUES (%(kind)s, %(name)s, 1, statement_timestamp(), statement_timestamp())
ON CONFLICT (kind, name) DO UPDATE SET
    tries = CASE WHEN kept.since <= EXCLUDED.since - %(window)s THEN 1
                 ELSE least(kept.tries, 1000000000) + 1 END,
    since = CASE WHEN kept.since <= EXCLUDED.since - %(window)s THEN EXCLUDED.since
                 ELSE kept.since END,
    last_at = EXCLUDED.last_at
RETURNING tries, since + %(window)s - statement_timestamp()
"""
_TAKE_BACK = """
UPDATE sessions_app_loginattempts SET tries = tries - 1
WHERE kind = %(kind)s AND name = %(name)s AND tries > 0
"""
_FORGET = """
WITH gone AS MATERIALIZED (
    SELECT id FROM sessions_app_loginattempts WHERE since < statement_timestamp() - %(kept)s
    ORDER BY since LIMIT 100 FOR UPDATE SKIP LOCKED)
DELETE FROM sessions_app_loginattempts kept USING gone WHERE kept.id = gone.id
"""


def count(account: str, address: str) -> timedelta | None:
    """Counts one attempt. Returns None if it may be made, else the time until the next one may."""
    cursor: Any
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, {"kept": KEPT})
        for kind, name in _keys(account, address):
            cursor.execute(_COUNT, {"kind": kind, "name": name, "window": WINDOW})
            tries, left = cursor.fetchone()
            if tries > MOST[kind]:
                return max(timedelta(seconds=1), timedelta(seconds=left.total_seconds()))
    return None


def succeeded(account: str, address: str) -> None:
    """After the right password: takes the attempt back, and forgets those for the account from this address."""
    with connection.cursor() as cursor:
        for kind, name in _keys(account, address):
            cursor.execute(_TAKE_BACK, {"kind": kind, "name": name})
    pair = _pair(account, address)
    LoginAttempts.objects.filter(kind=Kind.PAIR, name=pair).delete()


def address_of(request: HttpRequest) -> str:
    """Behind a proxy, the address that the nearest proxy appended: a client can forge the rest."""
    address = str(request.META.get("REMOTE_ADDR") or "")
    if settings.BEHIND_PROXY:
        address = str(request.META.get("HTTP_X_FORWARDED_FOR") or address).rpartition(",")[2]
    try:
        found = ipaddress.ip_address(address.strip())
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    # An IPv6 client has a whole network, so the network counts.
    return (
        str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)
    )


def shortened(account: str) -> str:
    """The account's name as counted and logged: case-insensitive, bounded, printable."""
    plain = unicodedata.normalize("NFKC", account).casefold()[:LONGEST_NAME]
    return "".join(c if c.isprintable() else "?" for c in plain)


def _keys(account: str, address: str) -> Sequence[tuple[Kind, str]]:
    return (
        (Kind.ADDRESS, address),
        (Kind.PAIR, _pair(account, address)),
        (Kind.ACCOUNT, shortened(account)),
    )


def _pair(account: str, address: str) -> str:
    return f"{shortened(account)} {address}"
