"""Labels of checkpoints that the library makes; pages show the stored name in the title."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agent_sessions.states import CHECKPOINT_NAMES, CREATED

from .bidi import isolate, isolated
from .choices import VERBS, Text

BEFORE_ROLLBACK = "before rollback to "
WORDS: dict[str, Text] = {
    CREATED: gettext_lazy("On creation"),
    **{CHECKPOINT_NAMES[verb.name]: verb.checkpoint for verb in VERBS.values()},
}


def own_word(name: str, longest: int = 60) -> str:
    """The label of a checkpoint of the library; empty for a name that an agent chose.

    Of a rollback to the checkpoint before another rollback, only the outer name is translated.
    """
    if name in WORDS:
        return str(WORDS[name])
    target = name.removeprefix(BEFORE_ROLLBACK)
    if target == name or not target:
        return ""
    shown = WORDS.get(target) or isolated(Truncator(target).chars(longest))
    return _("Before rollback to %(name)s") % {"name": shown}


def checkpoint_text(name: str, longest: int = 60) -> str:
    """Plain text, for options, labels and scripts."""
    return own_word(name, longest) or isolated(Truncator(name).chars(longest))


def checkpoint_word(name: str, longest: int = 60) -> SafeString | str:
    """HTML for a sentence."""
    return own_word(name, longest) or isolate(Truncator(name).chars(longest))


def checkpoint_name(name: str, longest: int = 60, classes: str = "") -> SafeString:
    """HTML for a cell or heading. Names that agents chose are set as code, those of the library as words."""
    word, title = own_word(name, longest), isolated(Truncator(name).chars(500))
    if word:
        return format_html('<span class="{}" title="{}">{}</span>', classes, title, word)
    shown = isolate(Truncator(name).chars(longest))
    classes = f"mono {classes}".rstrip()
    return format_html(
        '<span class="{}" title="{}" translate="no">{}</span>', classes, title, shown
    )
