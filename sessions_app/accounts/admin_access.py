"""Permissions of Django's admin by rules of the project."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest

from ..permissions import access
from .delegation import is_within


class ByOneRule:
    """A page for those whom `allows` names.

    Django's permissions on these tables do not count: with them an account could make itself a superuser.
    """

    def allows(self, request: HttpRequest) -> bool:
        """Who has the right to manage accounts."""
        return access(request).may_manage_people

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.allows(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allows(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allows(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allows(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)


class ForSuperusers(ByOneRule):
    def allows(self, request: HttpRequest) -> bool:
        return cast(User, request.user).is_superuser


class OfAnAccount(ForSuperusers):
    """Rows that belong to a user: a manager who may delete the user may delete them with it."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if self.allows(request):
            return True
        return (
            obj is not None
            and access(request).may_manage_people
            and is_within(obj.user, request.user)
        )
