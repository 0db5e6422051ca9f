"""Who may manage whose account: nobody gives more than they have, or takes over an account that has more."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from ..auth_backends import with_permissions
from ..permissions import access


def may_manage_people(request: HttpRequest) -> bool:
    """Django's own permissions on accounts do not count: with them anybody could become a superuser."""
    return access(request).may_manage_people


def is_within(person: User, manager: Any) -> bool:
    """Whether the person has no more than the manager, also if disabled and given back their rights."""
    if manager.is_superuser:
        return True
    return not person.is_superuser and _granted(person) <= _granted(manager)


def permissions_to_give(manager: Any) -> QuerySet[Permission]:
    if manager.is_superuser:
        return Permission.objects.all()
    own = Q(user=manager) | Q(group__user=manager)
    return Permission.objects.filter(pk__in=Permission.objects.filter(own).values("pk"))


def groups_to_give(manager: Any) -> QuerySet[Group]:
    """Those with no more permissions than the manager has."""
    if manager.is_superuser:
        return Group.objects.all()
    others = Permission.objects.exclude(pk__in=permissions_to_give(manager).values("pk"))
    return Group.objects.exclude(permissions__in=others)


def _granted(user: User) -> set[str]:
    found: Any
    [found] = with_permissions(User.objects.filter(pk=user.pk))
    return set(found.given)
