"""The message for users without a permission is the same on pages, in the API and in the admin."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from sessions_app import choices, permissions
from sessions_app.accounts.models import LoginAttempts
from sessions_app.accounts.permission_labels import GROUP_LABELS, group_word, right_word
from sessions_app.live.sockets import auth, close_codes
from sessions_app.models import ApiToken
from tests.support.dashboard import session_cookie

ENGLISH = {"accept-language": "en"}


def give(user: User, *rights: str) -> None:
    found = permissions.ensure_permissions()
    user.user_permissions.add(*(found[right] for right in rights))


def scope_of(user: User) -> dict[str, Any]:
    cookie = session_cookie("http://x", user)
    return {"headers": [(b"cookie", f"{cookie['name']}={cookie['value']}".encode())]}


def test_a_new_user_without_a_group_is_told_whom_to_ask_and_can_log_out(
    client: Client, nobody: User
) -> None:
    client.force_login(nobody)
    answer = client.get("/", headers=ENGLISH)
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "Your account nora has no rights yet. Ask an administrator" in page
    assert 'action="/logout/"' in page
    client.post("/logout/")
    assert client.get("/").status_code == 302


def test_who_may_look_is_told_that_the_order_is_what_is_refused(
    client: Client, viewer: User
) -> None:
    client.force_login(viewer)
    asked = {"verb": "pause", "id": str(uuid.uuid4())}
    page = client.post("/bulk/", asked, headers=ENGLISH).content.decode()
    assert "Your account may not do this" in page
    assert "has no rights yet" not in page


def test_each_order_needs_its_own_right(nobody: User) -> None:
    give(nobody, permissions.VIEW, "pause_session")
    found = permissions.access_of(nobody)
    assert [verb.name for verb in found.verbs] == ["pause"]
    assert not found.may_perform(replace(choices.VERBS["pause"], name="stop_all"))


def test_without_the_right_to_see_sessions_no_other_right_counts(
    client: Client, nobody: User
) -> None:
    give(nobody, "pause_session", permissions.CONTENT)
    client.force_login(nobody)
    for path in ("/", "/conversations/", "/bulk/", "/api/sessions"):
        assert client.get(path).status_code == 403, path
    assert client.post("/bulk/", {"verb": "pause"}).status_code == 403
    assert auth.identify(scope_of(nobody)) == close_codes.RIGHTS_CHANGED


def test_rights_that_are_taken_or_given_close_the_open_pages(nobody: User) -> None:
    give(nobody, permissions.VIEW)
    seen = auth.identify(scope_of(nobody))
    assert isinstance(seen, auth.Viewer)
    assert auth.withdrawn([seen]) == {}
    give(nobody, permissions.CONTENT)
    assert auth.withdrawn([seen]) == {seen: close_codes.RIGHTS_CHANGED}
    nobody.user_permissions.clear()
    assert auth.withdrawn([seen]) == {seen: close_codes.RIGHTS_CHANGED}
    assert auth.identify(scope_of(nobody)) == close_codes.RIGHTS_CHANGED


def test_a_changed_password_withdraws_every_log_in_made_with_the_old_one(
    viewer: User, operator: User
) -> None:
    seen = [auth.identify(scope_of(user)) for user in (viewer, viewer, operator)]
    viewers = [one for one in seen if isinstance(one, auth.Viewer)]
    assert len(set(viewers)) == 3
    assert auth.withdrawn(viewers) == {}
    viewer.set_password("another")
    viewer.save()
    assert auth.withdrawn(viewers) == dict.fromkeys(viewers[:2], close_codes.NOT_LOGGED_IN)
    anew = auth.identify(scope_of(viewer))
    assert isinstance(anew, auth.Viewer)
    assert auth.withdrawn([anew]) == {}, "the log-in with the new one is none of those"


@pytest.mark.parametrize("how", ["deactivated", "removed"])
def test_a_person_who_is_gone_is_withdrawn_everywhere(
    viewer: User, operator: User, how: str
) -> None:
    seen = {auth.identify(scope_of(user)) for user in (viewer, viewer, operator)}
    viewers = {one for one in seen if isinstance(one, auth.Viewer)}
    if how == "removed":
        viewer.delete()
    else:
        viewer.is_active = False
        viewer.save()
    gone = auth.withdrawn(viewers)
    assert len(viewers) == 3
    assert {one.user_id for one in viewers - gone.keys()} == {operator.pk}
    assert len(gone) == 2


def test_an_expired_login_is_withdrawn_and_another_of_the_same_person_is_not(viewer: User) -> None:
    one, other = auth.identify(scope_of(viewer)), auth.identify(scope_of(viewer))
    assert isinstance(one, auth.Viewer)
    assert isinstance(other, auth.Viewer)
    Session.objects.filter(session_key=one.session_key).update(
        expire_date=timezone.now() - timedelta(seconds=1)
    )
    assert auth.withdrawn([one, other]) == {one: close_codes.NOT_LOGGED_IN}


def test_a_refused_request_is_one_line_in_the_log(client: Client, nobody: User) -> None:
    (told,) = settings.LOGGING["filters"].values()
    one_line = told["()"]()
    lines: list[str] = []

    class Written(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Written()
    handler.addFilter(one_line)
    handler.setFormatter(logging.Formatter("%(message)s"))
    assert settings.LOGGING["handlers"]["console"]["filters"] == ["one_line"]
    logging.getLogger().addHandler(handler)
    try:
        client.force_login(nobody)
        client.get("/")
        client.get("/there-is-none/")
    finally:
        logging.getLogger().removeHandler(handler)
    assert [line for line in lines if "Traceback" in line or "\n" in line] == []
    assert len([line for line in lines if line.startswith(("Forbidden", "Not Found"))]) == 2


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    from dashboard.logging import OneLine

    record = logging.LogRecord("x", 40, "x", 1, "x", (), (ValueError, ValueError("x"), None))
    assert OneLine().filter(record)
    assert record.exc_info
    record.status_code = 500
    assert OneLine().filter(record)
    assert record.exc_info


@pytest.mark.parametrize("given", [{}, {"expires_at": ""}, "as shown"])
def test_a_token_keeps_its_end_when_its_form_is_saved(
    client: Client, viewer: User, given: Any
) -> None:
    client.force_login(User.objects.create_superuser("admin"))
    ends = timezone.now() + timedelta(days=3)
    token = ApiToken.objects.create(user=viewer, name="a", digest="d", expires_at=ends)
    page = f"/admin/sessions_app/apitoken/{token.pk}/change/"
    if given == "as shown":
        given = {"expires_at": timezone.localtime(ends).strftime("%Y-%m-%dT%H:%M")}
    assert client.post(page, given).status_code == 302
    token.refresh_from_db()
    assert token.expires_at == ends


def test_a_token_s_end_can_be_moved_and_given(client: Client, viewer: User) -> None:
    client.force_login(User.objects.create_superuser("admin"))
    token = ApiToken.objects.create(user=viewer, name="a", digest="d")
    page = f"/admin/sessions_app/apitoken/{token.pk}/change/"
    client.post(page, {})
    assert ApiToken.objects.get(pk=token.pk).expires_at is None
    client.post(page, {"expires_at": "2030-01-01T08:00"})
    ends = ApiToken.objects.get(pk=token.pk).expires_at
    assert ends is not None
    assert ends.year == 2030


LONG = "1" * 4400


@pytest.mark.parametrize("minutes", [LONG, "²", "٣", "-1", "", "1e3", "15\x00", "1_5"])
def test_minutes_that_are_none_are_a_bad_request(
    client: Client, viewer: User, minutes: str
) -> None:
    client.force_login(viewer)
    assert client.get("/chart/", {"minutes": minutes}).status_code == 400


def test_nothing_in_an_address_of_the_admin_is_a_fault(client: Client, db: None) -> None:
    client.force_login(User.objects.create_superuser("admin"))
    LoginAttempts.objects.create(
        kind="pair", name="a", tries=1, since=timezone.now(), last_at=timezone.now()
    )
    app = "/admin/sessions_app"
    for page in (
        f"{app}/agentsession/?state=%00",
        f"{app}/agentsession/?q=%00",
        f"{app}/agentsession/?state__exact=%00",
        f"{app}/agentsession/?p={LONG}",
        f"{app}/agentsession/?p=²",
        f"{app}/agentsession/?o={LONG}",
        f"{app}/agentsession/?o=²",
        f"{app}/agentsession/?id__exact=x",
        f"{app}/agentsession/%00/change/",
        f"{app}/agentsession/²/change/",
        f"{app}/loginattempts/?kind__exact=%00",
        f"{app}/loginattempts/{LONG}/change/",
        f"{app}/apitoken/?%00=1",
        f"/admin/auth/user/?id__exact={LONG}",
        "/admin/auth/user/?q=%00",
        *(f"/admin/r/{n}/{id}/" for n in (*range(1, 14), LONG) for id in ("1", "x", LONG)),
    ):
        assert client.get(page).status_code < 500, page
    for chosen in ("x", "\x00", LONG, "²"):
        for model in ("agentsession", "loginattempts"):
            given = {"action": "delete_selected", "_selected_action": chosen}
            assert client.post(f"{app}/{model}/", given).status_code < 500, (model, chosen)
            given = {"action": "pause_sessions", "_selected_action": chosen}
            assert client.post(f"{app}/{model}/", given).status_code < 500, (model, chosen)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", ["Agentensitzungen: Inhalte von Sitzungen ansehen", "Agentensitzungen: Sitzungen ansehen",
                "viewers (Sitzungen ansehen, ohne Inhalte)", "operators (Sitzungen ansehen und steuern)"]),
        ("en", ["Agent sessions: See contents of sessions", "Agent sessions: See sessions",
                "viewers (see sessions, not their contents)", "operators (see and act on sessions)"]),
    ],
)  # fmt: skip
def test_rights_and_groups_are_given_in_the_readers_words(
    client: Client, nobody: User, viewer: User, language: str, words: list[str]
) -> None:
    client.force_login(User.objects.create_superuser("admin"))
    headers = {"accept-language": language}
    page = client.get(f"/admin/auth/user/{nobody.pk}/change/", headers=headers).content.decode()
    for word in words:
        assert f">{word}</option>" in page
    assert (">Can " not in page) and (": Can " not in page), "a name of the table is left"
    group = viewer.groups.get()
    page = client.get(f"/admin/auth/group/{group.pk}/change/", headers=headers).content.decode()
    assert f"selected>{words[1]}</option>" in page
    assert (">Can " not in page) and (": Can " not in page)


@pytest.mark.parametrize(("language", "word"), [("de", "„Pausieren“"), ("en", "“Pause”")])
def test_a_refused_order_names_the_missing_right(
    client: Client, viewer: User, language: str, word: str
) -> None:
    client.force_login(viewer)
    at = f"/sessions/{uuid.uuid4()}/pauses/"
    page = client.get(at, headers={"accept-language": language})
    assert page.status_code == 403
    assert word in page.content.decode()


def test_a_right_that_another_program_made_keeps_its_name(nobody: User) -> None:
    right = Permission.objects.get(codename="pause_session")
    right.codename, right.name = "export_everything", "Can export everything"
    assert right_word(right).endswith(": Can export everything")
    assert group_word(Group(name="Lehrkräfte")) == "Lehrkräfte"


def test_every_ready_group_says_what_it_is_for() -> None:
    assert GROUP_LABELS.keys() == permissions.GROUPS.keys()
