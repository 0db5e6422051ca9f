"""What retention removes, when, and what it says of it."""

from __future__ import annotations

import io
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from sessions_app import actions, manager_portal
from sessions_app.models import AgentSession, Checkpoint, HistoryEntry, PastContext
from sessions_app.watchdog import retention

pytestmark = pytest.mark.django_db(transaction=True)


def say(command: str, *arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, **options)
    return out.getvalue()


def sql(text: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text, parameters or None)


@pytest.fixture
def months():
    """Two old months with an entry each."""
    for month in ("2020-01", "2020-02"):
        sql(f"SELECT agent_session_history_partition('{month}-01')")
        sql(
            "INSERT INTO agent_session_history (session_id, version, at, kind, epoch, source)"
            f" VALUES (gen_random_uuid(), 1, '{month}-15 12:00+00', 'created', 0, 'agent')"
        )
    yield
    for month in ("2020_01", "2020_02"):
        sql(f"DROP TABLE IF EXISTS agent_session_history_{month}")


def test_whole_months_go_and_it_is_said_which(months):
    said = say("drop_history", "--before", "2020-02")
    assert "2020-01" in said
    assert "1" in said
    assert HistoryEntry.objects.filter(at__lt=datetime(2020, 2, 1, tzinfo=UTC)).count() == 0
    assert HistoryEntry.objects.filter(at__lt=datetime(2020, 3, 1, tzinfo=UTC)).count() == 1


def test_a_dry_run_only_says_so(months):
    said = say("drop_history", "--before", "2020-03", "--dry-run")
    assert "2020-01" in said
    assert "2020-02" in said
    assert HistoryEntry.objects.count() == 2


def test_the_month_that_runs_is_refused():
    next_month = (datetime.now(UTC) + timedelta(days=31)).strftime("%Y-%m")
    with pytest.raises(CommandError, match=datetime.now(UTC).strftime("%Y-%m")):
        say("drop_history", "--before", next_month)


def test_where_nothing_is_old_enough_that_is_said():
    assert "2019-01" in say("drop_history", "--before", "2019-01")


@pytest.mark.parametrize("text", ["2020", "2020-13", "soon", "2020-1", "2020-01-01"])
def test_what_is_no_month_is_refused_with_an_example(text):
    with pytest.raises(CommandError, match="2026-01"):
        say("drop_history", "--before", text)


def test_an_entry_without_a_month_of_its_own_is_mentioned(months):
    sql(
        "INSERT INTO agent_session_history (session_id, version, at, kind, epoch, source)"
        " VALUES (gen_random_uuid(), 1, '2018-01-15 12:00+00', 'created', 0, 'agent')"
    )
    said = say("drop_history", "--before", "2019-01")
    assert "1" in said.splitlines()[-1]
    assert HistoryEntry.objects.filter(at__year=2018).count() == 1


def create(**context: Any) -> str:
    async def make(manager: Any) -> Any:
        return await manager.create_session("grader", "u", context)

    return str(manager_portal.call(make).session_id)


def deleted(days_ago: int) -> str:
    session_id = create()
    actions.perform("delete", session_id, actor="olga", reason="done with")
    moment = datetime.now(UTC) - timedelta(days=days_ago)
    AgentSession.objects.filter(pk=session_id).update(ordered_at=moment)
    return session_id


def test_the_trash_is_emptied_of_what_was_in_it_for_long_enough():
    old, young, kept = deleted(40), deleted(20), create()
    assert "1" in say("purge_sessions", days=30)
    assert {str(pk) for pk in AgentSession.objects.values_list("pk", flat=True)} == {young, kept}
    assert not Checkpoint.objects.filter(session_id=old).exists()
    entry = HistoryEntry.objects.filter(session_id=old, kind="purged").get()
    assert (entry.source, entry.reason, entry.from_state) == (
        "command",
        "purge_sessions",
        "deleted",
    )
    assert entry.actor


def test_its_history_stays():
    old = deleted(40)
    say("purge_sessions", days=30)
    kinds = HistoryEntry.objects.filter(session_id=old).order_by("version")
    assert list(kinds.values_list("kind", flat=True)) == ["created", "order", "purged"]


def test_a_session_deleted_by_an_agent_of_the_old_kind_goes_by_its_last_change():
    session_id = str(uuid.uuid4())
    sql(
        "INSERT INTO agent_sessions (id, agent_type, state, updated_at) VALUES (%s, 'tutor', 'deleted', %s)",
        session_id, datetime.now(UTC) - timedelta(days=31),
    )  # fmt: skip
    say("purge_sessions", days=30)
    assert not AgentSession.objects.filter(pk=session_id).exists()


@pytest.mark.parametrize("plan", ["any", "a nested loop"])
def test_more_than_one_batch_goes(monkeypatch: pytest.MonkeyPatch, plan: str):
    if plan == "a nested loop":  # PostgreSQL chooses this plan while the table looks empty
        for way in (
            "hashjoin",
            "mergejoin",
            "hashagg",
            "sort",
            "indexscan",
            "bitmapscan",
            "material",
        ):
            sql(f"SET enable_{way} = off")
    monkeypatch.setattr(retention, "BATCH", 2)
    first = deleted(40)
    AgentSession.objects.filter(pk=first).update(created_at=datetime.now(UTC) + timedelta(hours=1))
    for _ in range(4):
        deleted(40)
    assert retention.purge(30).sessions == 5
    assert not AgentSession.objects.exists()
    connection.close()  # resets the session's settings


def test_the_counts_agree_afterwards():
    deleted(40)
    create()
    retention.purge(30)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, sum(n) FROM agent_session_counts GROUP BY state HAVING sum(n) <> 0"
        )
        assert cursor.fetchall() == [("active", 1)]


def test_a_past_context_goes_only_when_no_checkpoint_needs_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "BATCH", 1)
    session_id = create(step=1)
    for step in (2, 3):
        actions.perform(
            "edit", session_id, actor="olga", reason="test", context={"step": step}, metadata=None
        )
    PastContext.objects.update(replaced_at=datetime.now(UTC) - timedelta(days=40))
    assert retention.purge(30).contexts == 1
    assert [past.context for past in PastContext.objects.all()] == [{"step": 1}]
    assert Checkpoint.objects.get(session_id=session_id, n=1).context_version == 1


def test_young_contexts_stay():
    session_id = create(step=1)
    for step in (2, 3):
        actions.perform("edit", session_id, actor="o", reason="test", context={"step": step})
    assert retention.purge(30).contexts == 0


def test_keeping_nothing_is_refused():
    with pytest.raises(CommandError):
        say("purge_sessions", days=0)
