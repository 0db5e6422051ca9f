"""The rights on sessions, what a caller has of them, and the ready groups."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .accounts.agent_types import agent_types_of
from .choices import VERBS, Text, Verb

Person = AbstractBaseUser | AnonymousUser

VIEW = "view_agentsession"
CONTENT = "view_content"
EXPORT = "export_history"
EDIT = "edit_session"
SHARE = "share_views"
PEOPLE = "manage_people"
LABELS: dict[str, Text] = {
    VIEW: _("See sessions"),
    CONTENT: _("See contents of sessions"),
    EXPORT: _("Export the history"),
    EDIT: _("Edit context and metadata"),
    SHARE: _("Share saved views"),
    PEOPLE: _("Manage accounts"),
}
"""Of the rights beside those of the verbs. Each of them needs VIEW as well."""

ORDERS = tuple(verb.right for verb in VERBS.values())
GROUPS: dict[str, tuple[str, ...]] = {
    "viewers": (VIEW,),
    "operators": (VIEW, CONTENT, EXPORT, EDIT, *ORDERS),
    "leads": (VIEW, CONTENT, EXPORT, EDIT, *ORDERS, SHARE),
    "data protection": (VIEW, CONTENT, EXPORT),
    "administrators": (*LABELS, *ORDERS),
}


def labels() -> dict[str, Text]:
    """Every right with its label."""
    return {**LABELS, **{verb.right: verb.label for verb in VERBS.values()}}


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller may do, and with sessions of which agent types; None for all.

    Equal ones see the same pages and counts.
    """

    rights: frozenset[str] = frozenset()
    types: frozenset[str] | None = None

    @property
    def digest(self) -> str:
        """A key for what is computed once for all callers with equal access."""
        known = [sorted(self.rights), None if self.types is None else sorted(self.types)]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]

    def allows(self, agent_type: str) -> bool:
        """The same as `SessionQuerySet.visible_to`."""
        return self.types is None or agent_type in self.types

    @property
    def shown_types(self) -> str:
        return ", ".join(sorted(self.types or ()))

    def has(self, right: str) -> bool:
        """Without the right to see sessions no other one counts."""
        return VIEW in self.rights and right in self.rights

    def missing(self, *rights: str) -> str:
        """The first of these that the caller lacks, the right to see sessions before all; empty if none."""
        return next((right for right in (VIEW, *rights) if not self.has(right)), "")

    def may_perform(self, verb: Verb) -> bool:
        return self.has(verb.right)

    @property
    def sees_sessions(self) -> bool:
        return self.has(VIEW)

    @property
    def sees_content(self) -> bool:
        return self.has(CONTENT)

    @property
    def sees_conversations(self) -> bool:
        """Of all agents: Valkey does not store the agent type of a conversation."""
        return self.sees_content and self.types is None

    @property
    def may_export(self) -> bool:
        return self.has(EXPORT)

    @property
    def may_edit(self) -> bool:
        """Who edits sees the whole value."""
        return self.has(EDIT) and self.has(CONTENT)

    @property
    def may_share(self) -> bool:
        return self.has(SHARE)

    @property
    def may_manage_people(self) -> bool:
        """Not with a limit, because the account could give access to more than it has itself."""
        return self.has(PEOPLE) and self.types is None

    @property
    def may_roll_back(self) -> bool:
        return self.may_perform(VERBS["rollback"])

    @property
    def verbs(self) -> list[Verb]:
        """The orders that the caller may give."""
        return [verb for verb in VERBS.values() if self.may_perform(verb)]

    @property
    def may_act(self) -> bool:
        return self.may_edit or bool(self.verbs)

    def limited_to(self, rights: Collection[str] | None) -> Access:
        """Those of the given rights that the caller has; None for all."""
        return self if rights is None else replace(self, rights=self.rights & frozenset(rights))


NONE = Access()


def access_of(user: Person) -> Access:
    """Superusers have every right, disabled and anonymous users have none."""
    if not user.is_active:
        return NONE
    known = labels().keys()
    if cast("User", user).is_superuser:
        return Access(frozenset(known))
    given = cast("User", user).get_all_permissions()
    rights = (right for right in known if f"sessions_app.{right}" in given)
    return Access(frozenset(rights), agent_types_of(cast("User", user)))


def access(request: HttpRequest) -> Access:
    """Of the request's user, or of the token that it was sent with."""
    found: Access | None = getattr(request, "access", None)
    if found is None:
        user = getattr(request, "user", None)  # error pages are also shown before log-ins are read
        found = NONE if user is None else access_of(user)
        setattr(request, "access", found)  # noqa: B010
    return found


def ensure_groups() -> None:
    """Creates the ready groups. One that exists keeps its rights: an administrator may have changed them."""
    permissions = ensure_permissions()
    for name, rights in GROUPS.items():
        group, created = Group.objects.get_or_create(name=name)
        if created:
            group.permissions.set([permissions[right] for right in rights])


def ensure_permissions() -> dict[str, Permission]:
    """Django creates those of an unmanaged model only if a migration names it."""
    content_type, _made = ContentType.objects.get_or_create(
        app_label="sessions_app", model="agentsession"
    )
    found = {}
    for codename, label in labels().items():
        found[codename], _made = Permission.objects.get_or_create(
            codename=codename, content_type=content_type, defaults={"name": str(label)}
        )
    return found
