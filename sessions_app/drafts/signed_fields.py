"""The hidden field of a form whose text is kept: whose it is, which form, and where that form is opened again.

It is signed, so that text can be kept for its author when the request comes without a log-in, or with somebody else's.
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
    """None where nothing, or not this application, has signed it."""
    try:
        author, name, at = _signer.unsign_object(token, max_age=max_age)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return DraftForm(author, name, at)


def fields_of(post: Any) -> dict[str, list[str]]:
    """What a person wrote: everything but what belongs to the request."""
    own = ("csrfmiddlewaretoken", FIELD)
    return {name: [str(t) for t in texts] for name, texts in post.lists() if name not in own}
