"""Who is limited to agent types sees, counts, finds and orders nothing of other ones, anywhere."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from agent_sessions import AgentSession
from sessions_app import actions
from sessions_app.accounts.models import AgentTypeLimit
from sessions_app.api import tokens
from sessions_app.auth_backends import with_permissions
from sessions_app.bulk import planning
from sessions_app.bulk.models import BulkItem, BulkJob
from sessions_app.bulk.worker import apply_item, owner_access
from sessions_app.models import AgentSession as Stored
from sessions_app.permissions import Access, access_of
from sessions_app.saved_views.models import SavedView
from sessions_app.saved_views.queries import view_counts
from sessions_app.selectors.activity import chart
from sessions_app.selectors.facet_counts import counts
from sessions_app.selectors.filters import ListFilter
from sessions_app.selectors.rows import load_rows
from tests.app.pages.conftest import make_session
from tests.app.pages.test_session_panels import talk

from .test_access_matrix import TABLE, path_of

__all__ = ["make_session"]
TYPE, USER, NAME = "quality-judge", "amrei.huber", "verdict_written"


@pytest.fixture
def other(make_session: Any) -> AgentSession:
    """A session of an agent type that the limited person does not see."""
    made: AgentSession = make_session(
        TYPE, user_id=USER, checkpoints=(NAME,), context={"pupil": USER}
    )
    actions.perform("pause", made.session_id, actor="viktor", reason=USER)
    return made


@pytest.fixture
def own(make_session: Any) -> AgentSession:
    made: AgentSession = make_session("tutor", user_id="jonas", checkpoints=("turn",))
    return made


@pytest.fixture
def limited(operator: User) -> User:
    AgentTypeLimit.objects.create(user=operator, agent_types=["tutor", "grader"])
    return operator


def texts(user: User, told: dict[str, str]) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    found = {}
    for row in TABLE:
        # the administration repeats the asked id in a message on the next page
        if row.body is None and not row.address.startswith(("admin/", "metrics")):
            response: Any = client.get(path_of(row, told))
            body = b"".join(response) if response.streaming else response.content
            found[row.address] = body.decode()
    for path in (f"/?q={NAME}", f"/?q={USER}", f"/?type={TYPE}", "/completions/?word=agent:",
                 "/completions/?word=user:", "/completions/?word=checkpoint:", "/completions/?word=context.pu",
                 "/chart/?by=type", "/admin/sessions_app/agentsession/?q=" + USER):  # fmt: skip
        found[path] = (
            client.get(path)
            .content.decode()
            .replace(f'value="{NAME}"', "")
            .replace(f'value="{USER}"', "")
        )
    return found


def names(text: str, other: AgentSession, at: str) -> bool:
    """Whether it tells of the other session more than was asked for."""
    words = {TYPE, NAME, other.session_id} - {at.partition("=")[2]}
    return any(word in text.replace(f"type={TYPE}", "") for word in words)


def test_no_address_names_a_session_of_another_agent_type(
    other: AgentSession, own: AgentSession, operator: User, viewer: User
) -> None:
    view = SavedView.objects.create(owner=viewer, name="a", query="", shared=True)
    job = BulkJob.objects.create(
        id=uuid.uuid4(), owner=viewer, verb="pause", state=BulkJob.State.DONE, actor="viktor"
    )
    BulkItem.objects.create(job=job, n=1, session_id=other.session_id, agent_type=TYPE, version=1)
    told = {
        "<uuid:id>": other.session_id, "<uuidstr:id>": other.session_id, "<int:id>": str(view.pk),
        "<job>": str(job.pk), "<part:part>": "context", "<format>": "json",
        "<path:object_id>": other.session_id,
    }  # fmt: skip
    words = (TYPE, f"{USER}<", f'"{USER}"', NAME)
    seen = {at for at, text in texts(operator, told).items() if any(w in text for w in words)}
    assert {"", "bulk/<uuid:id>/", "api/history.<format>", "/completions/?word=agent:"} <= seen
    assert len(seen) >= 20, seen
    AgentTypeLimit.objects.create(user=operator, agent_types=["tutor"])
    told_now = texts(User.objects.get(pk=operator.pk), told)
    wrong = {at for at, text in told_now.items() if names(text, other, at)}
    assert wrong == set()
    assert own.session_id in told_now[""]


def test_the_token_of_a_limited_person_is_limited(
    other: AgentSession, own: AgentSession, limited: User
) -> None:
    headers = {"Authorization": f"Bearer {tokens.make(limited, 'all')}"}
    items = Client().get("/api/sessions", headers=headers).json()["items"]
    assert [item["id"] for item in items] == [own.session_id]
    assert Client().get(f"/api/sessions/{other.session_id}", headers=headers).status_code == 404
    pause = Client().post(
        f"/api/sessions/{other.session_id}/resumes",
        {},
        content_type="application/json",
        headers=headers,
    )
    assert pause.status_code == 404
    assert Stored.objects.get(pk=other.session_id).state == "paused"


def test_counts_are_of_what_is_shown(
    other: AgentSession, own: AgentSession, limited: User, viewer: User
) -> None:
    access = access_of(limited)
    facets = counts().facets(ListFilter.from_query("", access))
    assert (facets.total, facets.types, facets.states["pausing"]) == (1, {"tutor": 1}, 0)
    every = SavedView.objects.create(owner=viewer, name="every", query="")
    deep = SavedView.objects.create(owner=viewer, name="deep", query=f"q={USER}")
    found = view_counts([every, deep], counts(), access)
    assert (found[every.pk].n, found[deep.pk].n) == (1, 0)
    whole = view_counts([every, deep], counts(), access_of(viewer))
    assert (whole[every.pk].n, whole[deep.pk].n) == (2, 1), (
        "counts of others are not cached for all"
    )


def test_the_chart_counts_the_own_agent_types_alone(
    other: AgentSession, own: AgentSession, limited: User, viewer: User
) -> None:
    now = timezone.now()
    limited_chart, whole = (chart(5, "type", now, access_of(user)) for user in (limited, viewer))
    assert [series.key for series in limited_chart.series] == ["tutor"]
    assert [series.key for series in whole.series] == [TYPE, "tutor"]
    assert limited_chart.beats is None
    assert whole.beats is not None


def test_a_row_and_its_query_agree(other: AgentSession, own: AgentSession) -> None:
    for types in (None, frozenset({"tutor"}), frozenset({TYPE, "tutor"}), frozenset[str]()):
        access = Access(frozenset({"view_agentsession"}), types)
        wanted = ListFilter.from_query("", access)
        in_sql = {
            str(id) for id in wanted.queryset(Stored.objects.all()).values_list("id", flat=True)
        }
        rows = load_rows([uuid.UUID(s.session_id) for s in (other, own)])
        assert in_sql == {str(row.id) for row in rows if wanted.matches(row)}


def test_a_bulk_order_takes_only_visible_sessions(
    other: AgentSession, own: AgentSession, limited: User
) -> None:
    ids: dict[uuid.UUID, int | None] = {
        uuid.UUID(other.session_id): 1,
        uuid.UUID(own.session_id): 1,
    }
    for job in (
        planning.plan_ticked("pause", ids, limited),
        planning.plan_matching("pause", "", limited),
    ):
        assert [str(item.session_id) for item in job.items.all()] == [own.session_id]


def test_a_bulk_order_of_somebody_limited_meanwhile_gives_no_order_beyond_the_limit(
    make_session: Any, operator: User
) -> None:
    made = make_session(TYPE)
    job = planning.plan_matching("pause", "", operator)
    AgentTypeLimit.objects.create(user=operator, agent_types=["tutor"])
    item = apply_item(job, job.items.get(), owner_access(job))
    assert (item.outcome, item.problem) == ("failed", "hidden")
    assert Stored.objects.get(pk=made.session_id).state == "active"


GROUP_LIMITS: list[Any] = [
    # own limit, limits of the groups (None: a group without one) -> types
    (None, [], None),
    (None, [None], None),
    (None, [["a"]], {"a"}),
    (None, [["a"], ["b", "c"]], {"a", "b", "c"}),
    (None, [["a"], None], None),
    (["x"], [["a"]], {"x"}),
    (["x"], [None], {"x"}),
]


@pytest.mark.parametrize(("own_limit", "groups", "expected"), GROUP_LIMITS)
def test_limits_of_groups_add_up_and_an_own_one_counts_instead(
    nobody: User, own_limit: Any, groups: list[Any], expected: Any
) -> None:
    for n, types in enumerate(groups):
        group = Group.objects.create(name=f"group {n}")
        nobody.groups.add(group)
        if types is not None:
            AgentTypeLimit.objects.create(group=group, agent_types=types)
    if own_limit is not None:
        AgentTypeLimit.objects.create(user=nobody, agent_types=own_limit)
    [loaded] = with_permissions(User.objects.filter(pk=nobody.pk))
    wanted = None if expected is None else frozenset(expected)
    assert access_of(User.objects.get(pk=nobody.pk)).types == wanted
    assert access_of(loaded).types == wanted


def test_a_superuser_is_not_limited(admin_user: User) -> None:
    AgentTypeLimit.objects.create(user=admin_user, agent_types=["tutor"])
    assert access_of(admin_user).types is None


def test_a_limit_is_of_a_user_or_of_a_group(nobody: User) -> None:
    group = Group.objects.create(name="x")
    for owners in ({}, {"user": nobody, "group": group}):
        with pytest.raises(IntegrityError), transaction.atomic():
            AgentTypeLimit.objects.create(agent_types=["a"], **owners)


def test_an_administrator_gives_and_takes_a_limit(admin_client: Client, nobody: User) -> None:
    group = Group.objects.create(name="Deutsch")
    at = f"/admin/auth/group/{group.pk}/change/"
    assert (
        "Only sessions of these"
        in admin_client.get(at, headers={"accept-language": "en"}).content.decode()
    )
    form = {
        "name": "Deutsch", "agenttypelimit-TOTAL_FORMS": "1", "agenttypelimit-INITIAL_FORMS": "0",
        "agenttypelimit-0-agent_types": "tutor, grader", "agenttypelimit-0-group": str(group.pk),
    }  # fmt: skip
    assert admin_client.post(at, form).status_code == 302
    limit = AgentTypeLimit.objects.get(group=group)
    assert limit.agent_types == ["tutor", "grader"]
    form |= {
        "agenttypelimit-INITIAL_FORMS": "1", "agenttypelimit-0-id": str(limit.pk),
        "agenttypelimit-0-DELETE": "on",
    }  # fmt: skip
    assert admin_client.post(at, form).status_code == 302
    assert not AgentTypeLimit.objects.exists()


def test_the_account_menu_says_that_the_view_is_limited(client: Client, limited: User) -> None:
    client.force_login(limited)
    page = client.get("/", headers={"accept-language": "en"}).content.decode()
    assert "only agent types: " in page
    assert "grader, tutor" in page


def test_the_conversation_of_another_session_is_not_read_through_metadata(
    other: AgentSession, own: AgentSession, limited: User
) -> None:
    talk(other.session_id, (f"Wie steht {USER}?", "gut"))
    talk(own.session_id, ("Und Jonas?", "auch gut"))
    actions.perform(
        "edit",
        own.session_id,
        actor="olga",
        reason="x",
        metadata={"conversation_id": other.session_id},
    )
    client = Client()
    client.force_login(limited)
    for path in ("", "conversation/"):
        page = client.get(f"/sessions/{own.session_id}/{path}").content.decode()
        assert USER not in page
        assert "Und Jonas?" in page


def test_an_own_bulk_order_with_sessions_beyond_a_later_limit_is_not_shown(
    other: AgentSession, own: AgentSession, operator: User
) -> None:
    whole, part = (
        planning.plan_matching("resume", query, operator) for query in ("", "type=tutor")
    )
    BulkJob.objects.update(state=BulkJob.State.DONE)
    AgentTypeLimit.objects.create(user=operator, agent_types=["tutor"])
    client = Client()
    client.force_login(operator)
    assert client.get(f"/bulk/{whole.pk}/").status_code == 404
    assert client.get(f"/bulk/{part.pk}/").status_code == 200
    assert str(whole.pk) not in client.get("/bulk/").content.decode()
    assert client.post(f"/bulk/{whole.pk}/undos/").status_code == 404
