"""Searches inside a session's JSON: values at a path, and text anywhere.

Only the newest matches of the other terms are searched, by the index of the list's order: 5 ms for
1,000 of a million rows, 150 for 20,000. Two thirds of it are the checkpoints' names, one index
look-up for each session. A GIN index on the context would answer only whole values, neither
prefixes nor free text, for a fifth more WAL with each change of a context (measured; heartbeats
stay HOT with it).
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, F, Func, JSONField, Q, TextField, Value
from django.db.models.functions import Cast
from django.db.models.lookups import IContains, IStartsWith

PARTS = ("context", "metadata")


def json_path_q(part: str, path: str, value: str) -> Q:
    """The text at the path begins with `value`, or the list there contains it."""
    member = Func(
        _at(part, path, "#>", JSONField()),
        Value([value], JSONField()),
        template="(%(expressions)s)",
        arg_joiner=" @> ",
        output_field=BooleanField(),
    )
    return Q(IStartsWith(_at(part, path, "#>>", TextField()), value)) | Q(member)


def json_contains_q(value: str) -> Q:
    """Anywhere in context or metadata, including keys."""
    found = Q()
    for part in PARTS:
        found |= Q(IContains(Cast(F(part), TextField()), value))
    return found


def _at(part: str, path: str, operator: str, kind: Any) -> Func:
    keys = Value(path.split("."), ArrayField(TextField()))
    return Func(
        F(part), keys, template="(%(expressions)s)", arg_joiner=f" {operator} ", output_field=kind
    )
