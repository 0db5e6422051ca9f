"""Template tags and filters for icons, states and times."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import get_script_prefix
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language_info

from agent_sessions.states import SessionState
from sessions_app import bidi, checkpoint_words, choices, owner_words
from sessions_app.choices import Badge
from sessions_app.drafts import signed_fields
from sessions_app.live.sockets.path import FEED
from sessions_app.numbers import milliseconds
from sessions_app.rendering import script_rules, template_cache, time_format
from sessions_app.rendering.row_html import render_row
from sessions_app.selectors.rows import Row
from sessions_app.selectors.session import ShownCheckpoint, ShownHistoryEntry

register = template.Library()

THEMES = ("system", "light", "dark")


register.filter("isolate", bidi.isolate)
register.filter("isolated", bidi.isolated)
register.filter("closed", bidi.closed)
register.filter("owner_words", owner_words.owner_words)
register.filter("checkpoint_text", checkpoint_words.checkpoint_text)
register.filter("checkpoint_word", checkpoint_words.checkpoint_word)
register.simple_tag(checkpoint_words.checkpoint_name)


@register.simple_tag
@lru_cache(maxsize=200)  # URLs of icons do not change during a process
def icon(name: str, classes: str = "") -> SafeString:
    return format_html(
        '<svg class="icon{}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        f" {classes}" if classes else "",
        static("img/icons.svg"),
        name,
    )


# A tag, since an include would make each uncached row of the list slower.
RING = SafeString(
    '<svg class="ring" viewBox="0 0 20 20" aria-hidden="true">'
    '<circle class="ring-track" cx="10" cy="10" r="7.500"/>'
    '<circle class="ring-fill" cx="10" cy="10" r="7.500" pathLength="100" stroke-dasharray="0 100"/>'
    "</svg>"
)


@register.simple_tag
def ring() -> SafeString:
    """How much of the time until a session is late has passed; scripts fill it."""
    return RING


@register.inclusion_tag("_addresses.html", takes_context=True)
def addresses(context: template.Context) -> dict[str, Any]:
    """URLs, settings and the server's rules for scripts, which contain none themselves."""
    return {
        "access": context.get("access"),
        "feed": f"{get_script_prefix()}{FEED}",
        "rules": script_rules.RULES,
        "settings": settings,
    }


@register.simple_tag(takes_context=True)
def draft_field(context: template.Context, name: str, at: str) -> SafeString:
    """Marks a form whose text is stored as a draft. `at` is the URL that opens it again."""
    form = signed_fields.DraftForm(context["request"].user.pk, name, at)
    return format_html(
        '<input type="hidden" name="{}" value="{}">', signed_fields.FIELD, signed_fields.sign(form)
    )


@register.simple_block_tag
def notice(content: SafeString, name: str, icon_name: str, tone: str = "") -> SafeString:
    """A message above the panels of a session page."""
    classes = f"notice {tone}".rstrip()
    return format_html(
        '<div class="{}" id="banner-{}">{}<p>{}</p></div>', classes, name, icon(icon_name), content
    )


@register.simple_tag
def sign(what: Badge, classes: str = "") -> SafeString:
    return format_html(
        '<span class="sign{}" data-tone="{}" title="{}">{}<span>{}</span></span>',
        f" {classes}" if classes else "",
        what.name,
        what.hint,
        icon(what.icon),
        what.word,
    )


@register.simple_tag
def list_row(row: Row) -> SafeString:
    return render_row(row)


@register.simple_tag
def flag_item(
    flag: ShownCheckpoint, row: Row, now: datetime, may_roll_back: bool, shows_content: bool
) -> SafeString:
    return template_cache.render_cached(
        "sessions/session/_checkpoint.html",
        flag=flag, session_id=row.id, day=time_format.day_of(now), shows_content=shows_content,
        may_go_back=may_roll_back and row.state != SessionState.DELETED,
    )  # fmt: skip


@register.simple_tag
def event_item(entry: ShownHistoryEntry, now: datetime) -> SafeString:
    return template_cache.render_cached(
        "sessions/session/_event.html", entry=entry, day=time_format.day_of(now)
    )


@register.filter
def dots(places: Iterable[int]) -> SafeString:
    drawn = (f'<circle class="dot" cx="{x:d}" cy="18" r="5"/>' for x in places)
    return SafeString("".join(drawn))  # numbers only, hundreds of them


