"""Log-ins of the embedded servers: owner, dashboard and agents, each with a secret."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from psycopg.conninfo import make_conninfo
from redis.exceptions import NoPermissionError

from agent_sessions import SessionManager, schema
from dashboard.embedded import (
    Servers,
    addresses,
    credentials,
    postgres,
    running,
    valkey,
    valkey_users,
)
from dashboard.embedded.credentials import LogIn
from dashboard.environment import BASE_DIR
from dashboard.errors import SetupError
from tests.support.dashboard import own_environment
from tests.support.keys import KEYS

TRUSTING = "local all all trust\nhost all all 127.0.0.1/32 trust\n"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dash-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "data"


@pytest.fixture(scope="module")
def started() -> Iterator[Servers]:
    """Servers on which the owner has migrated the database."""
    with tempfile.TemporaryDirectory(prefix="dash-") as folder:
        Path(folder).chmod(0o711)
        with running(Servers(Path(folder) / "data", durable=False)) as servers:
            schema.migrate(postgres.url(servers.data_dir))
            yield servers


def secrets_of(data_dir: Path) -> list[str]:
    kept = json.loads((data_dir / credentials.FILE).read_text())
    return [secret for server in kept.values() for secret in server.values()]


# -- PostgreSQL ----------------------------------------------------------------------------------
FACTS = """
SELECT session_user::text, pg_has_role('agent_sessions_agent', 'MEMBER'),
       pg_has_role('agent_sessions_dashboard', 'MEMBER'),
       (SELECT pg_has_role(relowner, 'MEMBER') FROM pg_class WHERE relname = 'agent_sessions'),
       (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = session_user)
