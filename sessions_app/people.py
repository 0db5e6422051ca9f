"""Who asks, and what that person may: what every page asks first, in as few questions as there are."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission, User
from django.db.models import Q
from django.db.models.expressions import RawSQL

# Written out, as Django would put it together anew for each page.
GIVEN = """
ARRAY(
    SELECT t.app_label || '.' || p.codename
    FROM auth_permission p JOIN django_content_type t ON t.id = p.content_type_id
    WHERE p.id IN (
        SELECT permission_id FROM auth_user_user_permissions WHERE user_id = auth_user.id
        UNION ALL
        SELECT r.permission_id FROM auth_user_groups m
        JOIN auth_group_permissions r ON r.group_id = m.group_id WHERE m.user_id = auth_user.id))
"""


class OneLook(ModelBackend):
    """As Django's own: but the person comes with the look of the list and all rights, in one query instead of four."""

    def get_user(self, user_id: int) -> User | None:
        found = get_user_model()._default_manager.select_related("liststyle__default_view")
        user = found.annotate(given=RawSQL(GIVEN, ())).filter(pk=user_id).first()  # noqa: S611
        if user is None or not self.user_can_authenticate(user):
            return None
        if not user.is_superuser:
            setattr(user, "_perm_cache", set(user.given))  # noqa: B010
        return user

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        if user_obj.is_superuser:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            given = Permission.objects.filter(Q(user=user_obj) | Q(group__user=user_obj))
            names = given.order_by().values_list("content_type__app_label", "codename")
            user_obj._perm_cache = {f"{app}.{codename}" for app, codename in names}
        known: set[str] = user_obj._perm_cache
        return known
