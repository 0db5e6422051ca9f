from __future__ import annotations

from pathlib import Path

import pytest

from dashboard import environment
from dashboard.problems import Problem

EVERY_NAME = (
    *("DATABASE_URL", "VALKEY_URL", "DATA_DIR", "HOST", "PORT", "DEBUG", "DEMO", "SECRET_KEY"),
    *("HEARTBEAT_RULES", "SESSION_NAMESPACE", "STARTUP_WAIT", *environment.OIDC_REQUIRED),
)


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in EVERY_NAME:
        monkeypatch.delenv(name, raising=False)


def test_with_nothing_set_everything_has_a_value() -> None:
    settings = environment.read()
    assert (settings.database_url, settings.valkey_url) == ("", "")
    assert (settings.host, settings.port, settings.demo) == ("127.0.0.1", 8000, True)
    assert settings.data_dir == environment.BASE_DIR / ".data"
    assert settings.heartbeat_rules == {"default": environment.DEFAULT_RULE}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "abc", "PORT=abc cannot be used: give a whole number from 1 to 65535"),
        ("PORT", "70000", "from 1 to 65535"),
        ("DEBUG", "perhaps", "DEBUG=perhaps cannot be used: give 1 or 0"),
        ("DEMO", "some", "give 1 or 0"),
        ("DATABASE_URL", "nonsense", "give an address like postgresql://"),
        ("DATABASE_URL", "mysql://host/name", "give an address like postgresql://"),
        ("DATABASE_URL", "postgresql://host:port/name", "give an address like postgresql://"),
        ("VALKEY_URL", "http://host", "give an address like redis://"),
        ("HEARTBEAT_RULES", "{not json", "give JSON like"),
        ("HEARTBEAT_RULES", "[]", "give JSON like"),
        ("HEARTBEAT_RULES", '{"tutor": 5}', "give JSON like"),
        ("HEARTBEAT_RULES", '{"tutor": {"late": "soon"}}', "tutor.late is no whole number"),
        ("HEARTBEAT_RULES", '{"tutor": {"latest": 5}}', "tutor has the unknown key latest"),
        ("HEARTBEAT_RULES", '{"tutor": {"late": 500}}', "tutor needs interval < late < lost"),
        ("STARTUP_WAIT", "-1", "from 0 to 3600"),
        ("SECRET_KEY_FILE", "/nowhere/at/all", "SECRET_KEY cannot be read"),
        ("OIDC_RP_CLIENT_ID", "dashboard", "set OIDC_RP_CLIENT_SECRET, "),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Problem) as caught:
        environment.read()
    assert said in str(caught.value)
    assert name.removesuffix("_FILE") in str(caught.value) or "OIDC" in name
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://me:geheim@host:port/name", "mysql://me:geheim@h/n"])
def test_a_password_is_never_repeated(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(Problem) as caught:
        environment.read()
    assert "geheim" not in str(caught.value)
    assert "me:***@h" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:pass@host:5432/name?sslmode=require",
        "postgres:///name?host=/var/run/postgresql",
        "postgresql://me@%2Fvar%2Frun/name",
    ],
)
def test_the_usual_addresses_are_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert environment.read().database_url == url


def test_a_valkey_address_is_one_that_the_redis_client_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VALKEY_URL", "valkey://cache:6379/1")
    assert environment.read().valkey_url == "redis://cache:6379/1"


def test_an_agent_types_rule_takes_from_the_default_what_it_does_not_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEARTBEAT_RULES", '{"default": {"late": 40}, "tutor": {"lost": 300}}')
    rules = environment.read().heartbeat_rules
    assert rules["default"] == {**environment.DEFAULT_RULE, "late": 40}
    assert rules["tutor"] == {**environment.DEFAULT_RULE, "late": 40, "lost": 300}


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://me:geheim@host/name\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    assert environment.read().database_url == "postgresql://me:geheim@host/name"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:geheim@host:1/0", "redis://:***@host:1/0"),
        ("redis://me:ge:he@im@host", "redis://me:***@host"),
        (
            "postgresql:///db?user=me&password=geheim&host=a",
            "postgresql:///db?user=me&password=***&host=a",
        ),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("postgresql://me@host/name", "postgresql://me@host/name"),
    ],
)
def test_no_password_of_an_address_is_shown(url: str, shown: str) -> None:
    assert environment.without_password(url) == shown
