"""The embedded servers: started, reused, stopped, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from dashboard.embedded import Servers, data_folder, postgres, running, valkey
from dashboard.problems import Problem


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not below pytest's folder, which only its owner may enter."""
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
        with pytest.raises(Problem, match=f"in use by process {os.getpid()}: stop that one first"):
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
    assert holder.stdout.readline().startswith("DATABASE_URL=")
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
    with pytest.raises(Problem, match="holds data of PostgreSQL 16, and the embedded server is 18"):
        with running(servers(data_dir)):
            pass


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match=r"cannot be written \(Not a directory\): give this account"):
        with running(servers(tmp_path / "file" / "data")):
            pass


def test_nobody_else_may_enter_the_folder_of_the_sockets(data_dir: Path) -> None:
    with running(servers(data_dir)):
        assert data_folder.socket_folder(data_dir).stat().st_mode & 0o077 == 0


def test_root_steps_down_even_below_a_folder_that_only_root_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    ours = psutil.Process().username()
    with running(servers(closed / "data")) as started:
        assert ask(closed / "data", "SELECT 1") == 1
        users = {psutil.Process(child.process.pid).username() for child in started.children}
    assert users == {"nobody" if os.geteuid() == 0 else ours}
    assert closed.stat().st_mode & 0o077 == 0
