"""Reads and checks the settings in the environment, each with its default.

A value may also stand in a file named by `<NAME>_FILE`, as container secrets do.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from environs import EnvError, FileAwareEnv

from agent_sessions.keys import NAMESPACE
from agent_sessions.validation import MAX_NAMESPACE
from dashboard.database import address
from dashboard.errors import BadSetting, SetupError
from dashboard.heartbeat_rules import DEFAULT_RULE, Rules, merge_rules
from dashboard.misspelled import refuse_misspelled

T = TypeVar("T")

BASE_DIR = Path(__file__).resolve().parent.parent
OIDC_REQUIRED = (
    "OIDC_RP_CLIENT_ID",
    "OIDC_RP_CLIENT_SECRET",
    "OIDC_OP_AUTHORIZATION_ENDPOINT",
    "OIDC_OP_TOKEN_ENDPOINT",
    "OIDC_OP_USER_ENDPOINT",
    "OIDC_OP_JWKS_ENDPOINT",
)

HOST = re.compile(r"[^\s/:@]+|\[[0-9a-fA-F:.]+\]")
PREFIX = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
ORIGIN = re.compile(r"https?://(?:[^\s/:@?#]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?")

NAMESPACE_FORM = re.compile(rf"[^\s*?\[\]\\^]{{1,{MAX_NAMESPACE}}}")
FLAGS = {"1": True, "0": False, "true": True, "false": False}

YEAR = 365 * 24 * 3600

env = FileAwareEnv()
_known: set[str] = set()  # names of all settings, filled while they are read


@dataclass(frozen=True)
class Hsts:
    """HTTP Strict Transport Security. 0 seconds: the header is not sent."""

    seconds: int
    subdomains: bool
    preload: bool


@dataclass(frozen=True)
class Environment:
    database_url: str
    migrate_database_url: str
    listen_database_url: str
    valkey_url: str
    data_dir: Path
    host: str
    port: int
    url_prefix: str
    admin_password: str
    secret_key: str
    debug: bool
    demo: bool
    allowed_hosts: list[str]
    trusted_origins: list[str]
    behind_https: bool
    hsts: Hsts
    namespace: str
    heartbeat_rules: Rules
    trash_days: int
    startup_wait: int
    log_level: str
    log_format: str
    metrics_token: str
    metrics_port: int
    oidc: dict[str, str]


def read() -> Environment:
    """Reads and checks every setting. All programs use it, so the same rules hold everywhere."""
    settings = _read_all()
    refuse_misspelled(os.environ, _known)
    return settings


def _read_all() -> Environment:
    return Environment(
        database_url=_database("DATABASE_URL"),
        migrate_database_url=_database("MIGRATE_DATABASE_URL"),
        listen_database_url=_database("LISTEN_DATABASE_URL"),
        valkey_url=_url("VALKEY_URL", ("redis", "rediss", "unix", "valkey"), "redis://host:6379/0"),
        data_dir=(BASE_DIR / _text("DATA_DIR", ".data")).resolve(),
        host=_text("HOST", "127.0.0.1"),
        port=_number("PORT", 8000, 1, 65535),
        url_prefix=_prefix(),
        admin_password=_text("DASHBOARD_ADMIN_PASSWORD", ""),
        secret_key=_secret_key(),
        debug=_flag("DEBUG", default=False),
        demo=_flag("DEMO", default=True),
        allowed_hosts=_list(
            "ALLOWED_HOSTS",
            HOST,
            "give host names like dashboard.example.org, without scheme or port",
        ),
        trusted_origins=_list(
            "CSRF_TRUSTED_ORIGINS",
            ORIGIN,
            "give origins like https://dashboard.example.org, with their scheme and without a path",
        ),
        behind_https=_flag("BEHIND_HTTPS", default=False),
        hsts=_hsts(),
        namespace=_prefix_of_keys("SESSION_NAMESPACE", NAMESPACE),
        heartbeat_rules=_heartbeat_rules(),
        trash_days=_number("TRASH_DAYS", 30, 1, 3650),
        startup_wait=_number("STARTUP_WAIT", 0, 0, 3600),
        log_level=_choice("LOG_LEVEL", "info", ("debug", "info", "warning", "error")).upper(),
        log_format=_choice("LOG_FORMAT", "text", ("text", "json")),
        metrics_token=_metrics_token(),
        metrics_port=_number("METRICS_PORT", 0, 0, 65535),
        oidc=_oidc(),
    )


def _read(name: str, expected: str, reader: Callable[[], T]) -> T:
    _known.add(name)
    try:
        return reader()
    except EnvError:
        raise BadSetting(name, env.str(name, ""), expected) from None
    except (OSError, ValueError) as error:
        raise SetupError(f"{name} cannot be read: {error}") from None


def _text(name: str, default: str) -> str:
    return _read(name, "a text is expected", lambda: env.str(name, default).strip()) or default


def _flag(name: str, *, default: bool) -> bool:
    value = _read(name, "give 1 or 0", lambda: env.str(name, str(int(default))))
    if (flag := FLAGS.get(value.strip().lower())) is None:
        raise BadSetting(name, value, "give 1 or 0")
    return flag


def _prefix_of_keys(name: str, default: str) -> str:
    """It also stands in the patterns of Valkey's rights, where a space or `*` would mean something else."""
    expected = (
        f"give a prefix of keys such as {default}, of at most {MAX_NAMESPACE} characters, without spaces"
        f" and * ? [ ] \\ ^, or leave {name} unset"
    )
    given = _read(name, expected, lambda: env.str(name, default))
    if not NAMESPACE_FORM.fullmatch(given) or not given.isprintable():
        raise BadSetting(name, given, expected)
    return given


