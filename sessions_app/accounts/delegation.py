"""The rules of account management: which accounts a manager may change, and what the manager may give."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet

from ..auth_backends import with_permissions


def is_within(person: User, manager: Any) -> bool:
    """Whether the manager has all permissions of the person, which count in full for a disabled account, too.

    Those of the manager are from the beginning of the request, so they count for the manager's own account as well.
    """
    if manager.is_superuser:
        return True
    return not person.is_superuser and _granted(person) <= manager.get_all_permissions()


def permissions_to_give(manager: Any) -> QuerySet[Permission]:
    if manager.is_superuser:
        return Permission.objects.all()
    own = Q(user=manager) | Q(group__user=manager)
    return Permission.objects.filter(pk__in=Permission.objects.filter(own).values("pk"))


def groups_to_give(manager: Any) -> QuerySet[Group]:
    """Groups all of whose permissions the manager has."""
    if manager.is_superuser:
        return Group.objects.all()
    others = Permission.objects.exclude(pk__in=permissions_to_give(manager).values("pk"))
    return Group.objects.exclude(permissions__in=others)


def _granted(user: User) -> set[str]:
    found: Any
    [found] = with_permissions(User.objects.filter(pk=user.pk))
    return set(found.given)
