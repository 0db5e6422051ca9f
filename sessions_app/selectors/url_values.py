"""Checks the values of a list's URL. Ignoring an unknown value would widen the list."""

from collections.abc import Iterator

from django.http import QueryDict
from django.utils.translation import gettext as _

from ..bidi import isolated
from ..listed_states import LISTED_STATES
from .search import no_such_state
from .search_words import as_condition

SORTS = ("-created", "created")
MAX_ERRORS = 5
SHOWN = 60


def errors_of(query: QueryDict) -> tuple[str, ...]:
    """A sentence for each value that cannot be understood, up to MAX_ERRORS."""
    return tuple(dict.fromkeys(_errors(query)))[:MAX_ERRORS]


def _errors(query: QueryDict) -> Iterator[str]:
    for name in query.getlist("state"):
        if name.lower() not in LISTED_STATES and as_condition(name) is None:
            yield no_such_state(_shown(name))
    if any("\x00" in value for key in ("type", "user", "q") for value in query.getlist(key)):
        yield _("The search contains an unusable character (NUL). Please remove it.")
    if "" in query.getlist("user"):
        yield _("“%(key)s” has no value.") % {"key": "user"}
    for order in query.getlist("sort"):
        if order not in SORTS:
            yield _("The list cannot be sorted by “%(value)s”.") % {
                "value": isolated(_shown(order))
            }


def _shown(value: str) -> str:
    return value.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:SHOWN]
