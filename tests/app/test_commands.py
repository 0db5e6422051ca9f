"""The commands: their language, and their arguments."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.core.management.base import BaseCommand

from sessions_app.management.terminal import VARIABLES, TerminalCommand
from sessions_app.models import ApiToken

OURS = ("api_token", "demo_agents", "drop_history", "ensure_admin", "purge_sessions", "sweep")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the variables of the terminal's language; the others are not set."""

    def chosen(**variables: str) -> None:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    chosen()
    return chosen


def command(name: str) -> BaseCommand:
    return load_command_class("sessions_app", name)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a person at the terminal reads; every refusal ends the command with a code above 0."""
    with pytest.raises(SystemExit) as ended:
        command(words[0]).run_from_argv(["manage.py", *words])
    assert ended.value.code
    return capsys.readouterr().err


@pytest.mark.parametrize("name", OURS)
def test_every_command_of_ours_speaks_the_terminals_language(name: str, terminal: Any) -> None:
    assert isinstance(command(name), TerminalCommand)
    terminal(LANG="en_GB.UTF-8")
    english = command(name).create_parser("manage.py", name).description
    terminal(LANG="de_DE.UTF-8")
    german = command(name).create_parser("manage.py", name).description
    assert english and german and english != german


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "Tokens taken away: 0."),
        ({"LANG": "C.UTF-8"}, "Tokens taken away: 0."),
        ({"LANG": "fr_FR.UTF-8"}, "Tokens taken away: 0."),
        ({"LANG": "de_AT.UTF-8"}, "Widerrufene Token: 0."),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "de"}, "Widerrufene Token: 0."),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "fr:en_US"}, "Tokens taken away: 0."),
    ],
)
def test_output_is_in_the_terminals_language(
    operator: Any, terminal: Any, variables: dict[str, str], said: str
) -> None:
    terminal(**variables)
    out = io.StringIO()
    call_command("api_token", "olga", "--revoke", stdout=out)
    assert out.getvalue().strip() == said


def test_the_administrators_command_speaks_it_too(db: None, terminal: Any) -> None:
    for language, said in (("en", "The user admin can"), ("de", "Das Konto admin kann")):
        terminal(LANG=language)
        out = io.StringIO()
        call_command("ensure_admin", stdout=out)
        assert said in out.getvalue()


DAYS = [
    "0",
    "-5",
    "-1",
    "36501",
    "2147483647",
    "99999999999",
    "9" * 5000,
    "1.5",
    "1_0",
    "٣",
    "",
    "x",
]
REFUSED = [
    *(("api_token", "olga", "--days", days) for days in DAYS),
    *(("purge_sessions", "--days", days) for days in DAYS),
    *(("demo_agents", "--graders", number) for number in ("-1", "101", "9" * 5000, "1.5", "²")),
    *(("demo_agents", "--tutors", number) for number in ("-1", "101", "x")),
    *(("demo_agents", "--pace", pace) for pace in ("0", "-1", "nan", "inf", "1e400", "1_0", "x")),
    *(("api_token", "olga", "--name", name) for name in ("", "  ", "x" * 101, "\ud800", "\u200b")),
    *(("api_token", user) for user in ("", "\udcff", "x" * 3000, "nobody-here")),
    *(
        ("drop_history", "--before", month)
        for month in ("2026", "2026-13", "0000-01", "٢٠٢٦-01", "9999-12", "x" * 5000, "")
    ),
]


@pytest.mark.parametrize("words", REFUSED, ids=lambda words: " ".join(words)[:40])
@pytest.mark.django_db(transaction=True)
def test_an_argument_outside_of_its_bounds_is_refused_in_one_sentence(
    operator: Any, terminal: Any, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    said = {}
    for language in ("en", "de"):
        terminal(LANG=language)
        said[language] = run(capsys, *words)
        assert "Traceback" not in said[language] and len(said[language]) < 4000
    assert said["en"] != said["de"]
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("days", [0, -5, 36_501, 2**31 - 1, 99_999_999_999])
@pytest.mark.django_db(transaction=True)
def test_days_from_a_program_have_the_same_bounds(operator: Any, days: int) -> None:
    for words in (("api_token", "olga"), ("purge_sessions",)):
        with pytest.raises(CommandError, match="36500"):
            call_command(*words, days=days)
    assert not ApiToken.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_longest_days_and_names_are_accepted(operator: Any) -> None:
    call_command("api_token", "olga", "--days", "36500", "--name", "x" * 100, stdout=io.StringIO())
    call_command("purge_sessions", "--days", "36500", stdout=io.StringIO())
    token = ApiToken.objects.get()
    assert token.expires_at is not None