@register.filter
def sign_of(row: Row) -> Badge:
    """The badge of the state; one that the agent has not confirmed is shown as unconfirmed."""
    if row.pausing:
        return choices.STATES["pausing"]
    verb = choices.VERBS.get(row.order_verb or "") if row.order_open else None
    if verb and verb.unconfirmed and row.state == SessionState.ACTIVE:
        return verb.unconfirmed
    return choices.STATES.get(row.state) or choices.unknown_state(row.state)


@register.filter
def condition_sign(name: str) -> Badge | None:
    return choices.CONDITIONS.get(name)


@register.simple_tag
def ago(moment: datetime | None, now: datetime | None = None) -> SafeString | str:
    """A time that the page updates: `12 s ago`, with the absolute time on hover."""
    if moment is None:
        return "–"
    text = time_format.format_ago(time_format.seconds_between(moment, now or timezone.now()))
    return _time(moment, text, "ago")


@register.simple_tag
def age(moment: datetime | None, now: datetime | None = None) -> SafeString | str:
    """The duration since then, which the page updates: `12 s`."""
    if moment is None:
        return "–"
    return _time(
        moment,
        time_format.format_duration(time_format.seconds_between(moment, now or timezone.now())),
        "age",
    )


@register.simple_tag
def running(moment: datetime | None, now: datetime | None = None) -> SafeString | str:
    """The duration since then in two units, which the page updates: `3 min 12 s`."""
    if moment is None:
        return "–"
    return _time(
        moment,
        time_format.format_duration_long(
            time_format.seconds_between(moment, now or timezone.now())
        ),
        "running",
    )


@register.simple_tag
def moment(when: datetime | None, now: datetime | None = None) -> SafeString | str:
    """A fixed time, in the shortest clear form."""
    if when is None:
        return "–"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        when.isoformat(),
        time_format.format_absolute(when),
        time_format.format_time(when, now or timezone.now()),
    )


@register.filter
def short_time(when: datetime) -> str:
    return time_format.format_time(when, timezone.now())


@register.filter
def absolute(when: datetime | None) -> str:
    return "–" if when is None else time_format.format_absolute(when)


@register.filter
def span(duration: timedelta | None) -> str:
    return "–" if duration is None else time_format.format_duration_long(duration.total_seconds())


@register.filter
def as_json(value: Any) -> str:
    return choices.as_text(value)


@register.filter
def span_of(seconds: float) -> str:
    return time_format.format_duration_long(seconds)


@register.filter
def ms(when: datetime | None) -> str:
    found = milliseconds(when)
    return "" if found is None else str(found)


def _time(when: datetime, text: str, kind: str) -> SafeString:
    return format_html(
        '<time datetime="{}" data-relative="{}" title="{}">{}</time>',
        when.isoformat(),
        kind,
        time_format.format_absolute(when),
        text,
    )


@register.simple_tag(takes_context=True)
def theme(context: dict[str, Any]) -> str:
    request: HttpRequest | None = context.get("request")
    chosen = request.COOKIES.get(settings.THEME_COOKIE_NAME, "") if request else ""
    return chosen if chosen in THEMES else THEMES[0]


@register.filter
def initials(name: str) -> str:
    words = [word for word in name.replace(".", " ").replace("_", " ").split() if word]
    return "".join(word[0] for word in words[:2]) or "?"


@register.filter
def kind_sign(entry: ShownHistoryEntry) -> Badge:
    return choices.KINDS.get(entry.kind) or Badge("other", "question", entry.kind[:40])


@register.filter
def event_words(entry: ShownHistoryEntry) -> str:
    verb = choices.VERBS.get(entry.verb)
    return str(verb.ordered if verb else kind_sign(entry).word)


@register.filter
def state_word(state: str) -> str:
    found = choices.STATES.get(state)
    return str(found.word) if found else state


@register.filter
def reason_word(reason: str) -> str:
    return str(choices.REASONS.get(reason, reason))


@register.filter
def actor_word(actor: str) -> str:
    return str(choices.ACTORS.get(actor, actor))


@register.filter
def source_word(source: str) -> str:
    return str(choices.SOURCES.get(source, source))


@register.filter
def language_name(code: str) -> str:
    """The language of a conversation; a code is shown as its name."""
    try:
        return str(get_language_info(code.strip().lower().replace("_", "-"))["name_translated"])
    except KeyError:
        return code
