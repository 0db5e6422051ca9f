"""The permissions to view and to operate sessions, and the two default groups."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.contrib.contenttypes.models import ContentType

VIEW = "view_agentsession"
OPERATE = "operate_agentsession"
GROUPS = {"viewers": (VIEW,), "operators": (VIEW, OPERATE)}
LOOK = (VIEW, OPERATE)  # operators may also view
NAMES = {VIEW: "Can view agent sessions", OPERATE: "Can operate agent sessions"}


def user_may_look(user: AbstractBaseUser | AnonymousUser) -> bool:
    return any(cast("User", user).has_perm(f"sessions_app.{right}") for right in LOOK)


def ensure_groups() -> None:
    """Also creates the permissions, which Django does not always do for unmanaged models."""
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