def _list(name: str, allowed: re.Pattern[str], expected: str) -> list[str]:
    items: list[str] = _read(name, "give names separated by commas", lambda: env.list(name, []))
    names = [item.strip() for item in items if item.strip()]
    for each in names:
        if not allowed.fullmatch(each):
            raise BadSetting(name, each, expected)
    return names


def _prefix() -> str:
    """The prefix without a trailing slash; empty if the dashboard has the host for itself."""
    given = _text("URL_PREFIX", "")
    prefix = given.removesuffix("/")
    if prefix and not PREFIX.fullmatch(prefix):
        raise BadSetting(
            "URL_PREFIX",
            given,
            "give a path like /agents, of letters, digits and . _ ~ -, without scheme or host",
        )
    return prefix


def _secret_key() -> str:
    """Applies the rule of Django's `check --deploy`. Errors do not show the key."""
    key = _text("SECRET_KEY", "")
    weak = len(key) < 50 or len(set(key)) < 5 or key.startswith("django-insecure-")
    if key and weak:
        raise SetupError(
            "SECRET_KEY is too easy to guess: give at least 50 characters of chance, such as "
            "`python3 -c 'import secrets; print(secrets.token_urlsafe(50))'` prints"
        )
    return key


def _metrics_token() -> str:
    token = _text("METRICS_TOKEN", "")
    if token and (len(token) < 16 or not token.isascii() or len(token.split()) > 1):
        raise SetupError("METRICS_TOKEN: give at least 16 letters and digits, without spaces")
    return token


def _choice(name: str, default: str, values: tuple[str, ...]) -> str:
    value = _text(name, default).lower()
    if value not in values:
        raise BadSetting(name, value, f"give {', '.join(values[:-1])} or {values[-1]}")
    return value


def _number(name: str, default: int, low: int, high: int) -> int:
    expected = f"give a whole number from {low} to {high}"
    number = _read(name, expected, lambda: env.int(name, default))
    if not low <= number <= high:
        raise BadSetting(name, number, expected)
    return number


def _database(name: str) -> str:
    """Any form that libpq accepts, including several hosts and services."""
    value = _text(name, "")
    try:
        if value and "=" not in value and "://" not in value:
            raise ValueError("it has no scheme")
        address.parts(value)
    except ValueError as error:
        expected = f"give an address like postgresql://user@host/name, or leave {name} unset"
        raise BadSetting(name, without_password(value), f"{expected} ({error})") from None
    return value


def _url(name: str, schemes: tuple[str, ...], example: str) -> str:
    value = _text(name, "")
    if not value:
        return ""
    expected = f"give an address like {example}, or leave {name} unset for the embedded server"
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  (raises when it is no number)
    except ValueError:
        raise BadSetting(name, without_password(value), expected) from None
    if parts.scheme not in schemes or not (parts.netloc or parts.path.strip("/") or parts.query):
        raise BadSetting(name, without_password(value), expected)
    return value.replace("valkey://", "redis://", 1)


def without_password(url: str) -> str:
    url = re.sub(r"(://[^:/?#@]*:).*@", r"\1***@", url)
    return re.sub(r"(?i)(password=)[^&]*", r"\1***", url)


def _hsts() -> Hsts:
    """Each part has to be named explicitly, because browsers remember it."""
    seconds = _number("HSTS_SECONDS", 0, 0, 10 * YEAR)
    subdomains = _flag("HSTS_INCLUDE_SUBDOMAINS", default=False)
    preload = _flag("HSTS_PRELOAD", default=False)
    wanted = {
        "HSTS_SECONDS": seconds,
        "HSTS_INCLUDE_SUBDOMAINS": subdomains,
        "HSTS_PRELOAD": preload,
    }
    for name in [name for name, value in wanted.items() if value]:
        if not _flag("BEHIND_HTTPS", default=False):
            raise SetupError(f"{name} needs BEHIND_HTTPS=1: without HTTPS browsers ignore it")
        if not seconds:
            raise SetupError(f"{name} needs HSTS_SECONDS: set it, or unset {name}")
    if preload and not (subdomains and seconds >= YEAR):
        raise SetupError(
            "HSTS_PRELOAD needs HSTS_INCLUDE_SUBDOMAINS=1 and HSTS_SECONDS of at least "
            f"{YEAR}: browsers take no other domain into their lists"
        )
    return Hsts(seconds, subdomains, preload)


def _heartbeat_rules() -> Rules:
    expected = (
        'give JSON like {"default": {"interval": 10, "late": 30, "lost": 120}, "tutor": '
        '{"late": 60}}; the keys are ' + ", ".join(DEFAULT_RULE)
    )
    text = _text("HEARTBEAT_RULES", "{}")
    try:
        given = json.loads(text)
        rules = merge_rules(given)
    except (ValueError, TypeError, AttributeError) as error:
        raise BadSetting("HEARTBEAT_RULES", text, f"{error}; {expected}") from None
    return rules


def _oidc() -> dict[str, str]:
    given = {name: value for name in OIDC_REQUIRED if (value := _text(name, ""))}
    if given and (missing := [name for name in OIDC_REQUIRED if name not in given]):
        raise SetupError(
            f"Single sign-on is half configured: set {', '.join(missing)} too, or unset all OIDC_*"
        )
    return given
