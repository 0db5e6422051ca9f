"""Roles of the embedded PostgreSQL: each log-in needs its secret, on the socket and over TCP.

Secrets are set at the first start, and when a data folder of an older version or without secrets is
started. Meanwhile the server accepts connections without a secret, on a socket in a folder that
only its account may enter.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from dashboard.embedded.account import Account
from dashboard.embedded.credentials import LogIn, secret
from dashboard.errors import SetupError
from dashboard.polling import poll

NAMES = {LogIn.OWNER: "postgres", LogIn.DASHBOARD: "dashboard", LogIn.AGENTS: "agents"}
GROUPS = {
    LogIn.DASHBOARD: "agent_sessions_dashboard",
    LogIn.AGENTS: "agent_sessions_agent",
}
CLOSED = """\
# Written at the start: every log-in gives its secret.
local all         all     scram-sha-256
local replication all     scram-sha-256
host  all         all all scram-sha-256
host  replication all all scram-sha-256
"""
OPEN = "# While the secrets are being set.\nlocal all postgres trust\n"
RELOAD_SECONDS = 30

OpenAs = Callable[[str], psycopg.Connection]


def are_set(cluster: Path, data_dir: Path) -> bool:
    hba, mark = cluster / "pg_hba.conf", _mark(cluster)
    return (
        hba.read_text() == CLOSED and mark.exists() and mark.read_text() == _fingerprint(data_dir)
    )


def open_for_setting(cluster: Path, account: Account) -> None:
    _write(cluster / "pg_hba.conf", OPEN, account)


def set_all(cluster: Path, data_dir: Path, account: Account, connect: OpenAs) -> None:
    """Sets all secrets. `connect` opens a connection as the owner with the given password."""
    with connect(secret(data_dir, "postgres", LogIn.OWNER)) as connection:
        for log_in in LogIn:
            _set(connection, log_in, secret(data_dir, "postgres", log_in))
        connection.commit()
        _write(cluster / "pg_hba.conf", CLOSED, account)
        connection.execute("SELECT pg_reload_conf()")
    _until_closed(connect)
    _write(_mark(cluster), _fingerprint(data_dir), account)


def _set(connection: psycopg.Connection, log_in: LogIn, password: str) -> None:
    """Sends a SCRAM verifier instead of the password, which a log of statements would reveal."""
    name, group = NAMES[log_in], GROUPS.get(log_in)
    verifier = connection.pgconn.encrypt_password(
        password.encode(), name.encode(), b"scram-sha-256"
    ).decode()
    for each in filter(None, (group, name)):
        if not connection.execute("SELECT to_regrole(%s)", (each,)).fetchone()[0]:  # type: ignore[index]
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(each)))
    connection.execute(
        sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
            sql.Identifier(name), sql.Literal(verifier)
        )
    )
    if group:
        connection.execute(
            sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(name))
        )


def _until_closed(connect: OpenAs) -> None:
    """Waits until secrets are required: the server reloads its file asynchronously."""
    for _is_last in poll(RELOAD_SECONDS, 0.02):
        try:
            connect("wrong").close()
        except psycopg.OperationalError:
            return
    raise SetupError("The embedded PostgreSQL does not take the secrets of its log-ins")


def _mark(cluster: Path) -> Path:
    return cluster / "log-ins.sha256"


def _fingerprint(data_dir: Path) -> str:
    """A plain hash is enough: each secret has 256 random bits."""
    secrets = " ".join(secret(data_dir, "postgres", log_in) for log_in in LogIn)
    return hashlib.sha256(secrets.encode()).hexdigest()


def _write(path: Path, text: str, account: Account) -> None:
    """Writes atomically; the server account owns the file."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    os.chown(new, account.uid, account.gid)
    new.replace(path)
