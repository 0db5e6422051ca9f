"""`manage.py migrate`: Django's command, with the log-in of MIGRATE_DATABASE_URL if that is set."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS

from dashboard.database.migration_role import connected_to, migrating_address


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        url = migrating_address(settings.ENVIRONMENT)
        if url == settings.DATABASE_URL or options["database"] != DEFAULT_DB_ALIAS:
            super().handle(*args, **options)
            return
        with connected_to(url):
            super().handle(*args, **options)
