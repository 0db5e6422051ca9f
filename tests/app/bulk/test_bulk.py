"""Bulk orders: the plan is what is executed, whichever worker dies."""

import itertools
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client

from agent_sessions import AgentSession, SessionError
from sessions_app import actions
from sessions_app.bulk import planning, worker
from sessions_app.bulk.housekeeping import prune_jobs
from sessions_app.bulk.models import BulkItem, BulkJob
from sessions_app.bulk.progress import Confirmations, progress, reasons
from sessions_app.manager_portal import call
from sessions_app.models import AgentSession as Stored
from sessions_app.models import HistoryEntry
from tests.support.access import FULL

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., AgentSession]
ENGLISH = {"Accept-Language": "en"}
FETCH = {**ENGLISH, "X-Requested-With": "fetch"}


@pytest.fixture(autouse=True)
def _no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents the background thread; the tests call the worker themselves."""
    monkeypatch.setattr(worker.background, "wake", lambda: None)


@pytest.fixture
def act(client: Client, operator: Any) -> Client:
    client.force_login(operator)
    return client


def text(response: Any) -> str:
    return str(response.content.decode())


def plan(client: Client, verb: str, *made: AgentSession, **more: str) -> BulkJob:
    ids = [session.session_id for session in made]
    client.post("/bulk/", {"verb": verb, "id": ids, **more}, headers=FETCH)
    return BulkJob.objects.latest("created_at")


def start(client: Client, job: BulkJob, reason: str = "because") -> None:
    client.post(f"/bulk/{job.id}/starts/", {"reason": reason}, headers=FETCH)


def state(session: AgentSession) -> str | None:
    return Stored.objects.get(id=session.session_id).state


def look(job: BulkJob) -> dict[str, int]:
    worker.BulkWorker().run_next()
    job.refresh_from_db()
    return progress(job).counts


def test_the_plan_says_what_will_happen_to_how_many_and_why_not_to_the_rest(
    act: Client, make_session: Make
) -> None:
    made = [make_session() for _ in range(3)]
    actions.perform("pause", made[0].session_id, actor="x")
    ids = [session.session_id for session in made]
    asked = text(act.post("/bulk/", {"verb": "pause", "id": ids}, headers=FETCH))
    assert "3 sessions selected" in asked
    assert "<strong>2</strong> sessions will get the order." in asked
    assert "The session is paused already." in asked
    assert state(made[1]) == "active"


def test_what_was_planned_is_done_in_the_starters_name(act: Client, make_session: Make) -> None:
    made = [make_session() for _ in range(3)]
    job = plan(act, "pause", *made)
    start(act, job, "lunch")
    assert look(job) == {"done": 3}
    assert job.state == "done"
    entry = HistoryEntry.objects.filter(session_id=made[0].session_id, kind="order").get()
    assert (entry.actor, entry.reason, entry.source) == ("olga", "lunch", "bulk")


def test_all_that_match_are_pinned_when_the_plan_is_shown(act: Client, make_session: Make) -> None:
    made = [make_session("tutor"), make_session("tutor"), make_session("grader")]
    act.post("/bulk/", {"verb": "pause", "all": "yes", "query": "type=tutor"}, headers=FETCH)
    later = make_session("tutor")
    job = BulkJob.objects.get()
    start(act, job)
    assert look(job) == {"done": 2}
    assert [state(session) for session in (*made, later)] == [
        "paused",
        "paused",
        "active",
        "active",
    ]


def test_more_than_the_most_are_cut_and_the_plan_says_so(
    act: Client, make_session: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [make_session() for _ in range(3)]
    monkeypatch.setattr(planning, "MOST", 2)
    asked = act.post("/bulk/", {"verb": "pause", "all": "yes"}, headers=FETCH)
    assert "More than 10,000 match" in text(asked)
    assert BulkItem.objects.count() == 2
    assert not BulkItem.objects.filter(session=UUID(made[0].session_id)).exists()


def test_what_an_operator_changed_after_the_plan_is_left_alone(
    act: Client, make_session: Make
) -> None:
    made = [make_session() for _ in range(2)]
    job = plan(act, "fail", *made)
    actions.perform("pause", made[0].session_id, actor="otto")
    start(act, job)
    assert look(job) == {"done": 1, "failed": 1}
    assert state(made[0]) == "paused"
    assert "\u2068otto\u2069 has changed it since." in text(
        act.get(f"/bulk/{job.id}/", headers=FETCH)
    )


def test_a_double_click_starts_once(act: Client, make_session: Make) -> None:
    job = plan(act, "pause", make_session())
    start(act, job)
    start(act, job, "again")
    job.refresh_from_db()
    assert job.reason == "because"


def test_without_a_reason_that_can_be_stored_nothing_irreversible_starts(
    act: Client, make_session: Make
) -> None:
    job = plan(act, "fail", make_session())
    answer = act.post(f"/bulk/{job.id}/starts/", {"reason": " "}, headers=FETCH)
    assert answer.status_code == 422
    assert "Please give a reason" in text(answer)
    long = "x" * 2_001
    answer = act.post(f"/bulk/{job.id}/starts/", {"reason": long}, headers=FETCH)
    assert answer.status_code == 422
    assert "Reason: too long with 2,001 characters; 2,000 are allowed." in text(answer)
    assert f">{long}</textarea>" in text(answer)
    job.refresh_from_db()
    assert job.state == "draft"


def test_an_orphan_is_taken_over_when_its_lease_is_over_and_nothing_is_done_twice(
    act: Client, make_session: Make
) -> None:
    made = [make_session() for _ in range(3)]
    job = plan(act, "pause", *made)
    start(act, job)
    dead = worker.BulkWorker("dead")
    claimed = dead.claim()
    assert claimed is not None
    # without recording it
    worker.apply_item(claimed, claimed.items.get(session=UUID(made[0].session_id)), FULL)
    assert worker.BulkWorker().claim() is None
    BulkJob.objects.update(lease_until="2020-01-01T00:00:00Z")
    assert look(job) == {"done": 3}
    orders = HistoryEntry.objects.filter(session_id=made[0].session_id, kind="order")
    assert orders.count() == 1


def resumed(session: AgentSession) -> None:
    actions.perform("resume", session.session_id, actor="viktor")


def edited(session: AgentSession) -> None:
    actions.perform("edit", session.session_id, actor="olga", reason="why", context={"rubric": 2})


def failed(session: AgentSession) -> None:
    actions.perform("fail", session.session_id, actor="viktor", reason="stuck")


@pytest.mark.parametrize("since", [resumed, edited, failed])
def test_what_a_dead_worker_had_done_counts_as_done_whatever_happened_since(
    act: Client, make_session: Make, since: Callable[[AgentSession], None]
) -> None:
    made = {session.session_id: session for session in (make_session() for _ in range(3))}
    job = plan(act, "pause", *made.values())
    items = list(job.items.order_by("n"))
    start(act, job)
    dead = worker.BulkWorker("dead")
    claimed = dead.claim()
    assert claimed is not None
    by_it = [worker.apply_item(claimed, item, FULL) for item in items[:2]]  # without recording it
    versions = {item.session_id: item.result_version for item in by_it}
    for session_id in versions:
        since(made[str(session_id)])
    BulkJob.objects.update(lease_until="2020-01-01T00:00:00Z")
    assert look(job) == {"done": 3}
    noted = job.items.filter(session_id__in=versions)
    assert {item.session_id: item.result_version for item in noted} == versions
    for session_id in versions:
        orders = HistoryEntry.objects.filter(session_id=session_id, kind="order", source="bulk")
        assert orders.count() == 1


def test_what_somebody_else_had_done_is_no_work_of_the_job(act: Client, make_session: Make) -> None:
    made = [make_session() for _ in range(3)]
    job = plan(act, "pause", *made)
    start(act, job)
    dead = worker.BulkWorker("dead")
    claimed = dead.claim()
    assert claimed is not None
    # without recording it
    worker.apply_item(claimed, claimed.items.get(session=UUID(made[0].session_id)), FULL)
    edited(made[0])
    actions.perform("pause", made[1].session_id, actor="viktor")
    BulkJob.objects.update(lease_until="2020-01-01T00:00:00Z")
    assert look(job) == {"done": 2, "failed": 1}
    (item,) = job.items.filter(session=UUID(made[1].session_id))
    assert (item.problem, item.detail, item.result_version) == ("conflict", "viktor", None)


def test_two_workers_never_hold_the_same_job(act: Client, make_session: Make) -> None:
    job = plan(act, "pause", make_session())
    start(act, job)
    assert worker.BulkWorker("one").claim() == job
    assert worker.BulkWorker("two").claim() is None


def test_a_stopped_job_touches_nothing_more_and_can_go_on(
    act: Client, make_session: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH", 1)
    made = [make_session() for _ in range(3)]
    job = plan(act, "pause", *made)
    start(act, job)
    steps = itertools.count()
    step = worker.BulkWorker.step

    def stop_after_two(self: worker.BulkWorker, *args: Any) -> bool:
        if next(steps) == 2:
            act.post(f"/bulk/{job.id}/stops/", headers=FETCH)
        return step(self, *args)

    monkeypatch.setattr(worker.BulkWorker, "step", stop_after_two)
    assert look(job) == {"done": 2, "waiting": 1}
    assert job.state == "stopped"
    assert "Not processed: 1." in text(act.get(f"/bulk/{job.id}/", headers=FETCH))
    act.post(f"/bulk/{job.id}/continuations/", headers=FETCH)
    assert look(job) == {"done": 3}


def test_undo_takes_back_what_was_changed_but_nothing_decided_since(
    act: Client, make_session: Make
) -> None:
    made = [make_session() for _ in range(3)]
    job = plan(act, "pause", *made)
    start(act, job)
    look(job)
    actions.perform("resume", made[0].session_id, actor="otto")
    actions.perform("pause", made[0].session_id, actor="otto")
    act.post(f"/bulk/{job.id}/undos/", headers=FETCH)
    undo = BulkJob.objects.get(follows=job)
    start(act, undo)
    assert look(undo) == {"done": 2, "failed": 1}
    assert [state(session) for session in made] == ["paused", "active", "active"]


@pytest.mark.parametrize(("verb", "before"), [("delete", "active"), ("resume", "paused")])
def test_deleting_and_resuming_can_be_undone_too(
    act: Client, make_session: Make, verb: str, before: str
) -> None:
    made = make_session()
    if before == "paused":
        actions.perform("pause", made.session_id, actor="x")
    job = plan(act, verb, made)
    start(act, job)
    look(job)
    act.post(f"/bulk/{job.id}/undos/", headers=FETCH)
    undo = BulkJob.objects.get(follows=job)
    start(act, undo)
    assert look(undo) == {"done": 1}
    assert state(made) == before


def test_what_did_not_work_can_be_tried_again_as_it_is_now(act: Client, make_session: Make) -> None:
    made = [make_session() for _ in range(2)]
    job = plan(act, "fail", *made)
    actions.perform("pause", made[0].session_id, actor="otto")
    start(act, job)
    look(job)
    again = text(act.post(f"/bulk/{job.id}/retries/", headers=FETCH))
    assert "1 session selected" in again
    assert "because" in again
    retry = BulkJob.objects.get(follows=job)
    start(act, retry)
    assert look(retry) == {"done": 1}
    assert state(made[0]) == "failed"


def test_bulk_rollback_goes_to_the_newest_checkpoint_of_a_name(
    act: Client, make_session: Make
) -> None:
    two = make_session(checkpoints=("essay_marked", "essay_marked", "other"))
    none = make_session(checkpoints=("other",))
    job = plan(act, "rollback", two, none)
    assert ("other", 2) in planning.checkpoint_names(job)
    asked = text(
        act.post(f"/bulk/{job.id}/checkpoints/", {"checkpoint": "essay_marked"}, headers=FETCH)
    )
    assert "<strong>1</strong> session will get the order." in asked
    job.refresh_from_db()
    assert [str(reason.why) for reason in reasons(job)] != []
    start(act, job)
    assert look(job) == {"done": 1, "impossible": 1}
    assert Stored.objects.get(id=two.session_id).order_checkpoint == 3


def test_who_lost_the_right_to_act_has_his_job_stopped(
    act: Client, operator: Any, make_session: Make
) -> None:
    made = make_session()
    job = plan(act, "pause", made)
    start(act, job)
    operator.groups.clear()
    assert look(job) == {"waiting": 1}
    assert (job.state, job.trouble, state(made)) == ("stopped", "right", "active")


def test_a_viewer_sees_progress_and_can_neither_plan_nor_stop(
    client: Client, operator: Any, viewer: Any, make_session: Make
) -> None:
    client.force_login(operator)
    job = plan(client, "pause", make_session())
    client.force_login(viewer)
    assert client.get(f"/bulk/{job.id}/").status_code == 404  # nothing was decided yet
    client.force_login(operator)
    start(client, job)
    client.force_login(viewer)
    assert client.post("/bulk/", {"verb": "pause"}).status_code == 403
    assert client.post(f"/bulk/{job.id}/stops/").status_code == 403
    assert "stops" not in text(client.get(f"/bulk/{job.id}/"))


def test_it_works_without_scripting(act: Client, make_session: Make) -> None:
    made = make_session()
    page = act.post("/bulk/", {"verb": "pause", "id": made.session_id}, follow=True)
    job = BulkJob.objects.get()
    assert page.redirect_chain == [(f"/bulk/{job.id}/", 302)]
    page = act.post(f"/bulk/{job.id}/starts/", {"reason": ""}, follow=True)
    assert 'http-equiv="refresh"' in text(page)
    look(job)
    assert 'http-equiv="refresh"' in text(act.get(f"/bulk/{job.id}/")), "it is not confirmed yet"
    call(lambda manager: manager.acknowledge(made.session_id, 2))
    assert 'http-equiv="refresh"' not in text(act.get(f"/bulk/{job.id}/"))
    assert str(job.id) in text(act.get("/bulk/"))


@pytest.mark.parametrize("data", [{}, {"verb": "pause"}, {"verb": "nonsense", "id": "x"}])
def test_without_a_selection_it_says_so(act: Client, data: dict[str, str]) -> None:
    page = act.post("/bulk/", data, follow=True, headers=ENGLISH)
    assert "Nothing was selected" in text(page)


def test_how_many_match_is_said_for_any_address(act: Client, make_session: Make) -> None:
    make_session("tutor"), make_session("grader")
    assert act.get("/bulk/matching/?type=tutor").json() == {"n": 1, "more": False}


def test_old_jobs_are_forgotten(act: Client, make_session: Make) -> None:
    job = plan(act, "pause", make_session())
    prune_jobs()
    assert BulkJob.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sessions_app_bulkjob SET created_at = now() - interval '2 days'")
    prune_jobs()
    assert not BulkJob.objects.filter(id=job.id).exists()


def given(act: Client, job: BulkJob) -> str:
    return text(act.get(f"/bulk/{job.id}/", headers=FETCH))


def test_what_was_ordered_counts_as_confirmed_only_once_each_agent_has_confirmed(
    act: Client, make_session: Make
) -> None:
    made = [make_session() for _ in range(2)]
    job = plan(act, "pause", *made)
    start(act, job)
    look(job)
    assert progress(job).confirmations == Confirmations(outstanding=2)
    assert "Ordered; not yet confirmed everywhere." in given(act, job)
    assert "data-follow" in given(act, job)
    for n, session in enumerate(made, 1):
        version = Stored.objects.get(id=session.session_id).order_version
        call(lambda m, s=session, v=version: m.acknowledge(s.session_id, v))  # type: ignore[misc]
        assert progress(job).confirmations == Confirmations(confirmed=n, outstanding=2 - n)
    assert "Finished; every agent has confirmed." in given(act, job)
    assert "data-follow" not in given(act, job)


def test_sessions_without_a_living_agent_are_named_and_never_called_done(
    act: Client, make_session: Make
) -> None:
    job = plan(act, "pause", make_session(silent=5000), make_session())
    start(act, job)
    look(job)
    assert progress(job).confirmations == Confirmations(outstanding=1, without_agent=1)
    page = given(act, job)
    assert "no agent there" in page
    assert "Finished" not in page


def test_a_session_on_which_an_agent_still_saves_is_not_counted_as_one_without_an_agent(
    act: Client, make_session: Make
) -> None:
    made = make_session(silent=5000)
    job = plan(act, "fail", made, make_session(silent=5000))
    start(act, job)
    look(job)
    assert progress(job).confirmations == Confirmations(without_agent=2)
    made.checkpoint("late", {})

    async def save(manager: Any) -> None:
        with pytest.raises(SessionError):
            await manager.update_session(made)

    call(save)
    assert progress(job).confirmations == Confirmations(outstanding=1, without_agent=1)


def test_an_order_that_another_one_followed_is_superseded(act: Client, make_session: Make) -> None:
    session = make_session()
    job = plan(act, "pause", session)
    start(act, job)
    look(job)
    actions.perform("resume", session.session_id, actor="x")
    assert progress(job).confirmations == Confirmations(superseded=1)


def test_a_value_that_is_not_understood_selects_nobody(act: Client, make_session: Make) -> None:
    made = make_session("tutor")
    for query in ("state=nope", "state=active&state=nope", "type=%00", "user=%00", "q=%00"):
        act.post("/bulk/", {"verb": "pause", "all": "yes", "query": query}, headers=FETCH)
        assert BulkItem.objects.count() == 0, query
    job = plan(act, "pause", made)
    page = text(act.get(f"/bulk/{job.id}/?outcome=nope", headers=ENGLISH))
    assert made.session_id not in page


@pytest.mark.parametrize(
    ("language", "count", "said"),
    [
        ("en", 1, "Ordered; 1 session has no agent that could confirm it."),
        ("en", 2, "Ordered; 2 sessions have no agent that could confirm it."),
        ("de", 1, "Veranlasst; bei 1 Sitzung läuft kein Agent, der das bestätigen könnte."),
        ("de", 2, "Veranlasst; bei 2 Sitzungen läuft kein Agent, der das bestätigen könnte."),
    ],
)
def test_a_bulk_order_counts_the_sessions_without_an_agent(
    act: Client, make_session: Make, language: str, count: int, said: str
) -> None:
    job = plan(act, "pause", *(make_session(silent=5000) for _ in range(count)))
    start(act, job)
    look(job)
    page = act.get(f"/bulk/{job.id}/", headers={**FETCH, "Accept-Language": language})
    assert said in text(page)


@pytest.mark.parametrize(
    ("language", "said"), [("en", "Finished, without success."), ("de", "Fertig, ohne Erfolg.")]
)
def test_a_bulk_order_of_one_session_that_failed_is_not_half_done(
    act: Client, make_session: Make, language: str, said: str
) -> None:
    made = make_session()
    job = plan(act, "fail", made)
    actions.perform("pause", made.session_id, actor="otto")
    start(act, job)
    look(job)
    page = act.get(f"/bulk/{job.id}/", headers={**FETCH, "Accept-Language": language})
    assert said in text(page)
