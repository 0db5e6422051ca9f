"""Labels of permissions and groups in the reader's language; the tables store Django's English names."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import Group, Permission
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..permissions import labels

GROUP_LABELS: dict[str, Promise] = {
    "viewers": gettext_lazy("see sessions, not their contents"),
    "operators": gettext_lazy("see and act on sessions"),
    "leads": gettext_lazy("act on sessions and share views"),
    "data protection": gettext_lazy("see and export contents, without acting"),
    "administrators": gettext_lazy("everything"),
}
KINDS: dict[str, Promise] = {
    "add": gettext_lazy("Add: %(what)s"),
    "change": gettext_lazy("Change: %(what)s"),
    "delete": gettext_lazy("Delete: %(what)s"),
    "view": gettext_lazy("View: %(what)s"),
}


def right_word(right: Permission) -> str:
    """The part of the site and the permission. A custom permission keeps its name."""
    model = right.content_type.model_class()
    area = str(model._meta.app_config.verbose_name) if model else right.content_type.app_label
    return f"{area}: {_right(right)}"


def _right(right: Permission) -> str:
    own = labels()
    if right.content_type.app_label == "sessions_app" and right.codename in own:
        return str(own[right.codename])
    kind, _joint, model_name = right.codename.partition("_")
    model = right.content_type.model_class()
    if kind in KINDS and model and model_name == model._meta.model_name:
        return str(KINDS[kind]) % {"what": model._meta.verbose_name}
    return right.name


def rights_text(rights: Collection[str] | None) -> str:
    """The rights of a token in the reader's words."""
    if rights is None:
        return _("everything that its user may do")
    known = labels()
    return ", ".join(str(known.get(right, right)) for right in rights)


def group_word(group: Group) -> str:
    """The group's name, with a description for the groups of this project."""
    word = GROUP_LABELS.get(group.name)
    return group.name if word is None else f"{group.name} ({word})"
