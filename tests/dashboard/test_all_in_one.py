"""`make run` without make: real processes, their messages, and no process left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

from dashboard.embedded import Servers, credentials, postgres, valkey
from dashboard.embedded.credentials import LogIn
from tests.dashboard.old_postgres import OldPostgres
from tests.support.dashboard import free_port, own_environment
from tests.support.waiting import HANGS, until

Start = Callable[..., "Run"]
UNSET = ("DATABASE_URL", "VALKEY_URL", "MAKELEVEL", "DASHBOARD_ADMIN_PASSWORD")


class Run:
    """A running `python -m dashboard.all_in_one`, whose output is read continuously."""

    def __init__(self, env: dict[str, str]) -> None:
        self.port = int(env["PORT"])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dashboard.all_in_one"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.words = ""

    def read_until(self, words: str) -> str:
        watchdog = threading.Timer(60, self.process.kill)
        watchdog.start()
        assert self.process.stdout
        while words not in self.words:
            line = self.process.stdout.readline()
            assert line, f"ended without saying {words!r}:\n{self.words}"
            self.words += line
        watchdog.cancel()
        return self.words

    def everything(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.outcome()

    def outcome(self) -> int:
        rest, _ = self.process.communicate(timeout=60)
        self.words += rest
        return self.process.returncode

    def answer(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return json.load(answer)


@pytest.fixture
def start() -> Iterator[Start]:
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="dash-") as folder:
        Path(folder).chmod(0o711)

        def start(**env: str) -> Run:
            inherited = {name: value for name, value in os.environ.items() if name not in UNSET}
            ours = {
                "DATA_DIR": f"{folder}/data",
                "DEMO": "0",
                "DJANGO_SETTINGS_MODULE": "dashboard.settings",
                "PORT": str(free_port()),
            }
            runs.append(Run({**inherited, **ours, **env}))
            return runs[-1]

        yield start
        for run in runs:
            if run.process.poll() is None:
                run.end(signal.SIGTERM)


def password_of(words: str) -> str:
    return words.split("Password")[1].split()[0]


def test_one_command_serves_and_ctrl_c_leaves_no_process(start: Start) -> None:
    run = start()
    words = run.read_until("Ctrl-C")
    assert f"http://127.0.0.1:{run.port}/" in words
    health = run.answer("/healthz")
    assert {"status": "ok", "database": "ok", "valkey": "ok"}.items() <= health.items()
    processes = run.everything()
    assert run.end(signal.SIGINT) == 0
    assert [each for each in processes if each.is_running()] == []
    assert run.words.rstrip().endswith("==> stopped")
    assert "Traceback" not in run.words


WHO = (
    "SELECT DISTINCT usename::text FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename IS NOT NULL"
)


def test_pages_and_watchdog_log_in_as_the_dashboard_and_demo_agents_as_agents(start: Start) -> None:
    run = start(DEMO="1", DEMO_PACE="0.1")
    words = run.read_until("Ctrl-C")
    data_dir = Path(words.split("(kept in ")[1].split("/admin-password")[0])
    assert f"export DATABASE_URL={postgres.url(data_dir, LogIn.AGENTS)}\n" in words
    assert f"export VALKEY_URL='{valkey.url(data_dir, LogIn.AGENTS)}'\n" in words
    with psycopg.connect(postgres.url(data_dir), autocommit=True, dbname="postgres") as sql:
        asked = WHO.replace("current_database()", f"'{postgres.DATABASE}'")
        seen: set[str] = set()
        deadline = time.monotonic() + HANGS
        while not seen >= {"dashboard", "agents"} and time.monotonic() < deadline:
            seen |= {name for (name,) in sql.execute(asked.encode()).fetchall()}
            time.sleep(0.1)
    assert seen == {"dashboard", "agents"}
    with redis.Redis.from_url(valkey.url(data_dir)) as client:
        until(lambda: users_of(client) == {"owner", "dashboard", "agents"}, said=lambda: run.words)
    owners = credentials.secret(data_dir, "postgres", LogIn.OWNER)
    children = run.everything()
    assert [each for each in children if owners in environment_of(each)] == []
    every = [credentials.secret(data_dir, "postgres", each) for each in LogIn]
    every += [credentials.secret(data_dir, "valkey", each) for each in LogIn]
    assert [each for each in children for one in every if one in command_of(each)] == []
    assert run.end(signal.SIGINT) == 0
    assert [one for one in every if one in run.words.replace(words, "")] == []


def users_of(client: redis.Redis) -> set[str]:
    """The users that are logged in. A connection that has not authenticated yet is of `default`."""
    return {line["user"] for line in client.client_list()} - {"default"}


def test_a_closed_terminal_stops_everything_too(start: Start) -> None:
    run = start()
    run.read_until("Ctrl-C")
    processes = run.everything()
    assert run.process.stdout
    run.process.stdout.close()
    run.process.send_signal(signal.SIGHUP)
    run.process.wait(30)
    assert [each for each in processes if each.is_running()] == []


def test_a_second_start_has_the_same_password_even_after_a_kill(start: Start) -> None:
    first = start()
    password = password_of(first.read_until("Ctrl-C"))
    processes = first.everything()
    first.end(signal.SIGKILL)
    second = start(PORT=str(first.port))
    assert password_of(second.read_until("Ctrl-C")) == password
    assert psutil.wait_procs(processes, timeout=10)[1] == []


@pytest.mark.parametrize(
    ("name", "part"),
    [("daphne", "daphne.server"), ("Valkey", "valkey-server"), ("PostgreSQL", "bin/postgres")],
)
def test_a_server_that_dies_is_named_and_started_again(start: Start, name: str, part: str) -> None:
    run = start()
    run.read_until("Ctrl-C")
    dead = next(each for each in run.everything() if part in command_of(each))
    dead.kill()
    run.read_until(f"warning: {name} ended by itself (exit -9): it is started again")
    until_well(run)
    until_there(run, part, dead)


def command_of(each: psutil.Process) -> str:
    """The command line; empty for a process that just ended."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(each.cmdline()).replace("-m daphne", "daphne.server")
    return ""


