"""SQL and the rule for a single row find the same sessions, and the counts agree with both."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.http import QueryDict

from agent_sessions import AgentSession
from sessions_app import actions
from sessions_app.listed_states import LISTED_STATES
from sessions_app.manager_portal import call
from sessions_app.models import AgentSession as Stored
from sessions_app.selectors.facet_counts import counts
from sessions_app.selectors.filters import BEGINNING, ListFilter
from sessions_app.selectors.rows import load_rows
from tests.support.access import FULL

Make = Callable[..., AgentSession]


@pytest.fixture
def sessions(make_session: Make) -> list[str]:
    made = [
        make_session("grader", user_id="maria", checkpoints=("essay_marked",)),
        make_session("tutor", user_id="jonas", silent=50),
        make_session("grader", user_id="", silent=500),
        make_session("alert", stuck=5000),
        make_session("tutor", user_id="100%_sure"),
        make_session("grader", user_id="Maria-Luise", checkpoints=("essay_marked", "rubric")),
        make_session("quality-judge"),
    ]
    ids = [session.session_id for session in made]
    actions.perform("pause", ids[4], actor="olga", reason="wait")
    actions.perform("fail", ids[5], actor="olga", reason="broken")
    actions.perform("delete", ids[6], actor="olga", reason="test")
    return ids


QUERIES = [
    "",
    "state=active",
    "state=active&state=paused&type=grader",
    "state=late",
    "state=lost",
    "state=no_progress",
    "state=pausing",
    "state=deleted",
    "state=late&state=active&type=tutor",
    "q=late+lost",
    "q=agent:grader+state:failed",
    "q=user:mar",
    "user=jonas",
    "q=maria",
    "q=essay_marked",
    "q=checkpoint:rub",
    "q=100%25_",
    "q=nothing-like-this",
    "q=colour:red",
    "type=%00&user=%00",
]


@pytest.mark.parametrize("query", QUERIES)
def test_the_page_and_the_feed_agree_on_who_is_in_the_list(sessions: list[str], query: str) -> None:
    wanted = ListFilter.from_query(query, FULL)
    in_sql = {str(id) for id in wanted.queryset(Stored.objects.all()).values_list("id", flat=True)}
    rows = load_rows([UUID(id) for id in sessions])
    certain = {str(row.id) for row in rows if wanted.matches(row)}
    possible = {str(row.id) for row in rows if wanted.matches(row, shown=True)}
    assert certain <= in_sql <= possible
    if not {"text", "checkpoint"} & {group.key for group in wanted.groups}:
        assert certain == possible


@pytest.mark.parametrize("name", ["active", "pausing", "paused", "completed", "failed", "deleted"])
def test_the_counts_equal_what_the_filter_finds(sessions: list[str], name: str) -> None:
    agrees_with_the_filter(name)


@pytest.mark.parametrize("name", ["late", "lost", "no_progress"])
def test_the_conditions_counts_equal_what_the_filter_finds(sessions: list[str], name: str) -> None:
    agrees_with_the_filter(name)


def test_a_session_counts_as_paused_only_once_its_agent_has_confirmed(sessions: list[str]) -> None:
    confirmed = ids_in("state=paused")
    assert ids_in("state=pausing") == {sessions[4]}
    assert sessions[4] not in confirmed
    version = Stored.objects.get(id=sessions[4]).order_version
    call(lambda manager: manager.acknowledge(sessions[4], version))
    assert ids_in("state=paused") == confirmed | {sessions[4]}
    assert ids_in("state=pausing") == set()


def test_every_session_outside_the_trash_counts_in_one_state(sessions: list[str]) -> None:
    facets = counts().facets(ListFilter.from_query("", FULL))
    assert sum(facets.states[name] for name in LISTED_STATES if name != "deleted") == facets.total


def ids_in(query: str) -> set[str]:
    found = ListFilter.from_query(query, FULL).queryset(Stored.objects.all())
    return {str(id) for id in found.values_list("id", flat=True)}


def agrees_with_the_filter(name: str) -> None:
    everything = ListFilter.from_query("", FULL)
    found = ListFilter.from_query(f"state={name}", FULL).queryset(Stored.objects.all()).count()
    assert counts().facets(everything).states[name] == found


def test_a_chosen_type_narrows_the_states_but_not_the_types(sessions: list[str]) -> None:
    facets = counts().facets(ListFilter.from_query("type=grader", FULL))
    assert facets.states["active"] == 2
    assert facets.types["tutor"] == 2
    assert facets.total == 3


def test_what_was_found_by_text_stays_found_while_it_is_shown(sessions: list[str]) -> None:
    wanted = ListFilter.from_query("q=essay_marked", FULL)
    (row,) = load_rows([UUID(sessions[5])])
    assert row.checkpoint_name == "session_failed"
    assert wanted.matches(row, shown=True)


def test_ids_are_found_by_how_they_begin(sessions: list[str]) -> None:
    wanted = ListFilter.from_query(QueryDict(f"q=id:{sessions[0][:10]}"), FULL)
    found = wanted.queryset(Stored.objects.all()).values_list("id", flat=True)
    assert [str(id) for id in found] == [sessions[0]]


NOT_UNDERSTOOD = [
    "state=nope",
    "state=",
    "state=active&state=nope",
    "state=act%00ive",
    "state=nope&q=maria",
    "state=nope&q=checkpoint:rub",
    "type=%00",
    "type=grader&type=%00",
    "type=",
    "user=%00",
    "user=",
    "user=&user=maria",
    "q=%00",
    "q=grader%00",
    "q=state:%22%22",
    "q=maria+agent:%22+%22",
    "q=state:nope&q=maria",
    "sort=name",
    "sort=",
]


@pytest.mark.parametrize("query", NOT_UNDERSTOOD)
def test_a_value_that_is_not_understood_never_widens_the_list(
    sessions: list[str], query: str
) -> None:
    wanted = ListFilter.from_query(query, FULL)
    stored = Stored.objects.all()
    assert not wanted.queryset(stored).exists()
    assert not wanted.since(stored, BEGINNING).exists()
    assert not any(wanted.matches(row) for row in load_rows([UUID(id) for id in sessions]))


def test_two_searches_in_one_address_both_count(sessions: list[str]) -> None:
    assert ids_in("q=agent:grader&q=user:maria") == {sessions[0]}


def test_a_percent_sign_is_a_sign_and_no_wildcard(sessions: list[str]) -> None:
    wanted = ListFilter.from_query("q=100%25_", FULL)
    assert wanted.queryset(Stored.objects.all()).count() == 1
