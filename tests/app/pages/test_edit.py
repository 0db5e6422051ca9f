"""Editing while others write, and refusals that keep the typed text."""

import json
import re
import uuid
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from agent_sessions import AgentSession
from sessions_app import actions, manager_portal
from sessions_app.models import HistoryEntry

from .test_session import ENGLISH, act, look, stored, text

__all__ = ["act", "look"]
Make = Callable[..., AgentSession]


class Form:
    """The edit page's form, filled in and sent as by a browser."""

    def __init__(self, client: Client, made: AgentSession, part: str = "context") -> None:
        self.client = client
        self.at = f"/sessions/{made.session_id}/edits/new/"
        self.read(client.get(f"{self.at}?part={part}", headers=ENGLISH))

    def read(self, response: Any) -> None:
        self.response, self.page = response, text(response)
        if "<form" not in self.page or 'name="part"' not in self.page:
            return
        found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', self.page)
        self.fields: dict[str, Any] = {}
        for name, value in found:
            self.fields.setdefault(name, []).append(unescape(value))
        self.text = unescape(
            re.search(r'<textarea class="json[^>]*>\n?(.*?)</textarea>', self.page, re.DOTALL)[1]  # type: ignore[index]
        )

    @property
    def value(self) -> Any:
        return json.loads(self.text)

    def send(self, value: Any = None, step: str = "save", **more: Any) -> Any:
        written = (
            value if isinstance(value, str) else json.dumps(self.value if value is None else value)
        )
        data = {**self.fields, "text": written, "step": step, "reason": "wrong", **more}
        self.read(self.client.post(self.at, data, headers=ENGLISH))
        return self.response


def agent_writes(made: AgentSession, **context: Any) -> None:
    async def write(manager: Any) -> None:
        newest = await manager.read(made.session_id)
        newest.context.update(context)
        newest.checkpoint("turn", {})
        await manager.update_session(newest)

    manager_portal.call(write)


def administrator_writes(made: AgentSession, **parts: Any) -> None:
    actions.perform("edit", made.session_id, actor="viktoria", reason="r", **parts)


def test_what_the_agent_wrote_while_the_form_was_open_stays(
    act: Client, make_session: Make
) -> None:
    made = make_session("tutor", context={"skill": "fractions", "turns": [1], "position": 1})
    form = Form(act, made)
    agent_writes(made, turns=[1, 2, 3], position=3)
    wanted = {**form.value, "skill": "decimals", "note": "slower"}
    shown = text(form.send(wanted, "preview"))
    assert "decimals" in shown
    assert "turns" not in shown.split("Your changes")[1].split("</table>")[0]
    assert form.send(wanted).status_code == 302
    assert stored(made).context == {
        "skill": "decimals",
        "note": "slower",
        "turns": [1, 2, 3],
        "position": 3,
    }
    entry = HistoryEntry.objects.filter(session_id=made.session_id).latest("version")
    assert entry.paths == ["skill", "note"]


@pytest.mark.parametrize(
    ("choice", "skill"), [("mine", {"skill": "mine"}), ("there", {"skill": "theirs"})]
)
def test_a_conflict_is_shown_side_by_side_and_decided_by_path(
    act: Client, make_session: Make, choice: str, skill: dict[str, str]
) -> None:
    made = make_session("tutor", context={"skill": "loaded", "level": 1})
    form = Form(act, made)
    administrator_writes(made, context={"skill": "theirs", "level": 1})
    agent_writes(made, position=5)
    assert form.send({"skill": "mine", "level": 2}).status_code == 409
    side_by_side = form.page.split('class="conflict"')[1].split("</fieldset>")[0]
    for expected in ("skill", "loaded", "theirs", "mine", "viktoria"):
        assert expected in side_by_side
    assert form.page.count('class="conflict"') == 1, "level is no conflict"
    assert form.value == {"skill": "mine", "level": 2, "position": 5}
    assert form.send(**{"choice-0": choice}).status_code == 302
    assert stored(made).context == {"level": 2, "position": 5, **skill}


