"""The session page, and orders given from it."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.test import Client

from agent_sessions import AgentSession
from sessions_app import actions, manager_portal
from sessions_app.models import AgentSession as Stored
from sessions_app.models import HistoryEntry

from .test_list import Rows

Make = Callable[..., AgentSession]
FETCH = {"X-Requested-With": "fetch", "Accept-Language": "en"}
ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def look(client: Client, viewer: Any) -> Client:
    client.force_login(viewer)
    return client


@pytest.fixture
def act(client: Client, operator: Any) -> Client:
    client.force_login(operator)
    return client


def text(response: Any) -> str:
    return str(response.content.decode())


def page_of(client: Client, made: AgentSession, tail: str = "") -> str:
    response = client.get(f"/sessions/{made.session_id}/{tail}", headers=ENGLISH)
    assert response.status_code == 200
    return text(response)


def order(client: Client, made: AgentSession, noun: str, **more: Any) -> Any:
    data = {"request_id": str(uuid.uuid4()), "seen_version": made.version, "reason": "test", **more}
    return client.post(f"/sessions/{made.session_id}/{noun}/", data, headers=FETCH)


def stored(made: AgentSession) -> Stored:
    return Stored.objects.get(id=made.session_id)


@pytest.fixture
def read_only(db: None) -> Iterator[Callable[[], None]]:
    """Calling it makes new connections read-only, and the manager open new ones."""

    def change(what: str) -> None:
        manager_portal.portal.close()
        with psycopg.connect(settings.DATABASE_URL, autocommit=True) as own:
            own.execute("SET default_transaction_read_only = off")
            own.execute(f"ALTER DATABASE {own.info.dbname} {what}".encode())

    yield lambda: change("SET default_transaction_read_only = on")
    change("RESET default_transaction_read_only")


def test_the_page_shows_facts_checkpoints_context_and_history(
    look: Client, make_session: Make
) -> None:
    made = make_session(
        context={"class": "7b", "grades": [{"essay": "e1"}]}, checkpoints=("marked",)
    )
    page = page_of(look, made)
    for expected in ("7b", "grades", "e1", "marked", made.session_id, "Created", "Checkpoint"):
        assert expected in page
    assert Rows(page).inline == []


def test_the_page_needs_few_queries_however_much_happened(
    look: Client, make_session: Make, django_assert_max_num_queries: Any
) -> None:
    made = make_session(checkpoints=tuple(f"step{n}" for n in range(30)))
    with django_assert_max_num_queries(9):
        page_of(look, made)


def test_a_viewer_sees_no_orders_and_may_give_none(look: Client, make_session: Make) -> None:
    made = make_session(checkpoints=("marked",))
    page = page_of(look, made)
    assert "data-dialog" not in page
    assert "/pauses/" not in page
    assert order(look, made, "pauses").status_code == 403
    assert look.get(f"/sessions/{made.session_id}/rollbacks/new/?checkpoint=2").status_code == 403
    assert look.post("/bulk/", {"verb": "pause", "id": made.session_id}).status_code == 403
    assert stored(made).state == "active"


def test_what_is_not_possible_says_why(act: Client, make_session: Make) -> None:
    made = make_session()
    actions.perform("fail", made.session_id, actor="olga", reason="stuck in a loop")
    page = page_of(act, made)
    assert "The session has failed; only rolling back leads on from there." in page
    assert "stuck in a loop" in page


def test_an_open_order_is_never_shown_as_obeyed(act: Client, make_session: Make) -> None:
    made = make_session()
    order(act, made, "pauses", reason="check the rubric")
    page = page_of(act, made)
    assert "Pausing" in page
    assert "not yet confirmed" in page
    assert "check the rubric" in page
    ordered = stored(made).order_version
    manager_portal.call(lambda m: m.acknowledge(made.session_id, ordered))
    page = page_of(act, made)
    assert "not yet confirmed" not in page
    assert "Confirmed by the agent:" in page


@pytest.mark.parametrize(
    ("noun", "state"),
    [
        ("pauses", "paused"),
        ("completions", "completed"),
        ("failures", "failed"),
        ("deletions", "deleted"),
    ],
)
def test_each_order_has_a_page_of_its_own_and_does_what_it_says(
    act: Client, make_session: Make, noun: str, state: str
) -> None:
    made = make_session()
    assert "Cancel" in page_of(act, made, f"{noun}/")
    response = order(act, made, noun)
    assert response.status_code == 200
    assert response.json()["ids"] == [made.session_id]
    assert stored(made).state == state
    last = HistoryEntry.objects.filter(session_id=made.session_id, kind="order").latest("version")
    assert (last.actor, last.reason, last.source) == ("olga", "test", "page")


def test_a_deleted_session_can_be_restored(act: Client, make_session: Make) -> None:
    made = make_session()
    order(act, made, "deletions")
    assert "Restore" in page_of(act, made)
    assert order(act, made, "restorations", seen_version="").status_code == 200
    assert stored(made).state == "active"


def test_a_double_click_is_one_order(act: Client, make_session: Make) -> None:
    made = make_session()
    same = {"request_id": str(uuid.uuid4())}
    first, second = (order(act, made, "pauses", **same) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    orders = HistoryEntry.objects.filter(session_id=made.session_id, kind="order")
    assert orders.count() == 1


@pytest.mark.parametrize("noun", ["failures", "deletions"])
def test_what_cannot_be_undone_needs_a_reason(act: Client, make_session: Make, noun: str) -> None:
    made = make_session()
    response = order(act, made, noun, reason="  ")
    assert response.status_code == 422
    assert "reason" in text(response)
    assert stored(made).state == "active"


def test_a_conflict_says_who_changed_it_and_asks_again(act: Client, make_session: Make) -> None:
    made = make_session()
    actions.perform("pause", made.session_id, actor="viktoria", reason="lunch")
    response = order(act, made, "failures", reason="still broken")
    page = text(response)
    assert response.status_code == 409
    assert "Changed meanwhile by <bdi>viktoria</bdi>" in page
    assert "lunch" in page
    assert "still broken" in page
    assert f'name="seen_version" value="{stored(made).version}"' in page
    assert stored(made).state == "paused"


@pytest.mark.django_db(transaction=True)
def test_an_order_that_the_database_could_not_take_is_no_conflict(
    act: Client, make_session: Make, read_only: Callable[[], None]
) -> None:
    made = make_session()
    read_only()
    response = order(act, made, "pauses")
    assert response.status_code == 503
    assert "data-order-form" in text(response)
    assert stored(made).state == "active"


def test_a_conflict_names_who_decided_and_not_who_wrote_since(
    act: Client, make_session: Make
) -> None:
    made = make_session()
    actions.perform("pause", made.session_id, actor="viktoria", reason="lunch")
    actions.perform("resume", made.session_id, actor="viktor", reason="lunch is over")
    actions.perform("edit", made.session_id, actor="otto", reason="typo", context={"rubric": 2})

    async def marks(manager: Any) -> None:
        session = await manager.read(made.session_id)
        session.checkpoint("essay_marked")
        await manager.update_session(session)

    manager_portal.call(marks)
    page = text(order(act, made, "failures", reason="still broken"))
    assert "Changed meanwhile by <bdi>viktor</bdi>" in page
    assert "lunch is over" in page
    for other in ("viktoria", "otto"):
        assert f"Changed meanwhile by <bdi>{other}</bdi>" not in page


def test_an_impossible_order_is_refused_and_explained(act: Client, make_session: Make) -> None:
    made = make_session()
    response = order(act, made, "resumes", seen_version="")
    assert response.status_code == 200
    assert "Nothing changed" in response.json()["message"]
    actions.perform("complete", made.session_id, actor="x")
    response = order(act, made, "pauses", seen_version="")
    assert response.status_code == 409
    assert "not possible" in text(response)


def test_the_rollback_page_shows_what_would_change_and_what_falls_after(
    act: Client, make_session: Make
) -> None:
    made = make_session(context={"keep": 1}, checkpoints=("first", "second", "third"))
    page = page_of(act, made, "rollbacks/new/?checkpoint=2")
    assert "The session goes back to checkpoint 2" in page
    assert "step" in page
    assert "2 checkpoints fall after it" in page
    assert "is not undone" in page
    response = order(act, made, "rollbacks", checkpoint=2, reason="wrong rubric")
    assert response.status_code == 200
    assert stored(made).context == {"keep": 1, "step": 1}
    page = page_of(act, made)
    assert "Rolled back" in page
    assert "wrong rubric" in page


def test_the_rollback_page_counts_every_checkpoint_that_falls_after(
    act: Client, make_session: Make
) -> None:
    made = make_session()

    async def store(manager: Any) -> None:
        session = await manager.get_session(made.session_id)
        for _ in range(1487):
            session.checkpoint("marked", {})
        await manager.update_session(session)

    manager_portal.call(store)
    for target, words in ((3, "1,485 checkpoints"), (300, "1,188 checkpoints")):
        assert f"{words} fall after it" in page_of(act, made, f"rollbacks/new/?checkpoint={target}")
    assert "1 checkpoint falls after it" in page_of(act, made, "rollbacks/new/?checkpoint=1487")


def test_a_checkpoint_without_captured_context_says_that_the_context_stays(
    act: Client, make_session: Make
) -> None:
    from django.db import connection

    made = make_session(checkpoints=("old",))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE agent_session_checkpoints SET context_version = NULL WHERE n = 2")
    assert "without context" in page_of(act, made)


@pytest.mark.parametrize("checkpoint", ["", "x", "99", "-1", "9" * 30])
def test_a_checkpoint_that_is_not_there_is_not_found(
    act: Client, make_session: Make, checkpoint: str
) -> None:
    made = make_session()
    address = f"/sessions/{made.session_id}/rollbacks/new/"
    assert act.get(address, {"checkpoint": checkpoint}).status_code == 404


def test_without_scripting_an_order_leads_back_to_the_session(
    act: Client, make_session: Make
) -> None:
    made = make_session()
    response = act.post(f"/sessions/{made.session_id}/pauses/", {"reason": ""}, follow=True)
    assert response.redirect_chain == [(f"/sessions/{made.session_id}/", 302)]
    assert "Pause veranlasst." in text(response)


def test_hostile_texts_of_agents_and_people_are_shown_as_texts(
    act: Client, make_session: Make
) -> None:
    evil = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    made = make_session(context={evil: {evil: evil}, "list": [evil] * 3}, checkpoints=(evil,))
    order(act, made, "pauses", reason=evil)
    for tail in ("", "panels/", "rollbacks/new/?checkpoint=2", "context/"):
        page = page_of(act, made, tail)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert Rows(page).inline == []


def test_a_megabyte_of_context_stays_a_small_page(look: Client, make_session: Make) -> None:
    made = make_session(context={f"k{i}": {"text": "x" * 300} for i in range(3000)})
    page = page_of(look, made)
    assert len(page) < 200_000
    branch = page_of(look, made, "context/?path=%5B%5D&start=2900")
    assert "k2900" in branch


def test_a_branch_or_a_long_text_of_the_context_can_be_read_alone(
    look: Client, make_session: Make
) -> None:
    made = make_session(context={"essay": "ö" * 900, "deep": {"a": {"b": [1]}}})
    response = look.get(f"/sessions/{made.session_id}/context/", {"path": '["essay"]'})
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert text(response) == "ö" * 900
    assert "b" in page_of(look, made, "context/?path=%5B%22deep%22%2C%22a%22%5D")
    missing = look.get(f"/sessions/{made.session_id}/context/", {"path": '["no"]'})
    assert missing.status_code == 404


def test_a_session_that_does_not_exist_is_not_found(look: Client, db: None) -> None:
    for tail in ("", "panels/", "context/"):
        assert look.get(f"/sessions/{uuid.uuid4()}/{tail}").status_code == 404


def test_an_unknown_order_is_not_found(act: Client, make_session: Make) -> None:
    assert order(act, make_session(), "explosions").status_code == 404


def test_what_was_long_ago_is_a_page_further_and_can_still_be_gone_back_to(
    act: Client, make_session: Make
) -> None:
    made = make_session(checkpoints=tuple(f"step {n}" for n in range(2, 32)))
    newest = page_of(act, made)
    assert [f'id="checkpoint-{n}"' in newest for n in (31, 7, 6)] == [True, True, False]
    older = page_of(act, made, "?checkpoints=7")
    assert [f'id="checkpoint-{n}"' in older for n in (7, 6, 2)] == [False, True, True]
    assert "?checkpoints=7&" in newest or "?checkpoints=7#" in newest
    assert "Older checkpoints" not in older
    assert order(act, made, "rollbacks", checkpoint=3).status_code == 200
    order_strip = page_of(act, made).split('class="order-step done"')[1][:400]
    assert "step 3" in order_strip


@pytest.mark.parametrize("wanted", ["x", "-1", "9" * 40, "²"])
def test_a_place_among_the_checkpoints_that_is_none_shows_the_newest(
    look: Client, make_session: Make, wanted: str
) -> None:
    made = make_session(checkpoints=("marked",))
    assert "marked" in page_of(look, made, f"?checkpoints={wanted}")


def fails_after_rollback(made: AgentSession, error: str, to: int | None = None) -> None:
    if to is not None:
        actions.perform("rollback", made.session_id, actor="olga", reason="again", checkpoint_id=to)
    manager_portal.call(lambda manager: manager.fail(made.session_id, error, actor="grader"))


def test_the_same_error_after_a_rollback_is_named_and_another_way_is_offered(
    act: Client, make_session: Make
) -> None:
    made = make_session(checkpoints=("first", "second", "third"))
    fails_after_rollback(made, "RateLimitError")
    assert "in a row" not in page_of(act, made)
    for _ in range(2):
        fails_after_rollback(made, "RateLimitError", to=4)
    page = page_of(act, made)
    assert "The same error, 3 times in a row, each after a rollback." in page
    assert "The checkpoint before that is <bdi>second</bdi>" in page
    assert "Correct the context" in page


def test_another_error_after_a_rollback_is_no_repetition(act: Client, make_session: Make) -> None:
    made = make_session(checkpoints=("first", "second"))
    fails_after_rollback(made, "RateLimitError")
    fails_after_rollback(made, "KeyError", to=3)
    assert "in a row" not in page_of(act, made)
