"""API tokens: shown once, stored as a hash, with their user's rights, revoked by deletion."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone

from dashboard.database_errors import is_read_only

from ..models import ApiToken

PREFIX = "ags_"
NOTED_EVERY = timedelta(minutes=1)


def make(user: User, name: str, days: int | None = None) -> str:
    """The token itself; nobody can read it again."""
    token = PREFIX + secrets.token_urlsafe(32)
    expires_at = timezone.now() + timedelta(days=days) if days else None
    ApiToken.objects.create(user=user, name=name, digest=_digest(token), expires_at=expires_at)
    return token


def user_of(token: str) -> User | None:
    """None for what is unknown, expired, or belongs to somebody who may no longer log in."""
    now = timezone.now()
    usable = Q(expires_at=None) | Q(expires_at__gt=now)
    found = ApiToken.objects.select_related("user").filter(usable, digest=_digest(token)).first()
    if found is None or not found.user.is_active:
        return None
    _note_use(found, now)
    return found.user


def _note_use(token: ApiToken, now: datetime) -> None:
    """A database that only reads is no reason to refuse what only reads."""
    try:
        ApiToken.objects.filter(pk=token.pk).exclude(last_used_at__gt=now - NOTED_EVERY).update(
            last_used_at=now
        )
    except DatabaseError as error:
        if not is_read_only(error):
            raise


def _digest(token: str) -> str:
    """A token has 256 random bits: a plain hash cannot be guessed back, and is looked up at once."""
    return hashlib.sha256(token.encode()).hexdigest()
