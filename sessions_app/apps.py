from __future__ import annotations

import logging
from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

import agent_sessions.schema

logger = logging.getLogger(__name__)


class SessionsAppConfig(AppConfig):
    name = "sessions_app"
    verbose_name = _("Agent sessions")

    def ready(self) -> None:
        from sessions_app import checks  # noqa: F401 - registers itself

        # Sent once for each app: after the last one all tables exist.
        post_migrate.connect(grant_roles, dispatch_uid="sessions_app.grant_roles")


def grant_roles(using: str, **_kwargs: Any) -> None:
    """Grants Django's tables to the dashboard's role, whichever app has created them."""
    connection = connections[using]
    if "agent_sessions" not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        missing = agent_sessions.schema.grant(cursor)
    for statement in missing:
        logger.warning(agent_sessions.schema.ROLE_IS_MISSING, statement)
