"""PostgreSQL, Valkey and daphne of one drill, in a temporary folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg

from dashboard.embedded import postgres, silently, valkey
from dashboard.embedded.data_folder import prepare, socket_folder
from dashboard.embedded.process import Child
from dashboard.environment import BASE_DIR
from tests.support.dashboard import DAPHNE, LiveDashboard, answers, free_port
from tools.chaos.wire import Wire

PASSWORD = "nur-fuer-den-probelauf"  # noqa: S105  (of a server that lives for minutes, on this machine)
PREPARE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("ensure_admin")
"""


class World:
    """The servers of a drill; if `wired`, clients reach PostgreSQL through a `Wire` that can be cut."""

    def __init__(self, folder: Path | None = None, *, wired: bool = False) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="chaos-"))
        self.folder.chmod(0o711)
        self.cluster = self.folder  # data folder of the primary
        self.wire = Wire(self.socket_of(self.folder)) if wired else None
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.postgres: Child | None = None
        self.standby: Child | None = None
        self.valkey: Child | None = None
        self.web: Child | None = None
        # commits between these times were lost by a restore
        self.lost: tuple[float, float] | None = None
        # The kernel kills children when the *thread* that started them ends: one thread starts all.
        self.hands = ThreadPoolExecutor(1, "hands")

    @staticmethod
    def socket_of(folder: Path) -> Path:
        return socket_folder(folder) / ".s.PGSQL.5432"

    @property
    def direct_url(self) -> str:
        return postgres.url(self.cluster)

    @property
    def database_url(self) -> str:
        if self.wire is None:
            return self.direct_url
        return postgres.url_through(self.cluster, self.wire.port)

    @property
    def valkey_url(self) -> str:
        return valkey.url(self.folder)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")},
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": self.database_url,
            "VALKEY_URL": self.valkey_url,
            "DASHBOARD_ADMIN_PASSWORD": PASSWORD,
            "PYTHONPATH": str(BASE_DIR),
        }

    def __enter__(self) -> World:
        try:
            prepare(self.folder)
            self.start_postgres()
            self._keep_commit_times()
            self.start_valkey()
            if self.wire is not None:
                self.wire.start()
            self._prepare_database()
            self.start_web()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        for child in (self.web, self.valkey, self.standby):
            if child is not None:
                child.stop()
        if self.wire is not None:
            self.wire.stop()
        self.stop_postgres()
        self.hands.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_postgres(self) -> None:
        self.postgres = postgres.start(self.cluster, silently, durable=True)

    def stop_postgres(self) -> None:
        if self.postgres is not None:
            self.postgres.stop()

    def database_processes(self) -> list[psutil.Process]:
        return processes_of(self.postgres)

    def start_valkey(self) -> None:
        self.valkey = valkey.start(self.folder, silently)

    def launch_valkey(self, **more: str) -> None:
        """Starts Valkey with more options, without waiting until it answers."""
        self.valkey = valkey.launch(self.folder, silently, **more)

    @property
    def valkey_folder(self) -> Path:
        return socket_folder(self.folder)

    def stop_valkey(self) -> None:
        if self.valkey is not None:
            self.valkey.stop()

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Runs SQL directly, not through the wire."""
        with psycopg.connect(self.direct_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def _keep_commit_times(self) -> None:
        """Records commit times: a change is visible from its commit, not from its timestamp."""
        self.sql("ALTER SYSTEM SET track_commit_timestamp = on")
        self.stop_postgres()
        self.start_postgres()

    def _prepare_database(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", PREPARE],
            env=self.environment,
            cwd=BASE_DIR,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the database could not be prepared: {done.stderr[-2000:]}")

    def start_web(self) -> None:
        self.web = self._served(DAPHNE, self.environment, patience=5)

    def _served(self, command: Sequence[str], env: Mapping[str, str], patience: float) -> Child:
        log = self.folder / "daphne.log"
        live = LiveDashboard.start(
            log, env, command=command, ready=answers, port=self.port, patience=patience
        )
        return live.child

    def web_log(self) -> str:
        return (self.folder / "daphne.log").read_text("utf-8", "replace")


def processes_of(child: Child | None) -> list[psutil.Process]:
    """The process and its children: a signal to the group misses PostgreSQL's, which lead sessions of their own."""
    if child is None:
        return []
    try:
        parent = psutil.Process(child.process.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def signal_all(child: Child | None, number: int) -> None:
    for one in processes_of(child):
        try:
            one.send_signal(number)
        except psutil.NoSuchProcess:
            pass


def kill(child: Child | None) -> None:
    signal_all(child, signal.SIGKILL)
    if child is not None:
        child.process.wait(10)
