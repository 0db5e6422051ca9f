"""A user's columns and density of the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.utils.translation import gettext_lazy as _

from .models import ListStyle, SavedView

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# State and session cannot be hidden: they identify the row.
COLUMNS = {
    "user": _("User"),
    "heartbeat": _("Heartbeat"),
    "progress": _("Progress"),
    "checkpoint": _("Last checkpoint"),
    "started": _("Started"),
    "duration": _("Duration"),
}


def preferences_for(user: User) -> ListStyle:
    """Loaded together with the user (`auth_backends.PrefetchingModelBackend`), without a query."""
    try:
        style: ListStyle = cast("Any", user).liststyle
    except ListStyle.DoesNotExist:
        return ListStyle(user=user)
    return style


def hidden(style: ListStyle, asked: str | None) -> list[str]:
    """Hidden columns: those that the URL does not name (`columns=user.progress`), else the user's."""
    if asked is None:
        return list(style.hidden)
    shown = asked.split(".")
    return [name for name in COLUMNS if name not in shown]


def save_preferences(user: User, *, shown: list[str], density: str) -> ListStyle:
    chosen: dict[str, Any] = {"hidden": [name for name in COLUMNS if name not in shown]}
    if density:
        chosen["density"] = density
    return _chosen(user, chosen)


def toggle_default(user: User, view: SavedView) -> ListStyle:
    """Makes the view the list's default; if it is that already, the list has none."""
    is_it = preferences_for(user).default_view_id == view.pk
    return _chosen(user, {"default_view": None if is_it else view})


def _chosen(user: User, what: dict[str, Any]) -> ListStyle:
    """An upsert, because two quick clicks can be concurrent first requests."""
    style, _new = ListStyle.objects.update_or_create(user=user, defaults=what)
    return style
