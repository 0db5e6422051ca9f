"""Parts of pages that nothing but facts make which never change: drawn once, in each language."""

from collections.abc import Hashable
from functools import lru_cache

from django.template.loader import get_template
from django.utils.safestring import SafeString
from django.utils.translation import get_language


def render_cached(template: str, **facts: Hashable) -> SafeString:
    """`facts` are all that the template is told."""
    return _drawn(template, get_language(), **facts)


@lru_cache(maxsize=2000)
def _drawn(template: str, _language: str | None, **facts: Hashable) -> SafeString:
    return SafeString(get_template(template).render(dict(facts)))