def test_without_a_decision_nothing_is_stored_and_nothing_typed_is_lost(
    act: Client, make_session: Make
) -> None:
    made = make_session("tutor", context={"skill": "loaded"})
    form = Form(act, made)
    administrator_writes(made, context={"skill": "theirs"})
    form.send({"skill": "typed for an hour"})
    assert form.send().status_code == 422
    assert "Decide" in form.page
    assert form.value == {"skill": "typed for an hour"}
    assert 'class="conflict"' in form.page
    assert "wrong</textarea>" in form.page, "the reason stays too"
    assert stored(made).context == {"skill": "theirs"}


def test_who_is_overtaken_again_decides_again(act: Client, make_session: Make) -> None:
    made = make_session("tutor", context={"skill": "loaded"})
    form = Form(act, made)
    administrator_writes(made, context={"skill": "second"})
    form.send({"skill": "mine"})
    administrator_writes(made, context={"skill": "third"})
    assert form.send(**{"choice-0": "mine"}).status_code == 409
    assert "third" in form.page
    assert stored(made).context == {"skill": "third"}
    assert form.send(**{"choice-0": "mine"}).status_code == 302
    assert stored(made).context == {"skill": "mine"}


def test_a_removed_key_that_somebody_changed_is_a_conflict_and_stays_or_goes(
    act: Client, make_session: Make
) -> None:
    made = make_session("tutor", context={"a": {"x": 1}, "b": 1})
    form = Form(act, made)
    agent_writes(made, a={"x": 2})
    assert form.send({"b": 2}).status_code == 409
    assert form.send(**{"choice-0": "there"}).status_code == 302
    assert stored(made).context == {"a": {"x": 2}, "b": 2}


def test_metadata_too(act: Client, make_session: Make) -> None:
    made = make_session("tutor")
    administrator_writes(made, metadata={"class": "7b", "room": 1})
    form = Form(act, made, "metadata")
    agent_writes(made, position=1)
    administrator_writes(made, metadata={"class": "7b", "room": 2})
    assert form.send({"class": "8a", "room": 1}).status_code == 302
    assert stored(made).metadata == {"class": "8a", "room": 2}
    form = Form(act, made, "metadata")
    administrator_writes(made, metadata={"class": "9c", "room": 2})
    assert form.send({"class": "5a", "room": 2}).status_code == 409
    assert form.send(**{"choice-0": "mine"}).status_code == 302
    assert stored(made).metadata == {"class": "5a", "room": 2}


def test_what_was_opened_and_is_not_kept_any_more_is_said(
    transactional_db: None, act: Client, make_session: Make
) -> None:
    made = make_session("tutor", context={"skill": "a"})
    form = Form(act, made)
    administrator_writes(made, context={"skill": "b", "c": 1})
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM agent_session_contexts")
    assert form.send({"skill": "z"}).status_code == 409
    assert "not kept any more" in form.page
    assert form.value == {"skill": "z"}
    assert stored(made).context == {"skill": "b", "c": 1}
    assert form.send().status_code == 302
    assert stored(made).context == {"skill": "z"}


@pytest.mark.parametrize("step", ["preview", "save"])
@pytest.mark.parametrize(
    "written",
    [
        '{"a": "\\ud800"}',
        '{"\\udfff": 1}',
        '{"a": "\\u0000"}',
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": ' + "[" * 80 + "]" * 80 + "}",
        '{"a": ' + "[" * 20_000 + "]" * 20_000 + "}",
        '{"a": ' + "9" * 5_000 + "}",
        '{"a": 1, "a": 2}',
        '{"deep": [{"a": 1, "a": 2}]}',
        '{"\\ud800": 1, "\\ud800": 2}',
        '{"\\u0000": 1, "\\u0000": 1}',
        "{",
        "",
    ],
)
def test_what_cannot_be_stored_is_refused_with_a_sentence_and_the_text(
    act: Client, make_session: Make, written: str, step: str
) -> None:
    made = make_session(context={"class": "7b"})
    form = Form(act, made)
    assert form.send(written, step).status_code == 422
    assert 'role="alert"' in form.page
    assert form.text == written
    assert stored(made).context == {"class": "7b"}


def test_half_a_character_gets_the_sentence_of_the_api(act: Client, make_session: Make) -> None:
    form = Form(act, make_session())
    form.send('{"a": "\\ud800"}')
    assert "Context: contains half a character. Please remove it." in form.page


