"""Strict parsing of JSON from people and programs, with readable errors."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _

from agent_sessions import InvalidInput, validation

from .bidi import isolated

SHOWN = 80


class RepeatedKey(InvalidInput):
    """An object has the same key twice."""


def read(text: str | bytes) -> Any:
    """Raises InvalidInput, also for a repeated key: JSON parsers silently keep one of its values."""
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except InvalidInput:
        raise
    except RecursionError:
        raise InvalidInput(_("Invalid JSON: nested too deeply.")) from None
    except json.JSONDecodeError as error:
        raise InvalidInput(
            _("Invalid JSON: the error is in line %(line)s, column %(column)s.")
            % {"line": error.lineno, "column": error.colno}
        ) from None
    except ValueError:
        raise InvalidInput(_("Invalid JSON: a number or a character cannot be read.")) from None


def read_object(text: str, what: str) -> dict[str, Any]:
    """An object that can be stored as context or metadata. Raises InvalidInput."""
    value = read(text)
    if not isinstance(value, dict):
        raise InvalidInput(_("It must be an object: { … }"))
    validation.json_object(value, what)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for key, _value in pairs:
        if key in seen:
            shown = json.dumps(key if len(key) <= SHOWN else f"{key[:SHOWN]}…", ensure_ascii=False)
            shown = shown.encode("utf-8", "replace").decode()
            raise RepeatedKey(
                _("The key %(key)s stands twice in one object.") % {"key": isolated(shown)}
            )
        seen.add(key)
    return found
