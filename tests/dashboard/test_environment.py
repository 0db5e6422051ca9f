from __future__ import annotations

from pathlib import Path

import pytest

from dashboard import environment
from dashboard.errors import SetupError
from dashboard.heartbeat_rules import DEFAULT_RULE

BAD_PREFIXES = (
    *("agents", "//agents", "/a//b", "/a b", "/..", "/a/../b", "/.hidden", "https://host/agents"),
    *("/agents?x", "/agents#x", "/ümlaut", "/%2e", "/a;b", "/agents//", "/a\\b", '/"><script>'),
)
FLAGS = ("DEBUG", "DEMO", "BEHIND_HTTPS", "HSTS_INCLUDE_SUBDOMAINS", "HSTS_PRELOAD")
BAD_FLAGS = ("yes", "no", "on", "off", "y", "t", "2", "-1", "01", "١", "")
BAD_NAMESPACES = (
    *("a b*", "a b", "a*", "a?", "[x]", "a\\b", "^a", "", "  ", "a\tb", "a\x1bb", "a\u2028b"),
    *("a\u202eb", "x" * 101),
)
KEY = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP"
EVERY_NAME = (
    *("DATABASE_URL", "VALKEY_URL", "DATA_DIR", "HOST", "PORT", "DEBUG", "DEMO", "SECRET_KEY"),
    *("HEARTBEAT_RULES", "SESSION_NAMESPACE", "STARTUP_WAIT", *environment.OIDC_REQUIRED),
    *("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "BEHIND_HTTPS", "TRASH_DAYS"),
    "URL_PREFIX",
    *("HSTS_SECONDS", "HSTS_INCLUDE_SUBDOMAINS", "HSTS_PRELOAD", "LOG_LEVEL", "LOG_FORMAT"),
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
    assert settings.heartbeat_rules == {"default": DEFAULT_RULE}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "abc", "PORT=abc cannot be used: give a whole number from 1 to 65535"),
        ("PORT", "70000", "from 1 to 65535"),
        ("DEBUG", "perhaps", "DEBUG=perhaps cannot be used: give 1 or 0"),
        ("DEMO", "some", "give 1 or 0"),
        *(("DEMO", bad, f"DEMO={bad} cannot be used: give 1 or 0") for bad in BAD_FLAGS),
        *((name, "yes", "give 1 or 0") for name in FLAGS),
        *(("SESSION_NAMESPACE", bad, "cannot be used: give a prefix") for bad in BAD_NAMESPACES),
        ("DATABASE_URL", "nonsense", "give an address like postgresql://"),
        ("DATABASE_URL", "mysql://host/name", "give an address like postgresql://"),
        ("DATABASE_URL", "postgresql://host:port/name", "give an address like postgresql://"),
        ("VALKEY_URL", "http://host", "give an address like redis://"),
        ("HEARTBEAT_RULES", "{not json", "give JSON like"),
        ("HEARTBEAT_RULES", "[]", "give JSON like"),
        ("HEARTBEAT_RULES", '{"tutor": 5}', "give JSON like"),
        ("HEARTBEAT_RULES", '{"tutor": {"late": "soon"}}', "tutor.late is no whole number"),
        (
            "HEARTBEAT_RULES",
            '{"tutor": {"no_progress": 10000000000}}',
            "tutor.no_progress is more than",
        ),
        ("HEARTBEAT_RULES", '{"tutor": {"latest": 5}}', "tutor has the unknown key latest"),
        ("HEARTBEAT_RULES", '{"tutor": {"late": 500}}', "tutor needs interval < late < lost"),
        ("STARTUP_WAIT", "-1", "from 0 to 3600"),
        *(("URL_PREFIX", bad, "cannot be used: give a path like /agents") for bad in BAD_PREFIXES),
        ("SECRET_KEY_FILE", "/nowhere/at/all", "SECRET_KEY cannot be read"),
        ("OIDC_RP_CLIENT_ID", "dashboard", "set OIDC_RP_CLIENT_SECRET, "),
        ("HSTS_SECONDS", "-1", "HSTS_SECONDS=-1 cannot be used: give a whole number from 0 to"),
        ("HSTS_SECONDS", "3600", "HSTS_SECONDS needs BEHIND_HTTPS=1"),
        ("HSTS_PRELOAD", "1", "HSTS_PRELOAD needs BEHIND_HTTPS=1"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL=loud cannot be used: give debug, info, warning or error"),
        ("LOG_FORMAT", "xml", "LOG_FORMAT=xml cannot be used: give text or json"),
        ("SECRET_KEY", "a", "SECRET_KEY is too easy to guess: give at least 50 characters"),
        ("SECRET_KEY", "ab" * 40, "SECRET_KEY is too easy to guess"),
        ("SECRET_KEY", "django-insecure-" + KEY, "SECRET_KEY is too easy to guess"),
        ("CSRF_TRUSTED_ORIGINS", "example.org", "give origins like https://dashboard.example.org"),
        (
            "CSRF_TRUSTED_ORIGINS",
            "https://a.org,b.org",
            "CSRF_TRUSTED_ORIGINS=b.org cannot be used",
        ),
        ("CSRF_TRUSTED_ORIGINS", "https://a.org/page", "give origins like"),
        ("CSRF_TRUSTED_ORIGINS", "https://a.org/", "give origins like"),
        ("CSRF_TRUSTED_ORIGINS", "ftp://a.org", "give origins like"),
        ("CSRF_TRUSTED_ORIGINS", "https://a.org:port", "give origins like"),
        ("ALLOWED_HOSTS", "https://example.org", "give host names like dashboard.example.org"),
        ("ALLOWED_HOSTS", "example.org:8000", "give host names like dashboard.example.org"),
        ("ALLOWED_HOSTS", "example.org/x", "give host names like dashboard.example.org"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SetupError) as caught:
        environment.read()
    assert said in str(caught.value)
    assert name.removesuffix("_FILE") in str(caught.value) or "OIDC" in name
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://me:geheim@host:port/name", "mysql://me:geheim@h/n"])
def test_a_password_is_never_repeated(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SetupError) as caught:
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
    assert rules["default"] == {**DEFAULT_RULE, "late": 40}
    assert rules["tutor"] == {**DEFAULT_RULE, "late": 40, "lost": 300}


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


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DATABSE_URL", "DATABASE_URL"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("VALKEYURL", "VALKEY_URL"),
        ("SECRET_KEY_FLIE", "SECRET_KEY_FILE"),
        ("ALLOWED_HOST", "ALLOWED_HOSTS"),
        ("HEARTBEAT_RULE", "HEARTBEAT_RULES"),
        ("DASHBOARD_ADMIN_PASSWD", "DASHBOARD_ADMIN_PASSWORD"),
        ("OIDC_RP_CLIENT_SECERT", "OIDC_RP_CLIENT_SECRET"),
        ("BEHIND_HTTP", "BEHIND_HTTPS"),
        ("PROT", "PORT"),
        ("DBEUG", "DEBUG"),
    ],
)
def test_a_misspelled_setting_is_named_with_the_one_that_is_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "geheim")
    with pytest.raises(SetupError) as caught:
        environment.read()
    assert str(caught.value) == f"{name} is no setting: {meant} may be meant; correct or unset it"


