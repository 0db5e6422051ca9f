"""How long drafts are kept, and how many."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import F

from sessions_app.drafts import drafts
from sessions_app.drafts.models import FormDraft

pytestmark = pytest.mark.django_db(transaction=True)


def names(person: User) -> set[str]:
    return set(FormDraft.objects.filter(user=person).values_list("form", flat=True))


def test_a_draft_is_forgotten_after_seven_days_and_not_before(operator: User) -> None:
    for name, age in (("new", timedelta()), ("kept", timedelta(days=6, hours=23)), ("old", timedelta(days=7, minutes=1))):  # fmt: skip
        drafts.keep(operator.pk, name, {"reason": [name]})
        FormDraft.objects.filter(form=name).update(saved_at=F("saved_at") - age)
    drafts.forget_old()
    assert names(operator) == {"new", "kept"}


def test_what_is_written_on_stays(operator: User) -> None:
    drafts.keep(operator.pk, "one", {"reason": ["begun"]})
    FormDraft.objects.update(saved_at=F("saved_at") - timedelta(days=8))
    drafts.keep(operator.pk, "one", {"reason": ["gone on"]})
    drafts.forget_old()
    found = drafts.find(operator, "one")
    assert found is not None
    assert found["reason"] == "gone on"


def test_of_more_than_twenty_the_oldest_is_forgotten_and_nobody_elses(
    operator: User, viewer: User
) -> None:
    drafts.keep(viewer.pk, "theirs", {"name": ["x"]})
    for n in range(drafts.MAX_DRAFTS + 1):
        drafts.keep(operator.pk, f"form {n}", {"reason": [str(n)]})
    assert names(operator) == {f"form {n}" for n in range(1, drafts.MAX_DRAFTS + 1)}
    assert names(viewer) == {"theirs"}
