"""The hidden field of a form with drafts: its author, its name, and the URL that opens it again.

It is signed, so that text can be stored for its author if the request has no log-in or somebody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core import signing

FIELD = "draft"
TAKEN = timedelta(days=7)
_signer = signing.TimestampSigner(salt="sessions_app.drafts")


@dataclass(frozen=True, slots=True)
class DraftForm:
    author: int
    name: str
    at: str


def sign(form: DraftForm) -> str:
    return _signer.sign_object([form.author, form.name, form.at])


def read(token: str, max_age: timedelta | None = None) -> DraftForm | None:
    """None without a signature of this application, or if it is older than `max_age`."""
    try:
        author, name, at = _signer.unsign_object(token, max_age=max_age)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return DraftForm(author, name, at)


def fields_of(post: Any) -> dict[str, list[str]]:
    """All fields but the CSRF token and the signed field."""
    own = ("csrfmiddlewaretoken", FIELD)
    return {name: [str(t) for t in texts] for name, texts in post.lists() if name not in own}
