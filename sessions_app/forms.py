"""Parameters of URLs and forms: numbers, ids, choices and texts.

The manager validates texts; here they are only shortened where a page needs that.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError

from .bulk.models import BulkItem
from .choices import KINDS, VERBS
from .numbers import BIGINT, INTEGER, whole
from .saved_views.models import ListStyle
from .selectors.activity import GROUPINGS, WINDOWS
from .selectors.pagination import PageKey
from .selectors.timeline import parse_moment
from .templatetags.sessions import THEMES

NOW: Final = "now"
UNKNOWN: Final = "unknown"
YES = [("yes", "yes")]
PARTS = [("context", "context"), ("metadata", "metadata")]


class WholeNumberField(forms.IntegerField):
    """From 0, ASCII digits only: `int` also accepts "1_0", " 1" and digits of other scripts."""

    def __init__(self, *, at_most: int = INTEGER) -> None:
        super().__init__(required=False)
        self._at_most = at_most

    def to_python(self, value: Any) -> int | None:
        if value in self.empty_values:
            return None
        number = whole(value, self._at_most)
        if number is None:
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return number


class TextField(forms.Field):
    """The text as written, stripped or shortened only on demand; `initial` if missing."""

    def __init__(self, *, initial: str = "", longest: int | None = None, strip: bool = False):
        super().__init__(required=False, initial=initial)
        self._longest, self._strip = longest, strip

    def to_python(self, value: str | None) -> str:
        text = str(self.initial) if value is None else value
        return (text.strip() if self._strip else text)[: self._longest]


class MomentField(forms.Field):
    """ISO 8601, or milliseconds since the epoch."""

    def to_python(self, value: str | None) -> datetime | None:
        return parse_moment(value) if value else None


class PlaceField(forms.Field):
    """A position in the list, as in the links to its neighbours."""

    def to_python(self, value: str | None) -> PageKey | None:
        return PageKey.parse(value or "")


class KindsField(forms.Field):
    """Kinds of history entries, separated by commas; an unknown one finds nothing."""

    def to_python(self, value: str | None) -> tuple[str, ...]:
        given = filter(None, (value or "").split(","))
        return tuple(dict.fromkeys(kind if kind in KINDS else UNKNOWN for kind in given))


class TickedField(forms.Field):
    """Each is an `id`, or `id:version` with the version that the row showed."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Iterable[str] | None) -> dict[UUID, int | None]:
        found: dict[UUID, int | None] = {}
        for each in value or ():
            id, _sep, version = each.partition(":")
            try:
                found[UUID(id)] = whole(version, BIGINT)
            except ValueError:
                continue
        return found


class SideField(WholeNumberField):
    """One side of a comparison: the number of a checkpoint, or now."""

    def to_python(self, value: Any) -> Any:
        return NOW if value in (None, NOW) else super().to_python(value)


class Params(forms.Form):
    """Invalid parameters count as missing: URLs are bookmarked and edited by hand."""

    @classmethod
    def read(cls, given: Any) -> dict[str, Any]:
        form = cls(given)
        form.full_clean()
        return {name: form.cleaned_data.get(name) for name in form.fields}


class ListQuery(Params):
    after = PlaceField(required=False)
    before = PlaceField(required=False)


class SessionQuery(Params):
    at = MomentField(required=False)
    t = MomentField(required=False)
    history = WholeNumberField(at_most=BIGINT)
    checkpoints = WholeNumberField()
    kind = KindsField(required=False)


class JsonPartQuery(Params):
    version = WholeNumberField(at_most=BIGINT)
    start = WholeNumberField()
    path = TextField()
    find = TextField(longest=200)
    download = TextField()
    raw = TextField()


class CompareQuery(Params):
    a = SideField()
    b = SideField()


class ChartForm(forms.Form):
    minutes = forms.TypedChoiceField(coerce=int, choices=[(each, each) for each in WINDOWS])
    by = forms.ChoiceField(choices=[(each, each) for each in GROUPINGS])


class OrderForm(Params):
    request_id = forms.UUIDField(required=False)
    seen_version = WholeNumberField(at_most=BIGINT)
    reason = TextField()
    checkpoint = WholeNumberField()


class PartForm(forms.Form):
    part = forms.ChoiceField(choices=PARTS)


class EditForm(Params):
    """`loaded` is the metadata that the text is based on."""

    request_id = forms.UUIDField(required=False)
    seen = WholeNumberField(at_most=BIGINT)
    text = TextField()
    loaded = TextField(initial="{}")
    reason = TextField()


class BulkPlanForm(Params):
    verb = forms.ChoiceField(
        required=False, choices=lambda: [(verb.name, verb.label) for verb in VERBS.values()]
    )
    id = TickedField(required=False)
    all = forms.ChoiceField(required=False, choices=YES)
    query = TextField()


class BulkForm(Params):
    """The reason and the checkpoint that a person gives for a plan."""

    reason = TextField(strip=True)
    checkpoint = TextField(longest=500, strip=True)


class BulkLinesQuery(Params):
    outcome = forms.ChoiceField(required=False, choices=BulkItem.Outcome.choices)
    after = WholeNumberField()


class SavedViewForm(Params):
    name = TextField(longest=80, strip=True)
    query = TextField()
    shared = forms.ChoiceField(required=False, choices=YES)


class ListStyleForm(Params):
    density = forms.ChoiceField(required=False, choices=ListStyle.Density.choices)


class ThemeForm(Params):
    theme = forms.ChoiceField(required=False, choices=[(each, each) for each in THEMES])


class PresenceForm(Params):
    """`doing` is the noun of the order in the open dialog."""

    gone = TextField()
    doing = forms.ChoiceField(
        required=False, choices=lambda: [(verb.noun, verb.label) for verb in VERBS.values()]
    )