def environment_of(each: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return str(each.environ())
    return ""


def until_there(run: Run, part: str, dead: psutil.Process) -> None:
    """Waits for a new process of this part: /healthz is a second old at most, and may still report the dead one."""
    until(
        lambda: any(part in command_of(each) and each != dead for each in run.everything()),
        seconds=60,
        said=lambda: run.words,
    )


def until_well(run: Run) -> None:
    until(lambda: is_well(run), said=lambda: run.words)


def is_well(run: Run) -> bool:
    with suppress(OSError):
        health = run.answer("/healthz")
        return (health["status"], health["valkey"]) == ("ok", "ok")
    return False


def test_valkey_away_is_a_warning_and_a_given_password_is_not_kept(start: Start) -> None:
    run = start(
        VALKEY_URL="redis://:geheim@127.0.0.1:1/0", DASHBOARD_ADMIN_PASSWORD="ein-gutes-kennwort"
    )
    words = run.read_until("Ctrl-C")
    assert password_of(words) == "ein-gutes-kennwort"
    assert "admin-password" not in words
    assert "warning: Valkey at redis://127.0.0.1:1/0 is away" in words
    assert "geheim" not in words


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def only_line(run: Run) -> str:
    assert run.outcome() == 2
    (line,) = [line for line in run.words.splitlines() if not line.startswith("==>")]
    return line


def test_a_port_that_is_taken(start: Start, taken_port: int) -> None:
    said = only_line(start(PORT=str(taken_port)))
    assert said == (
        f"error: Port {taken_port} of 127.0.0.1 is taken: "
        "stop what serves there, or choose another PORT"
    )


def test_a_host_that_is_not_ours(start: Start) -> None:
    said = only_line(start(HOST="203.0.113.9"))
    assert said.startswith("error: HOST=203.0.113.9 is no address of this machine")


def test_a_database_that_cannot_be_reached(start: Start) -> None:
    url = f"postgresql://me:geheim@127.0.0.1:{free_port()}/none"
    said = only_line(start(DATABASE_URL=url))
    assert said.startswith("error: The database at postgresql://me@127.0.0.1:")
    assert "start it or correct DATABASE_URL" in said
    assert "geheim" not in said


def test_a_database_that_is_too_old(start: Start) -> None:
    with OldPostgres("14.9") as url:
        said = only_line(start(DATABASE_URL=url))
    assert said.startswith("error: The database is PostgreSQL 14; 15 or newer is needed")


def test_a_data_folder_that_cannot_be_written(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = only_line(start(DATA_DIR=f"{tmp_path}/file/data"))
    assert said.startswith(f"error: The data folder {tmp_path}/file/data cannot be written")


def test_a_bad_value(start: Start) -> None:
    run = start(PORT="8000", HEARTBEAT_RULES="{")
    assert only_line(run).startswith("error: HEARTBEAT_RULES={ cannot be used: ")


# -- Servers and commands started by hand ---------------------------------------------------------
def by_hand(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env=own_environment(env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


DAPHNE = ("-m", "daphne", "-p", "0", "dashboard.asgi:application")


@pytest.fixture
def unmigrated(servers: Servers) -> Iterator[str]:
    import psycopg
    from django.conf import settings

    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as connection:
        connection.execute("CREATE DATABASE unmigrated")
        yield settings.DATABASE_URL.replace("/agent_sessions", "/unmigrated")
        connection.execute("DROP DATABASE unmigrated WITH (FORCE)")


@pytest.mark.parametrize("server", [DAPHNE, ("-m", "uvicorn", "dashboard.asgi:application")])
def test_a_server_by_hand_without_migrations(server: tuple[str, ...], unmigrated: str) -> None:
    done = by_hand(*server, DATABASE_URL=unmigrated)
    assert done.returncode == 2
    assert "error: The database lacks " in done.stderr
    assert "run `python manage.py migrate`" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_by_hand_without_a_database() -> None:
    done = by_hand(*DAPHNE, DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/none")
    assert done.returncode == 2
    assert done.stderr.startswith("error: The database at postgresql://127.0.0.1:")
    assert done.stderr.count("\n") == 1


def test_a_command_without_a_database() -> None:
    done = by_hand(
        "manage.py", "migrate", DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/none"
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: The database at postgresql://127.0.0.1:")
    assert done.stderr.count("\n") == 1


def test_a_command_without_migrations(unmigrated: str) -> None:
    done = by_hand("manage.py", "ensure_admin", DATABASE_URL=unmigrated)
    assert done.returncode == 2
    assert done.stderr.startswith("error: The database lacks tables: run `python manage.py migr")


@pytest.mark.parametrize(
    "command",
    [
        ("sweep",),
        ("sweep", "--once"),
        ("drop_history", "--before", "2020-01"),
        ("purge_sessions", "--days", "30"),
        ("api_token", "admin"),
    ],
)
def test_a_command_of_ours_without_migrations_ends_in_one_line(
    command: tuple[str, ...], unmigrated: str
) -> None:
    done = by_hand("manage.py", *command, DATABASE_URL=unmigrated)
    assert done.returncode == 2
    assert done.stderr.startswith("error: The database lacks ")
    assert "run `python manage.py migrate`" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_command_on_a_database_that_is_too_old() -> None:
    with OldPostgres("14.9") as url:
        done = by_hand("manage.py", "migrate", DATABASE_URL=url)
    assert done.returncode == 2
    assert done.stderr.startswith("error: The database is PostgreSQL 14; 15 or newer is needed")


def test_a_command_with_a_bad_value() -> None:
    done = by_hand("manage.py", "check", PORT="many")
    assert done.returncode == 2
    assert done.stderr == ("error: PORT=many cannot be used: give a whole number from 1 to 65535\n")


BAD_SETTINGS = [
    ("SECRET_KEY", "a", "error: SECRET_KEY is too easy to guess: "),
    (
        "CSRF_TRUSTED_ORIGINS",
        "example.org",
        "error: CSRF_TRUSTED_ORIGINS=example.org cannot be used",
    ),
    ("DATABSE_URL", "x", "error: DATABSE_URL is no setting: DATABASE_URL may be meant"),
]
STARTS: list[tuple[str, ...]] = [
    ("manage.py", "check"),
    ("manage.py", "sweep"),
    DAPHNE,
    ("-m", "dashboard.web"),
    ("-m", "dashboard.all_in_one"),
    ("-m", "dashboard.embedded"),
    ("-m", "dashboard.healthcheck"),
]


@pytest.mark.parametrize("command", STARTS)
@pytest.mark.parametrize(("name", "value", "said"), BAD_SETTINGS)
def test_server_and_commands_refuse_the_same_settings_in_one_line(
    command: tuple[str, ...], name: str, value: str, said: str
) -> None:
    env = {"DATABASE_URL": ""} if name == "DATABSE_URL" else {}
    done = by_hand(*command, **env, **{name: value})
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_a_command_starts_the_embedded_servers_for_itself(tmp_path: Path) -> None:
    done = by_hand("manage.py", "migrate", DATABASE_URL="", DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert "Applying sessions_app" in done.stdout


def test_the_web_server_alone_needs_a_database_and_a_key() -> None:
    done = by_hand("-m", "dashboard.web", DATABASE_URL="", SECRET_KEY="")
    assert done.returncode == 2
    assert done.stderr.startswith("error: DATABASE_URL and SECRET_KEY must be set: ")


def test_the_health_check_of_a_container(migrated: str) -> None:
    port = str(free_port())
    assert by_hand("-m", "dashboard.healthcheck", PORT=port).returncode == 1
    with subprocess.Popen(
        [sys.executable, "-m", "dashboard.web"], env=own_environment({"PORT": port})
    ) as web:
        while web.poll() is None:
            done = by_hand("-m", "dashboard.healthcheck", PORT=port)
            if done.returncode == 0:
                break
            time.sleep(0.5)
        web.terminate()
    assert done.stdout.startswith('{"status": "ok", "database": "ok", "valkey": "ok"')
