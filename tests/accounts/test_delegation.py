"""A manager of accounts can give only the own rights, and cannot change accounts with more."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from sessions_app.accounts.delegation import is_within
from sessions_app.accounts.models import AgentTypeLimit, ProviderIdentity
from sessions_app.models import ApiToken
from sessions_app.permissions import CONTENT, PEOPLE, VIEW, access_of, ensure_permissions

OWN = (VIEW, CONTENT, "pause_session", PEOPLE)
NO_LIMIT = {"agenttypelimit-TOTAL_FORMS": "0", "agenttypelimit-INITIAL_FORMS": "0"}


@pytest.fixture
def manager(db: None) -> User:
    """May see contents, pause, and manage people."""
    known = ensure_permissions()
    user = User.objects.create_user("mia", password="mia", is_staff=True)
    user.user_permissions.set([known[right] for right in OWN])
    return user


@pytest.fixture
def mia(manager: User) -> Client:
    client = Client()
    client.force_login(manager)
    return client


def group(name: str, *rights: str) -> Group:
    known = ensure_permissions()
    made = Group.objects.create(name=name)
    made.permissions.set([known[right] for right in rights])
    return made


def save(client: Client, user: User, **sent: Any) -> int:
    """Sends the whole form of an account."""
    form = {
        "username": user.username, "date_joined_0": "2026-01-01", "date_joined_1": "08:00:00",
        "is_active": "on", "agenttypelimit-TOTAL_FORMS": "0", "agenttypelimit-INITIAL_FORMS": "0",
    }  # fmt: skip
    return int(client.post(f"/admin/auth/user/{user.pk}/change/", form | sent).status_code)


def test_a_manager_makes_an_account_and_gives_it_what_she_has(mia: Client) -> None:
    watchers = group("watchers", VIEW, CONTENT)
    made = {
        "username": "neu",
        "usable_password": "true",
        "password1": "Hafen-7-Lampe",
        "password2": "Hafen-7-Lampe",
    }
    assert mia.post("/admin/auth/user/add/", made | NO_LIMIT).status_code == 302
    user = User.objects.get(username="neu")
    pause = ensure_permissions()["pause_session"]
    assert save(mia, user, groups=[watchers.pk], user_permissions=[pause.pk]) == 302
    assert access_of(User.objects.get(pk=user.pk)).rights == {VIEW, CONTENT, "pause_session"}


def test_she_is_offered_only_what_she_has(mia: Client, nobody: User) -> None:
    group("watchers", VIEW)
    group("powerful", VIEW, "delete_session")
    page = mia.get(f"/admin/auth/user/{nobody.pk}/change/").content.decode()
    assert "watchers" in page
    assert "powerful" not in page
    assert 'name="is_superuser"' not in page
    offered = page.split('name="user_permissions"')[1].split("</select>")[0]
    assert offered.count("<option") == len(OWN)


@pytest.mark.parametrize("what", ["a right", "a group", "superuser"])
def test_what_she_does_not_have_cannot_be_given_by_a_forged_form(
    mia: Client, nobody: User, what: str
) -> None:
    powerful = group("powerful", VIEW, "delete_session")
    right = ensure_permissions()["delete_session"]
    forged: dict[str, dict[str, Any]] = {
        "a right": {"user_permissions": [right.pk]},
        "a group": {"groups": [powerful.pk]},
        "superuser": {"is_superuser": "on"},
    }
    refused = {
        "a right": 200,
        "a group": 200,
        "superuser": 302,
    }  # the form again; the flag is not read
    assert save(mia, nobody, **forged[what]) == refused[what]
    found = User.objects.get(pk=nobody.pk)
    assert not found.is_superuser
    assert access_of(found).rights == set()


def test_she_cannot_give_herself_more(mia: Client, manager: User) -> None:
    save(
        mia,
        manager,
        user_permissions=[ensure_permissions()["delete_session"].pk],
        is_superuser="on",
    )
    found = User.objects.get(pk=manager.pk)
    assert not found.is_superuser
    assert access_of(found).rights == set(OWN)


@pytest.mark.parametrize("who", ["superuser", "operator", "disabled operator"])
@pytest.mark.parametrize("page", ["change/", "delete/", "password"])
def test_an_account_with_more_is_not_changed_deleted_or_taken_over(
    mia: Client, operator: User, who: str, page: str
) -> None:
    user = User.objects.create_superuser("root") if who == "superuser" else operator
    if who == "disabled operator":
        User.objects.filter(pk=user.pk).update(is_active=False)
    at = (
        f"/admin/auth/user/{user.pk}/password/"
        if page == "password"
        else f"/admin/auth/user/{user.pk}/{page}"
    )
    sent = {
        "post": "yes",
        "username": "taken",
        "password1": "Hafen-7-Lampe",
        "password2": "Hafen-7-Lampe",
    }
    assert mia.post(at, sent | {"usable_password": "true"}).status_code == 403
    found = User.objects.get(pk=user.pk)
    assert (found.username, found.password) == (user.username, user.password)


def test_deleting_several_at_once_spares_those_with_more(
    mia: Client, operator: User, nobody: User
) -> None:
    asked = {
        "action": "delete_selected",
        "_selected_action": [operator.pk, nobody.pk],
        "post": "yes",
    }
    mia.post("/admin/auth/user/", asked)
    assert User.objects.filter(pk=operator.pk).exists()


def test_a_limited_manager_manages_nobody(mia: Client, manager: User, nobody: User) -> None:
    AgentTypeLimit.objects.create(user=manager, agent_types=["tutor"])
    assert mia.get("/admin/auth/user/").status_code == 403
    assert mia.get(f"/admin/auth/user/{nobody.pk}/change/").status_code == 403


def test_she_limits_an_account(mia: Client, nobody: User) -> None:
    sent = {"agenttypelimit-TOTAL_FORMS": "1", "agenttypelimit-0-agent_types": "tutor",
            "agenttypelimit-0-user": str(nobody.pk)}  # fmt: skip
    assert save(mia, nobody, **sent) == 302
    assert access_of(User.objects.get(pk=nobody.pk)).types == frozenset({"tutor"})


def test_django_s_own_permissions_make_nobody_a_manager(client: Client, nobody: User) -> None:
    nobody.is_staff = True
    nobody.save()
    nobody.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label__in=("auth", "sessions_app"), codename__contains="_"
        )
        .exclude(codename__in=[PEOPLE])
        .filter(codename__regex="_(user|group|permission|provideridentity|agenttypelimit)$")
    )
    client.force_login(nobody)
    for path in (
        "auth/user/",
        "auth/user/add/",
        "auth/group/",
        "auth/group/add/",
        f"auth/user/{nobody.pk}/change/",
    ):
        assert client.get(f"/admin/{path}").status_code == 403, path
    assert client.get("/admin/sessions_app/provideridentity/add/").status_code == 403
    linked = {"user": str(nobody.pk), "issuer": "https://x", "subject": "y"}
    client.post("/admin/sessions_app/provideridentity/add/", linked)
    assert not ProviderIdentity.objects.exists()


def test_groups_are_for_superusers(mia: Client, admin_client: Client) -> None:
    made = group("watchers", VIEW)
    for path in ("/admin/auth/group/", f"/admin/auth/group/{made.pk}/change/"):
        assert mia.get(path).status_code == 403
        assert admin_client.get(path).status_code == 200


def test_an_account_is_deleted_with_its_tokens_and_its_link_to_the_provider(
    mia: Client, nobody: User, operator: User
) -> None:
    for user in (nobody, operator):
        ApiToken.objects.create(user=user, name="a", digest=user.username)
        ProviderIdentity.objects.create(user=user, issuer="https://x", subject=user.username)
    assert mia.post(f"/admin/auth/user/{nobody.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=nobody.pk).exists()
    for model, row in (("apitoken", ApiToken), ("provideridentity", ProviderIdentity)):
        left: Any = row._default_manager.get()
        at = f"/admin/sessions_app/{model}/{left.pk}"
        assert mia.post(f"{at}/delete/", {"post": "yes"}).status_code == 403
        assert mia.get(f"{at}/change/").status_code == 403
        assert mia.get(f"/admin/sessions_app/{model}/").status_code == 403


def test_django_s_permissions_on_tokens_and_links_do_not_count(
    client: Client, nobody: User
) -> None:
    nobody.is_staff = True
    nobody.save()
    nobody.user_permissions.set(
        [
            *Permission.objects.filter(codename__regex="_(apitoken|provideridentity)$"),
            ensure_permissions()[VIEW],
        ]
    )
    root = User.objects.create_superuser("root")
    token = ApiToken.objects.create(user=root, name="a", digest="d")
    link = ProviderIdentity.objects.create(user=root, issuer="https://x", subject="y")
    client.force_login(nobody)
    for at in (f"apitoken/{token.pk}", f"provideridentity/{link.pk}"):
        assert client.get(f"/admin/sessions_app/{at}/change/").status_code == 403
        assert client.post(f"/admin/sessions_app/{at}/delete/", {"post": "yes"}).status_code == 403
    assert ApiToken.objects.exists()
    assert ProviderIdentity.objects.exists()


def test_the_check_after_saving_counts_the_rights_from_before(manager: User) -> None:
    access_of(manager)  # as at the beginning of a request
    manager.user_permissions.add(ensure_permissions()["delete_session"])
    assert not is_within(User.objects.get(pk=manager.pk), manager)