@pytest.mark.parametrize(
    "name", ["MODE", "POST", "HOSTNAME", "PGDATABASE", "DATABASE_PORT", "XDG_DATA_DIRS", "SHELL"]
)
def test_a_variable_of_another_program_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "x")
    environment.read()


def test_a_name_like_that_of_a_setting_which_is_set_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)
    monkeypatch.setenv("SECRET_KEYS", "x")
    assert environment.read().secret_key == KEY


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        (
            "ALLOWED_HOSTS",
            "a.org, .b.org,*,127.0.0.1,[::1]",
            ["a.org", ".b.org", "*", "127.0.0.1", "[::1]"],
        ),
        (
            "CSRF_TRUSTED_ORIGINS",
            "https://a.org:8443,http://*.b.org",
            ["https://a.org:8443", "http://*.b.org"],
        ),
    ],
)
def test_hosts_and_origins_are_read_as_django_wants_them(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: list[str]
) -> None:
    monkeypatch.setenv(name, value)
    settings = environment.read()
    assert read in (settings.allowed_hosts, settings.trusted_origins)


def test_an_empty_setting_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("DATABSE_URL", "postgresql://host/name")
    with pytest.raises(SetupError, match="DATABSE_URL is no setting"):
        environment.read()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"HSTS_INCLUDE_SUBDOMAINS": "1"}, "HSTS_INCLUDE_SUBDOMAINS needs HSTS_SECONDS"),
        (
            {"HSTS_PRELOAD": "1", "HSTS_SECONDS": "31536000"},
            "HSTS_PRELOAD needs HSTS_INCLUDE_SUBDOMAINS=1 and HSTS_SECONDS of at least 31536000",
        ),
        (
            {"HSTS_PRELOAD": "1", "HSTS_INCLUDE_SUBDOMAINS": "1", "HSTS_SECONDS": "3600"},
            "HSTS_PRELOAD needs HSTS_INCLUDE_SUBDOMAINS=1 and HSTS_SECONDS of at least 31536000",
        ),
    ],
)
def test_what_browsers_would_not_take_of_hsts_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    for name, value in {"BEHIND_HTTPS": "1", **given}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SetupError) as caught:
        environment.read()
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("given", "read"),
    [("", ""), ("/", ""), ("/agents", "/agents"), ("/agents/", "/agents"), ("/a/b-c_d.e~1", None)],
)
def test_a_prefix_is_taken_with_or_without_a_slash_at_its_end(
    monkeypatch: pytest.MonkeyPatch, given: str, read: str | None
) -> None:
    monkeypatch.setenv("URL_PREFIX", given)
    assert environment.read().url_prefix == (given if read is None else read)


@pytest.mark.parametrize("given", ["1", "0", "true", "False", " 1 "])
def test_a_switch_is_one_or_zero(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("DEMO", given)
    assert environment.read().demo == (given.strip().lower() in ("1", "true"))


@pytest.mark.parametrize("given", ["school", "school:7b", "school-7.b_", "{school}", "schüler"])
def test_a_namespace_is_a_prefix_of_keys(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("SESSION_NAMESPACE", given)
    assert environment.read().namespace == given
