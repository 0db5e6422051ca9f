"""The permissions to view and to operate sessions, and the two default groups."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.contrib.contenttypes.models import ContentType

from .choices import VERBS, Verb

Person = AbstractBaseUser | AnonymousUser

VIEW = "view_agentsession"
OPERATE = "operate_agentsession"
GROUPS = {"viewers": (VIEW,), "operators": (VIEW, OPERATE)}
LOOK = (VIEW, OPERATE)  # operators may also view
NAMES = {VIEW: "Can view agent sessions", OPERATE: "Can operate agent sessions"}


def has_right(user: Person, right: str) -> bool:
    return cast("User", user).has_perm(f"sessions_app.{right}")


def may_look(user: Person) -> bool:
    return any(has_right(user, right) for right in LOOK)


def may_operate(user: Person) -> bool:
    return has_right(user, OPERATE)


def may_perform(user: Person, verb: Verb) -> bool:
    return has_right(user, verb.permission or OPERATE)


def permitted_verbs(user: Person) -> list[Verb]:
    """The orders that a person may give."""
    return [verb for verb in VERBS.values() if may_perform(user, verb)]


def ensure_groups() -> None:
    """Also creates the permissions: Django creates those of an unmanaged model only if a migration names it."""
    content_type, _ = ContentType.objects.get_or_create(
        app_label="sessions_app", model="agentsession"
    )
    for group_name, codenames in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=group_name)
        for codename in codenames:
            permission, _ = Permission.objects.get_or_create(
                codename=codename, content_type=content_type, defaults={"name": NAMES[codename]}
            )
            group.permissions.add(permission)
