"""Parameters of URLs and forms are parsed in one way."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.http import QueryDict

from sessions_app.forms import (
    NOW,
    BulkPlanForm,
    CompareQuery,
    EditForm,
    OrderForm,
    SavedViewForm,
)


@pytest.mark.parametrize("text", ["²", "٣", "-1", "1_0", " 1", "1.0", "1e3", "9" * 4_400])
def test_what_is_no_number_counts_as_not_given_and_leaves_the_rest(text: str) -> None:
    sent = OrderForm.read({"seen_version": text, "checkpoint": "7", "reason": "r"})
    assert (sent["seen_version"], sent["checkpoint"], sent["reason"]) == (None, 7, "r")


def test_a_text_is_taken_as_it_was_written_and_shortened_only_where_the_page_says_so() -> None:
    assert OrderForm.read({"reason": " a\x00 "})["reason"] == " a\x00 "
    assert OrderForm.read({})["reason"] == ""
    assert SavedViewForm.read({"name": f" {'n' * 90}"})["name"] == "n" * 80


def test_metadata_that_was_not_sent_was_loaded_empty() -> None:
    assert [EditForm.read(sent)["loaded"] for sent in ({}, {"loaded": ""})] == ["{}", ""]


def test_ticked_rows_bear_the_version_that_they_showed() -> None:
    first, second = uuid4(), uuid4()
    sent = QueryDict(f"id={first}:7&id={second}&id=nonsense&id={uuid4()}x:1&verb=nonsense")
    plan = BulkPlanForm.read(sent)
    assert plan["id"] == {first: 7, second: None}
    assert all(isinstance(each, UUID) for each in plan["id"])
    assert not plan["verb"]
    assert not plan["all"]


def test_a_comparison_begins_with_now() -> None:
    assert CompareQuery.read(QueryDict("b=3")) == {"a": NOW, "b": 3}
    assert CompareQuery.read(QueryDict("a=²&b=")) == {"a": None, "b": None}
