"""Searching inside context, metadata and checkpoints, with bounds; completions of the search box."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL
from django.test import Client
from django.utils import translation

from agent_sessions import AgentSession
from sessions_app.models import AgentSession as Stored
from sessions_app.selectors import filters
from sessions_app.selectors.filters import ListFilter
from sessions_app.selectors.search import parse, seconds
from sessions_app.selectors.suggestions import suggest
from sessions_app.views import listing
from tests.support.access import FULL

Make = Callable[..., AgentSession]


def found(query: str) -> set[str]:
    wanted = ListFilter.from_query(query, FULL)
    assert wanted.errors == ()
    ids = wanted.queryset(Stored.objects.all()).values_list("id", flat=True)
    return {str(id) for id in ids}


@pytest.fixture
def made(make_session: Make) -> AgentSession:
    session = make_session(
        "grader",
        context={
            "class": "7b Deutsch",
            "deep": {"list": ["a", "b"], "n": 7},
            "done": True,
            "Ö": "ä",
        },
        checkpoints=("essay_marked",),
    )
    Stored.objects.filter(id=session.session_id).update(metadata={"worker": "grader-1"})
    make_session("tutor", context={"class": "8a"})
    return session


@pytest.mark.parametrize(
    "term",
    [
        "context.class:7b",
        "context.class:7B",
        'context.class:"7b Deutsch"',
        "context.deep.list:b",
        "context.deep.n:7",
        "context.deep.list.1:b",
        "context.done:true",
        "context.Ö:ä",
        "metadata.worker:grader-1",
        "checkpoint:essay",
        '"7b Deutsch"',
        "grader-1",
        "context.class:7b context.deep.n:7",
        "context.class:7b context.class:9c",
    ],
)
def test_what_is_inside_is_found(made: AgentSession, term: str) -> None:
    from urllib.parse import quote

    assert found(f"q={quote(term)}") == {made.session_id}


@pytest.mark.parametrize(
    "term",
    [
        "context.class:b",
        "context.nothing:x",
        "metadata.class:7b",
        "context.class:7b context.deep.n:8",
    ],
)
def test_what_is_not_there_is_not_found(made: AgentSession, term: str) -> None:
    assert found(f"q={term.replace(' ', '+')}") == set()


def test_quotes_and_wildcards_are_only_signs(make_session: Make) -> None:
    odd = make_session(context={"a'b": "100%_'"})
    make_session(context={"a'b": "1000x'"})
    assert found("q=context.a'b:100%25_") == {odd.session_id}


def test_older_is_the_age_since_the_start(make_session: Make) -> None:
    old, _young = make_session(), make_session()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agent_sessions SET created_at = now() - interval '3 h' WHERE id = %s",
            [old.session_id],
        )
    assert found("q=older:2h") == {old.session_id}
    assert found("q=older:1d") == set()
    assert [seconds(span) for span in ("30m", "2h", "3D", "1w")] == [1800, 7200, 259200, 604800]


@pytest.mark.parametrize("text", ["older:soon", "older:2", "older:h", "older:-2h"])
def test_a_span_that_is_none_is_explained(text: str) -> None:
    with translation.override("en"):
        (error,) = parse(text).errors
    assert "older:2h" in error


def test_only_the_newest_are_searched_and_the_page_says_so(
    client: Client, viewer: Any, make_session: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_session(context={"class": "7b"})
    new = [make_session(context={"class": "7b"}) for _ in range(2)]
    client.force_login(viewer)

    def page(query: str) -> str:
        return client.get(f"/?{query}").content.decode()

    assert 'id="limited"' not in page("q=context.class:7b")
    monkeypatch.setattr(listing, "NEAR", 1)
    near = page("q=context.class:7b")
    assert (new[1].session_id in near) and (old.session_id not in near)
    assert 'id="limited"' in near
    assert 'href="?q=context.class%3A7b&amp;further=1"' in near
    nothing = page("q=context.class:9z")
    assert ("Keine Sitzung gefunden" not in nothing) and (
        "Ältere Sitzungen wurden nicht" in nothing
    )
    assert "Keine Sitzung gefunden" in page("q=context.class:9z&further=1")
    further = page("q=context.class:7b&further=1")
    assert (old.session_id in further) and ('id="limited"' not in further)
    monkeypatch.setattr(listing, "FURTHER", 2)
    further = page("q=context.class:7b&further=1")
    assert (old.session_id not in further) and ('id="limited"' in further)
    assert 'id="further"' not in further
    assert 'id="limited"' not in page("state=active")


def test_a_search_that_takes_too_long_is_ended_and_the_page_says_so(
    client: Client, viewer: Any, make_session: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_session()
    client.force_login(viewer)
    monkeypatch.setattr(listing, "PATIENCE_MS", 50)
    slow = RawSQL("(SELECT true FROM pg_sleep(30) AS slept)", (), output_field=BooleanField())
    monkeypatch.setattr(filters, "json_contains_q", lambda value: Q(slow))
    page = client.get("/?q=anything", headers={"accept-language": "en"}).content.decode()
    assert "This search takes too long." in page
    assert client.get("/").status_code == 200


def test_programs_and_views_search_as_far_as_anybody_can(
    make_session: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = [make_session(context={"class": "7b"}) for _ in range(2)]
    monkeypatch.setattr(listing, "NEAR", 1)
    assert found("q=context.class:7b") == {old.session_id, new.session_id}
    monkeypatch.setattr(filters, "SEARCHED", 1)
    assert found("q=context.class:7b") == {new.session_id}


def test_what_the_other_terms_leave_is_searched_further_back(
    make_session: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_session("tutor", context={"class": "7b"})
    for _ in range(3):
        make_session("grader")
    monkeypatch.setattr(filters, "SEARCHED", 1)
    assert found("q=agent:tutor+context.class:7b") == {old.session_id}


def texts(word: str) -> list[str]:
    return [suggestion.text for suggestion in suggest(word, FULL)]


def test_keys_and_conditions_are_completed(db: None) -> None:
    with translation.override("en"):
        assert texts("st") == ["state:"]
        assert "context." in texts("co")
        assert texts("no-p") == ["no-progress"]
        assert {"state:", "agent:", "older:"} <= set(texts(""))


def test_keys_and_conditions_are_completed_in_the_readers_words(db: None) -> None:
    with translation.override("de"):
        assert texts("st") == ["status:"]
        assert texts("ko") == ["konto:", "kontext."]
        assert texts("ohne") == ["ohne-fortschritt"]
        assert {"status:", "agent:", "älter:"} <= set(texts(""))
        assert texts("state") == ["state:"], "who knows the English words may go on with them"


def test_values_come_in_the_language_of_their_key(made: AgentSession) -> None:
    for language in ("de", "en"):
        with translation.override(language):
            assert texts("status:pa") == ["status:pausiert"]
            assert texts("state:no") == ["state:no-progress"]
            assert texts("konto:m") == ["konto:maria"]
            assert texts("kontext.cl") == ["kontext.class:"]
            assert texts("kontext.class:7") == ['kontext.class:"7b Deutsch"']
            assert texts("metadaten.worker:") == ["metadaten.worker:grader-1"]
            assert texts("zwischenstand:essay") == ["zwischenstand:essay_marked"]


def test_values_are_completed_from_what_is_there(made: AgentSession) -> None:
    assert texts("state:pa") == ["state:pausing", "state:paused"]
    assert texts("agent:g") == ["agent:grader"]
    assert texts("user:m") == ["user:maria"]
    assert texts("checkpoint:essay") == ["checkpoint:essay_marked"]
    assert texts("context.cl") == ["context.class:"]
    assert texts("context.deep.") == ["context.deep.n:", "context.deep.list:"] or set(
        texts("context.deep.")
    ) == {"context.deep.n:", "context.deep.list:"}
    assert texts("context.class:7") == ['context.class:"7b Deutsch"']
    assert texts("metadata.worker:") == ["metadata.worker:grader-1"]


@pytest.mark.parametrize(
    "word", ["nonsense:x", "context..:x", "context.", '"', ":", "context.a:\x00", "x" * 999]
)
def test_nonsense_is_completed_by_nothing_and_breaks_nothing(made: AgentSession, word: str) -> None:
    suggest(word, FULL)


def test_completions_are_for_who_may_look(client: Client, nobody: Any, viewer: Any) -> None:
    client.force_login(nobody)
    assert client.get("/completions/?word=st").status_code == 403
    client.force_login(viewer)
    assert client.get("/completions/?word=st").json()["suggestions"][0]["text"] == "status:"
