"""Checks of settings (`manage.py check`) and of PostgreSQL's log-ins (`check --deploy`)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard import url_prefix
from dashboard.errors import SetupError

# Superusers that own nothing here (a backup, monitoring) do not count. Every role may see a connection's log-in.
LOG_INS = """
SELECT session_user::text, pg_has_role(session_user, c.relowner, 'MEMBER'), pg_get_userbyid(c.relowner)::text,
       (SELECT count(*) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
          AND (r.oid = c.relowner OR (NOT r.rolsuper AND pg_has_role(r.oid, c.relowner, 'MEMBER'))))
FROM pg_class c WHERE c.oid = to_regclass('agent_sessions')
"""


@checks.register(checks.Tags.urls)
def check_url_prefix(*_args: Any, **_kwargs: Any) -> list[checks.CheckMessage]:
    """The same rule as at the server's start, with the same message."""
    try:
        url_prefix.check(settings.URL_PREFIX)
    except SetupError as error:
        return [checks.Error(str(error), id="sessions_app.E001")]
    return []


@checks.register(checks.Tags.security, deploy=True)
def check_log_ins(*_args: Any, **_kwargs: Any) -> list[checks.CheckMessage]:
    """The tables should belong to a log-in that is used only for migrations."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(LOG_INS)
            found = cursor.fetchone()
    except DatabaseError as error:
        said = _("Who logs in to PostgreSQL was not looked at: %(error)s")
        return [
            checks.Info(said % {"error": str(error).strip().split("\n")[0]}, id="sessions_app.I001")
        ]
    if found is None:  # not migrated yet
        return []
    log_in, owns, owner, as_owner = found
    if owns:
        return [_pages_are_owner(log_in)]
    return [_connected_as_owner(owner, as_owner)] if as_owner else []


def _pages_are_owner(log_in: str) -> checks.CheckMessage:
    return checks.Warning(
        _(
            "DATABASE_URL logs in as “%(log_in)s”, which may do all that the owner of the tables may:"
            " agents that share this log-in are believed whatever they claim."
        )
        % {"log_in": log_in},
        hint=_(
            "Give web processes, watchdog and agents log-ins of their own and migrate with"
            " MIGRATE_DATABASE_URL: docs/operations.md, “Roles in PostgreSQL”."
        ),
        id="sessions_app.W001",
    )


def _connected_as_owner(owner: str, connections: int) -> checks.CheckMessage:
    return checks.Warning(
        ngettext(
            "%(count)d connection is logged in as the owner of the tables (“%(owner)s”) at this moment:"
            " an agent that writes so is believed whatever it claims.",
            "%(count)d connections are logged in as the owner of the tables (“%(owner)s”) at this"
            " moment: agents that write so are believed whatever they claim.",
            connections,
        )
        % {"count": connections, "owner": owner},
        hint=_(
            "Change their DATABASE_URL to a log-in that is a member of agent_sessions_agent:"
            " docs/operations.md, “Roles in PostgreSQL”."
        ),
        id="sessions_app.W002",
    )
