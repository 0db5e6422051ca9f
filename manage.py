#!/usr/bin/env python
from __future__ import annotations

import os
import sys
from typing import Any

from dashboard.errors import exit_with_message


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    with exit_with_message():
        from dashboard.embedded import for_command

        with for_command(sys.argv):
            execute()


def execute() -> None:
    from django.conf import settings
    from django.core.management import execute_from_command_line
    from django.db.utils import DatabaseError

    from dashboard.embedded import needs_servers
    from dashboard.preflight import check_database, explained

    if needs_servers(sys.argv):
        check_database(*address_for(sys.argv[1], settings))
    try:
        execute_from_command_line(sys.argv)
    except DatabaseError as error:
        if problem := explained(error):
            raise problem from None
        raise


def address_for(command: str, settings: Any) -> tuple[str, str]:
    """Where this command writes, and the setting that says so."""
    if command == "migrate" and settings.ENVIRONMENT.migrate_database_url:
        return settings.ENVIRONMENT.migrate_database_url, "MIGRATE_DATABASE_URL"
    return settings.DATABASE_URL, "DATABASE_URL"


if __name__ == "__main__":
    main()
