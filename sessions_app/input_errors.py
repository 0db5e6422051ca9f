"""Messages for what the library refuses to store, by the error's code."""

from __future__ import annotations

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from agent_sessions import InvalidInput

from .bidi import isolated

SENTENCES: dict[str, Promise] = {
    "no_session_id": _("“%(value)s” is no id of a session."),
    "no_checkpoint_id": _("“%(value)s” is no id of a checkpoint."),
    "no_text": _("%(what)s: text is needed."),
    "missing": _("%(what)s: please write a few words."),
    "too_long": _("%(what)s: too long with %(size)s characters; %(limit)s are allowed."),
    "nul": _("%(what)s: contains a character that cannot be stored (NUL). Please remove it."),
    "surrogate": _("%(what)s: contains half a character. Please remove it."),
    "no_object": _("%(what)s: a JSON object is needed: { … }"),
    "too_large": _("%(what)s: too large with %(size)s bytes; %(limit)s are allowed."),
    "too_deep": _("%(what)s: nested too deeply; %(limit)s levels are allowed."),
    "no_json": _("%(what)s: contains a value that JSON does not have, such as NaN or Infinity."),
    "omitted": _(
        "%(what)s: contains a mark for a stored value that could not be read. Please replace it."
    ),
    "refused_value": _("The database refused a value. Nothing was stored."),
}
# The library's name of a value, and its label on a page.
NAMES: dict[str, Promise] = {
    "reason": _("Reason"),
    "context": _("Context"),
    "metadata": _("Metadata"),
    "result": _("Result"),
    "error": _("Reason"),
    "draft": _("Draft"),
    "actor": _("Account"),
    "user": _("Account"),
    "name": _("Name"),
}


def explain_input(error: InvalidInput) -> str:
    """Without a code the dashboard itself has written the text."""
    if error.code not in SENTENCES:
        return str(error)
    values = {name: _shown(name, value) for name, value in error.values.items()}
    return str(SENTENCES[error.code]) % values


def _shown(name: str, value: str | int) -> str:
    if isinstance(value, int):
        return number_format(value, use_l10n=True, force_grouping=True)
    return str(NAMES.get(value, value)) if name == "what" else isolated(value)
