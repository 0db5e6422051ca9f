"""API tokens: shown once, stored as a hash, with their user's permissions, revoked by deletion."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from agent_sessions import InvalidInput, validation
from dashboard.database_errors import is_read_only

from ..models import ApiToken
from ..numbers import MAX_DAYS
from ..permissions import VIEW, labels

PREFIX = "ags_"
NOTED_EVERY = timedelta(minutes=1)


def make(
    user: User, name: str, days: int | None = None, rights: Collection[str] | None = None
) -> str:
    """Creates a token and returns it; only its hash is stored. Raises InvalidInput.

    Without `days` it has no end. It has those of the `rights` that its user has at the time of a
    request; None for all of them.
    """
    check_name(name)
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise InvalidInput(_("Days: 1 to %(high)d are possible.") % {"high": MAX_DAYS})
    token = PREFIX + secrets.token_urlsafe(32)
    expires_at = None if days is None else timezone.now() + timedelta(days=days)
    ApiToken.objects.create(
        user=user, name=name, digest=_digest(token), expires_at=expires_at, rights=_known(rights)
    )
    return token


def _known(rights: Collection[str] | None) -> list[str] | None:
    if rights is None:
        return None
    known = labels()
    if unknown := sorted(set(rights) - known.keys()):
        text = _("There is no right “%(right)s”. Rights: %(known)s.")
        raise InvalidInput(text % {"right": unknown[0][:60], "known": ", ".join(known)})
    return sorted({VIEW, *rights})


def check_name(name: str) -> None:
    """Raises InvalidInput for a name that cannot be stored or seen."""
    longest = ApiToken._meta.get_field("name").max_length or 0
    validation.text(name, "name", longest, required=True)


def find(token: str) -> ApiToken | None:
    """None if the token is unknown or expired, or its user is disabled."""
    now = timezone.now()
    usable = Q(expires_at=None) | Q(expires_at__gt=now)
    found = ApiToken.objects.select_related("user").filter(usable, digest=_digest(token)).first()
    if found is None or not found.user.is_active:
        return None
    _note_use(found, now)
    return found


def _note_use(token: ApiToken, now: datetime) -> None:
    """Stores the time of use. A read-only database must not prevent reading."""
    try:
        ApiToken.objects.filter(pk=token.pk).exclude(last_used_at__gt=now - NOTED_EVERY).update(
            last_used_at=now
        )
    except DatabaseError as error:
        if not is_read_only(error):
            raise


def _digest(token: str) -> str:
    """A plain hash is safe for 256 random bits, and can be looked up by an index."""
    return hashlib.sha256(token.encode()).hexdigest()
