"""A user is loaded with all permissions in one query."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission, User

from sessions_app.auth_backends import PrefetchingModelBackend


def rights_of(user: User, asserting: Any) -> set[str]:
    with asserting(1):
        found = PrefetchingModelBackend().get_user(user.pk)
        assert found is not None
        return found.get_all_permissions()


def permission(codename: str) -> Permission:
    return Permission.objects.get(codename=codename, content_type__app_label="sessions_app")


@pytest.mark.django_db
def test_rights_of_a_person_and_of_all_groups_count(django_assert_num_queries: Any) -> None:
    user = get_user_model().objects.create_user("gerda")
    assert rights_of(user, django_assert_num_queries) == set()
    user.user_permissions.add(permission("add_savedview"))
    for name in ("readers", "writers"):
        group = Group.objects.create(name=name)
        group.permissions.add(permission("view_savedview"))
        user.groups.add(group)
    group.permissions.add(permission("change_savedview"))
    wanted = {f"sessions_app.{verb}_savedview" for verb in ("add", "view", "change")}
    assert rights_of(user, django_assert_num_queries) == wanted
    other = get_user_model().objects.create_user("otto")
    assert rights_of(other, django_assert_num_queries) == set()


def test_the_rights_are_those_that_django_would_find(
    viewer: User, operator: User, django_assert_num_queries: Any
) -> None:
    from django.contrib.auth.backends import ModelBackend

    for user in (viewer, operator):
        found = rights_of(user, django_assert_num_queries)
        assert found == ModelBackend().get_all_permissions(User.objects.get(pk=user.pk))
        assert found


@pytest.mark.django_db
def test_a_superuser_may_all_and_who_is_not_active_nothing(db: None) -> None:
    root = get_user_model().objects.create_superuser("root")
    found = PrefetchingModelBackend().get_user(root.pk)
    assert found is not None and found.has_perm("sessions_app.operate_agentsession")
    root.is_active = False
    root.save()
    assert PrefetchingModelBackend().get_user(root.pk) is None
