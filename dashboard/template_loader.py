"""Loads templates, which are written one element a line, without their layout.

White space beside a tag of HTML or of Django is layout and is left out when a template is loaded,
so that a formatter cannot change what a page shows. A visible space is written as a literal:
`{{ " " }}`. Between two attributes and between two words one space stays.
"""

import re
from collections.abc import Generator, Iterator

from django.template import Origin
from django.template.loaders import filesystem

_DJANGO = r"{%.*?%}|{{.*?}}"
_CONTENT = re.compile(
    r"(?P<opaque>{%\s*(?P<name>blocktranslate|comment|verbatim)\b.*?{%\s*end(?P=name)\s*%})"
    r'|(?P<literal>{{\s*"(?P<text>[^"\\<>&{}]*)"\s*}})'
    r"|(?P<variable>{{.*?}})"
    r"|(?P<markup>{%.*?%}|{#.*?#}|<!.*?>)"
    r"|(?P<opening></?[A-Za-z][^\s/>{]*)"
    r"|(?P<space>\s+)"
    r"|(?P<word>[^\s<{]+|.)",
    re.DOTALL,
)
_ATTRIBUTES = re.compile(
    r"(?P<statement>{%\s*(?P<name>if|elif|else|endif|for|empty|endfor|with|endwith)\b.*?%})"
    rf'|(?P<value>"(?:{_DJANGO}|[^"])*"|\'(?:{_DJANGO}|[^\'])*\')'
    rf"|(?P<attribute>{_DJANGO}|[^\s/>{{\"']+)"
    r"|(?P<space>\s+)"
    r"|(?P<end>/?>)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_WORDS = {"variable", "word"}


class Loader(filesystem.Loader):
    def get_contents(self, origin: Origin) -> str:
        return without_layout(super().get_contents(origin))


def without_layout(source: str) -> str:
    return "".join(_content(source))


def _content(source: str) -> Iterator[str]:
    before: str | None = None
    at, spaced = 0, False
    while found := _CONTENT.match(source, at):
        at, kind = found.end(), found.lastgroup
        if kind == "space":
            spaced = True
            continue
        if spaced and before in _WORDS and kind in _WORDS:
            yield " "
        yield found["text"] if kind == "literal" else found[0]
        if kind == "opening":
            at = yield from _attributes(source, at)
        before, spaced = kind, False


def _attributes(source: str, at: int) -> Generator[str, None, int]:
    """Attributes up to the end of the HTML tag. A space belongs to the attribute after it, in the same branch."""
    spaced, branches = False, []
    while found := _ATTRIBUTES.match(source, at):
        at, kind, name = found.end(), found.lastgroup, found["name"]
        if kind == "space":
            spaced = True
            continue
        if kind == "statement":
            if name in ("if", "for", "with"):
                branches.append(spaced)
            elif branches:
                spaced = branches[-1] if name in ("elif", "else", "empty") else spaced
                if name.startswith("end"):
                    branches.pop()
        elif kind != "end" and spaced:
            yield " "
            spaced = False
        yield found[0]
        if kind == "end":
            break
    return at
