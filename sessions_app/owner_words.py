"""The library's name of a session's owner in the reader's language."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

_NAME = re.compile(r"(.+), process ([0-9]+)", re.DOTALL)


def owner_words(name: str | None) -> str:
    """A name in another form stays as it is."""
    found = _NAME.fullmatch(name or "")
    if found is None:
        return name or ""
    return _("%(host)s, process %(pid)s") % {"host": found[1], "pid": found[2]}