"""


@pytest.mark.parametrize(
    ("log_in", "facts"),
    [
        (LogIn.OWNER, ("postgres", True, True, True, True)),
        (LogIn.DASHBOARD, ("dashboard", False, True, False, False)),
        (LogIn.AGENTS, ("agents", True, False, False, False)),
    ],
)
def test_each_log_in_of_postgresql_is_a_member_of_its_role_alone(
    started: Servers, log_in: LogIn, facts: tuple[object, ...]
) -> None:
    with psycopg.connect(postgres.url(started.data_dir, log_in)) as connection:
        assert connection.execute(FACTS).fetchone() == facts


@pytest.mark.parametrize("log_in", list(LogIn))
@pytest.mark.parametrize("password", ["", "wrong"])
def test_without_its_secret_a_log_in_of_postgresql_is_refused(
    started: Servers, log_in: LogIn, password: str
) -> None:
    address = postgres.url(started.data_dir, log_in)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(make_conninfo(address, password=password))


def test_every_way_into_postgresql_asks_for_a_secret(started: Servers) -> None:
    with psycopg.connect(postgres.url(started.data_dir)) as connection:
        rules = connection.execute(
            "SELECT DISTINCT type, auth_method, error FROM pg_hba_file_rules ORDER BY type"
        ).fetchall()
    assert rules == [("host", "scram-sha-256", None), ("local", "scram-sha-256", None)]


async def test_an_agent_works_with_the_two_lines_that_it_is_given(started: Servers) -> None:
    urls = [
        postgres.url(started.data_dir, LogIn.AGENTS),
        valkey.url(started.data_dir, LogIn.AGENTS),
    ]
    assert started.lines() == addresses.lines(*urls)
    async with await SessionManager.connect(*urls) as manager:
        session = await manager.create_session("grader", "frau.keller")
        async with manager.attach(session.session_id) as run:
            await run.checkpoint("essay_marked", {"n": 1})
    with psycopg.connect(postgres.url(started.data_dir)) as connection:
        sources = connection.execute("SELECT DISTINCT source FROM agent_session_history").fetchall()
    assert sources == [("agent",)]


def test_the_secrets_are_made_once_and_readable_by_their_owner_alone(data_dir: Path) -> None:
    with running(Servers(data_dir, durable=False)):
        first = secrets_of(data_dir)
    with running(Servers(data_dir, durable=False)):
        assert secrets_of(data_dir) == first
    assert len(set(first)) == 6
    assert (data_dir / credentials.FILE).stat().st_mode & 0o777 == 0o600


def test_no_secret_stands_in_a_log_or_a_process_list(data_dir: Path) -> None:
    with running(Servers(data_dir, durable=False)) as servers:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(make_conninfo(postgres.url(data_dir), password="wrong"))
        processes = [psutil.Process(child.process.pid) for child in servers.children]
        processes += [each for one in processes for each in one.children()]
        shown = [" ".join(each.cmdline()) for each in processes]
    logs = [path.read_text() for path in data_dir.glob("*.log")]
    assert len(logs) == 2
    for secret in secrets_of(data_dir):
        assert [text for text in [*shown, *logs] if secret in text] == []


@pytest.mark.parametrize("how", ["made by an older version", "whose secrets were removed"])
def test_a_data_folder_goes_on_with_new_secrets(data_dir: Path, how: str) -> None:
    with running(Servers(data_dir, durable=False)):
        with psycopg.connect(postgres.url(data_dir)) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
            if how == "made by an older version":
                connection.execute("DROP ROLE agents, dashboard")
                connection.execute("ALTER ROLE postgres PASSWORD NULL")
    if how == "made by an older version":
        (data_dir / "postgres" / "pg_hba.conf").write_text(TRUSTING)
        (data_dir / "postgres" / "log-ins.sha256").unlink()
    (data_dir / credentials.FILE).unlink()
    with running(Servers(data_dir, durable=False)):
        with psycopg.connect(postgres.url(data_dir)) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
        psycopg.connect(postgres.url(data_dir, LogIn.AGENTS)).close()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(make_conninfo(postgres.url(data_dir), password="wrong"))


def test_a_start_that_was_killed_while_it_set_the_secrets_is_repeated(data_dir: Path) -> None:
    with running(Servers(data_dir, durable=False)):
        pass
    (data_dir / "postgres" / "log-ins.sha256").unlink()
    (data_dir / "postgres" / "pg_hba.conf").write_text("local all postgres trust\n")
    with running(Servers(data_dir, durable=False)):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(make_conninfo(postgres.url(data_dir), password="wrong"))


def test_secrets_that_cannot_be_read_are_named(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / credentials.FILE).write_text("{")
    with pytest.raises(SetupError, match="log-ins cannot be read: stop what runs there and remove"):
        postgres.url(data_dir)


# -- migrate ---------------------------------------------------------------------------------------
def command(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=BASE_DIR,
        env=own_environment({"VALKEY_URL": "", "MIGRATE_DATABASE_URL": "", **env}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def empty_database(started: Servers) -> Iterator[dict[str, str]]:
    """A new database: its address for each log-in."""
    owner = postgres.url(started.data_dir)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE DATABASE another")
        yield {str(log_in): postgres.url(started.data_dir, log_in, "another") for log_in in LogIn}
        connection.execute("DROP DATABASE another WITH (FORCE)")


OWNERS = "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = 'public'"


def test_migrate_uses_an_address_of_its_own_and_everything_else_the_dashboards(
    started: Servers, empty_database: dict[str, str]
) -> None:
    urls = {
        "DATABASE_URL": empty_database["dashboard"],
        "MIGRATE_DATABASE_URL": empty_database["owner"],
        "DATA_DIR": str(started.data_dir),
    }
    done = command("migrate", **urls)
    assert done.returncode == 0, done.stderr
    with psycopg.connect(empty_database["owner"]) as connection:
        assert connection.execute(OWNERS).fetchall() == [("postgres",)]
    who = command("shell", "-c", WHO, **urls)
    assert who.stdout.split()[-1:] == ["dashboard"], who.stderr


WHO = (
    "from django.db import connection; c = connection.cursor();"
    " c.execute('SELECT session_user'); print(c.fetchone()[0])"
)


def test_migrate_by_a_log_in_that_owns_nothing_says_what_to_set(
    started: Servers, empty_database: dict[str, str]
) -> None:
    urls = {"DATABASE_URL": empty_database["dashboard"], "DATA_DIR": str(started.data_dir)}
    done = command("migrate", **urls)
    assert done.returncode == 2
    assert "set MIGRATE_DATABASE_URL to the address of their owner" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_to_migrate_that_cannot_be_reached_is_named(started: Servers) -> None:
    urls = {"DATABASE_URL": postgres.url(started.data_dir), "DATA_DIR": str(started.data_dir)}
    done = command("migrate", **urls, MIGRATE_DATABASE_URL="postgresql://me@127.0.0.1:1/none")
    assert done.returncode == 2
    assert "correct MIGRATE_DATABASE_URL" in done.stderr


def test_the_embedded_database_is_migrated_by_its_owner(started: Servers) -> None:
    embedded = {"DATABASE_URL": "", "DATA_DIR": str(started.data_dir)}
    done = command("migrate", **embedded)
    assert done.returncode == 0, done.stderr
    who = command("shell", "-c", WHO, **embedded)
    assert who.stdout.split()[-1:] == ["dashboard"], who.stderr


def test_the_owners_addresses_are_printed_when_they_are_asked_for(started: Servers) -> None:
    env = {"DATA_DIR": str(started.data_dir), "DATABASE_URL": "", "VALKEY_URL": ""}
    said = subprocess.run(
        [sys.executable, "-m", "dashboard.embedded", "--print", "--log-in", "owner"],
        env=own_environment(env),
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == started.lines(LogIn.OWNER)


# -- Valkey --------------------------------------------------------------------------------------
def test_without_a_user_and_a_secret_valkey_lets_nobody_in(started: Servers) -> None:
    address = valkey.url(started.data_dir)
    with pytest.raises(redis.RedisError):
        redis.Redis.from_url(
            address.split("@")[0].split("//")[0] + "//" + address.split("@")[1]
        ).ping()
    with pytest.raises(redis.RedisError):
        redis.Redis.from_url(address.replace("owner:", "owner:x")).ping()


def test_agents_reach_their_own_keys_and_none_of_the_webs(started: Servers) -> None:
    with (
        redis.Redis.from_url(valkey.url(started.data_dir, LogIn.AGENTS)) as agents,
        redis.Redis.from_url(valkey.url(started.data_dir, LogIn.DASHBOARD)) as dashboard,
    ):
        dashboard.set(f"{KEYS.web_cache}:1", "x")
        agents.set(KEYS.copy("1"), "{}")
        for attempt in (
            ("GET", f"{KEYS.web_cache}:1"),
            ("SET", f"{KEYS.web_cache}:1", "y"),
            ("FLUSHALL",),
            ("ACL", "LIST"),
        ):
            with pytest.raises(NoPermissionError):
                agents.execute_command(*attempt)


def test_the_embedded_users_may_what_the_documented_ones_may() -> None:
    documented = (BASE_DIR / "docs" / "operations.md").read_text()
    for log_in in (LogIn.DASHBOARD, LogIn.AGENTS):
        assert f" {valkey_users.rights(log_in, 'breakpilot')}\n" in documented


@pytest.mark.parametrize("namespace", ["school", "a*b", "a b", "[x]", "back\\slash"])
def test_the_users_rights_follow_the_namespace(data_dir: Path, namespace: str) -> None:
    with (
        running(Servers(data_dir, database=False, namespace=namespace)),
        redis.Redis.from_url(valkey.url(data_dir, LogIn.AGENTS)) as agents,
    ):
        assert agents.set(f"{namespace}:session:1", "{}")
        for key in (f"{namespace}:web:1", KEYS.copy("1"), "axxb:session:1"):
            with pytest.raises(NoPermissionError):
                agents.set(key, "{}")
