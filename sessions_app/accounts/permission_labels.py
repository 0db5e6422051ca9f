"""Labels of permissions and groups in the reader's language; the tables store Django's English names."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..permissions import GROUPS, OPERATE, VIEW

OWN: dict[str, Promise] = {
    VIEW: gettext_lazy("Look at sessions"),
    OPERATE: gettext_lazy("Operate sessions"),
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
    if right.content_type.app_label == "sessions_app" and right.codename in OWN:
        return str(OWN[right.codename])
    kind, _joint, model_name = right.codename.partition("_")
    model = right.content_type.model_class()
    if kind in KINDS and model and model_name == model._meta.model_name:
        return str(KINDS[kind]) % {"what": model._meta.verbose_name}
    return right.name


def group_word(group: Group) -> str:
    """The group's name, with a description for the groups of this project."""
    if group.name not in GROUPS:
        return group.name
    may_act = OPERATE in GROUPS[group.name]
    word = _("may act on sessions") if may_act else _("may look, not act")
    return f"{group.name} ({word})"