def test_a_key_that_stands_twice_is_named(act: Client, make_session: Make) -> None:
    form = Form(act, make_session())
    form.send('{"deep": {"mark": 1, "x": 2, "mark": 3}}')
    assert "The key \u2068&quot;mark&quot;\u2069 stands twice" in form.page


@pytest.mark.parametrize(
    "hidden",
    ["", "[]", "{}", "[1, 2]", '["context", [], null, null, null, "a", "", []]', "[" * 9_999,
     '["context", ["a"], 1, null, null, "a", ""]', '["context", ["a"], null, null, null, "a", "x"]',
     '["context", [1], null, null, null, "a", ""]', '["\\ud800", ["\\ud800"], null, null, null, "a", ""]'],
)  # fmt: skip
def test_conflicts_that_nobody_had_are_left_out(
    act: Client, make_session: Make, hidden: str
) -> None:
    form = Form(act, make_session(context={"a": 1}))
    response = form.send({"a": 2}, conflict=hidden, **{"choice-0": "there"})
    assert response.status_code in (302, 422)


@pytest.mark.parametrize("seen", ["", "-1", "²", "9" * 4_400, "x", "99999999999999999999"])
def test_a_version_that_is_none_overwrites_nothing(
    act: Client, make_session: Make, seen: str
) -> None:
    made = make_session(context={"a": 1})
    form = Form(act, made)
    assert form.send({"a": 2}, seen=seen).status_code == 409
    assert stored(made).context == {"a": 1}


def test_a_form_sent_twice_is_stored_once(act: Client, make_session: Make) -> None:
    made = make_session(context={"a": 1})
    form = Form(act, made)
    data = {**form.fields, "text": '{"a": 2}', "step": "save", "reason": "x"}
    for _ in range(2):
        act.post(form.at, data, headers=ENGLISH)
    assert HistoryEntry.objects.filter(session_id=made.session_id, kind="edit").count() == 1
    assert uuid.UUID(form.fields["request_id"][0])


def german(size: int) -> dict[str, Any]:
    """Text that is much larger when indented and form-encoded than when stored."""
    marks = {f"ä{i}": {"ü": 1} for i in range(20_000)}
    room = size - len(json.dumps(marks, ensure_ascii=False, separators=(",", ":")).encode()) - 20
    return {"marks": marks, "text": "ß" * (room // 2)}


@pytest.mark.parametrize("size", [2_200_000, 4 * 1024 * 1024])
def test_what_may_be_stored_can_be_edited(act: Client, make_session: Make, size: int) -> None:
    context = german(size)
    made = make_session(context=context)
    form = Form(act, made)
    sent = form.text.replace("\n", "\r\n").replace('ß"', 's"')  # as browsers send line ends
    assert form.send(sent).status_code == 302
    assert stored(made).context == {**context, "text": context["text"][:-1] + "s"}


def test_who_is_not_logged_in_sends_no_large_body(client: Client, make_session: Make) -> None:
    made = make_session()
    at = f"/sessions/{made.session_id}/edits/new/"
    assert client.post(at, {"text": "x" * 3_000_000}, headers=ENGLISH).status_code == 413


@pytest.mark.parametrize("path", ["/login/", "/views/", "/preferences/theme/"])
def test_nowhere_else_is_a_large_body_read(act: Client, path: str) -> None:
    response = act.post(path, {"text": "x" * 3_000_000}, headers=ENGLISH)
    assert response.status_code == 413
    assert "too large" in text(response)


def test_very_many_conflicts_are_all_decided(act: Client, make_session: Make) -> None:
    made = make_session(context={f"k{i}": 0 for i in range(700)})
    form = Form(act, made)
    administrator_writes(made, context={f"k{i}": 1 for i in range(700)})
    assert form.send({f"k{i}": 2 for i in range(700)}).status_code == 409
    choices = {f"choice-{i}": "mine" for i in range(200)}
    choices["choice-199"] = "there"
    assert form.send(**choices).status_code == 302
    assert stored(made).context == {f"k{i}": 2 if i < 199 else 1 for i in range(700)}
