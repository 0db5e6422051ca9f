"""The upgrade from the two old rights to the named ones."""

from __future__ import annotations

import importlib

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType

from sessions_app.models import AgentSession
from sessions_app.permissions import (
    CONTENT,
    EXPORT,
    PEOPLE,
    SHARE,
    VIEW,
    access_of,
    ensure_permissions,
    labels,
)

upgrade = importlib.import_module("sessions_app.migrations.0022_rights")
OPERATE = "operate_agentsession"


@pytest.fixture
def old(db: None) -> dict[str, Permission]:
    """The permissions of an installation before the upgrade."""
    content_type = ContentType.objects.get_for_model(AgentSession)
    operate = Permission.objects.create(
        codename=OPERATE, content_type=content_type, name="Can operate agent sessions"
    )
    return {VIEW: ensure_permissions()[VIEW], OPERATE: operate}


def person(name: str, *rights: Permission, group: str = "") -> User:
    user = User.objects.create_user(name)
    if group:
        made = Group.objects.create(name=group)
        made.permissions.set(rights)
        user.groups.add(made)
    else:
        user.user_permissions.set(rights)
    return user


@pytest.mark.parametrize("group", ["", "Lehrkräfte"])
def test_nobody_loses_a_right_by_the_upgrade(old: dict[str, Permission], group: str) -> None:
    viewer = person("viktor", old[VIEW], group=group and f"{group} 1")
    operator = person("olga", old[OPERATE], group=group and f"{group} 2")
    both = person("otto", *old.values(), group=group and f"{group} 3")
    nobody = person("nora", group=group and f"{group} 4")
    upgrade.convert(apps, None)
    found = {
        user.username: access_of(User.objects.get(pk=user.pk)).rights
        for user in (viewer, operator, both, nobody)
    }
    assert found["viktor"] == {VIEW, CONTENT, EXPORT, SHARE}
    assert found["olga"] == found["otto"] == labels().keys() - {PEOPLE}
    assert found["nora"] == set()
    assert not Permission.objects.filter(codename=OPERATE).exists()


def test_the_upgrade_names_every_right_that_there_was(db: None) -> None:
    assert {VIEW, *upgrade.RIGHTS} <= labels().keys()


def test_the_upgrade_of_a_new_database_gives_nothing(db: None) -> None:
    Permission.objects.filter(content_type__model="agentsession").delete()
    upgrade.convert(apps, None)
    assert not Permission.objects.filter(codename="pause_session").exists()
    ensure_permissions()
