"""The sidebar: filter links that can be combined, with counts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from ..choices import CONDITIONS, MOST_URGENT_FIRST, STATES, Badge, Text
from ..selectors.facet_counts import Facets
from ..selectors.filters import ListFilter

PLACES = ("after", "before", "all")


@dataclass(frozen=True, slots=True)
class FacetLink:
    label: Text
    href: str
    n: int
    count_key: str
    current: bool
    icon: str = ""
    tone: str = ""
    hint: Text = ""
    urgency: int = 0
    """1 for the condition that a page's title names first, 0 for what it does not name."""

    @property
    def shown(self) -> str:
        from django.utils.formats import number_format

        return number_format(self.n, force_grouping=True)


@dataclass(frozen=True, slots=True)
class FacetGroup:
    key: str
    title: str
    items: list[FacetLink]


def build_facets(query: QueryDict, wanted: ListFilter, facets: Facets) -> list[FacetGroup]:
    return [
        FacetGroup(
            "state", _("State"), [_all(query, wanted, facets), *_states(query, wanted, facets)]
        ),
        FacetGroup("condition", _("Needs a look"), list(_conditions(query, wanted, facets))),
        FacetGroup("type", _("Agent type"), list(_types(query, wanted, facets))),
    ]


def _all(query: QueryDict, wanted: ListFilter, facets: Facets) -> FacetLink:
    href = address(_without(query, "state"))
    plain = not query.getlist("state")
    return FacetLink(
        _("All"), href, facets.total, "state:all", plain, "rail", hint=_("All but the trash")
    )


def _states(query: QueryDict, wanted: ListFilter, facets: Facets) -> Iterable[FacetLink]:
    for name, sign in STATES.items():
        yield _signed(query, name, sign, facets.states.get(name, 0), name in wanted.states)


def _conditions(query: QueryDict, wanted: ListFilter, facets: Facets) -> Iterable[FacetLink]:
    for name, sign in CONDITIONS.items():
        urgency = MOST_URGENT_FIRST.index(name) + 1
        item = _signed(query, name, sign, facets.states.get(name, 0), name in wanted.conditions)
        yield replace(item, urgency=urgency)


def _signed(query: QueryDict, name: str, sign: Badge, n: int, current: bool) -> FacetLink:
    href = address(toggled(query, "state", name))
    return FacetLink(sign.word, href, n, f"state:{name}", current, sign.icon, sign.name, sign.hint)


def _types(query: QueryDict, wanted: ListFilter, facets: Facets) -> Iterable[FacetLink]:
    for name in sorted({*facets.types, *wanted.types}):
        href = address(toggled(query, "type", name))
        current = name in wanted.types
        yield FacetLink(name, href, facets.types.get(name, 0), f"type:{name}", current)


def toggled(query: QueryDict, key: str, value: str) -> QueryDict:
    values = query.getlist(key)
    changed = _without(query)
    kept = [v for v in values if v != value] if value in values else [*values, value]
    changed.setlist(key, kept)
    return changed


def with_value(query: QueryDict, **values: Any) -> QueryDict:
    changed = _without(query)
    for key, value in values.items():
        changed[key] = str(value)
    return changed


def _without(query: QueryDict, *keys: str) -> QueryDict:
    """A changed list starts at its first page."""
    changed = query.copy()
    for key in (*PLACES, *keys):
        changed.pop(key, None)
    return changed


def address(query: QueryDict) -> str:
    """`?all` is the list without a filter, because the URL without a query opens the default view."""
    return f"?{query.urlencode()}" if query else "?all"
