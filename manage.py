#!/usr/bin/env python
from __future__ import annotations

import os
import sys

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
        check_database(settings.DATABASE_URL)
    try:
        execute_from_command_line(sys.argv)
    except DatabaseError as error:
        if problem := explained(error):
            raise problem from None
        raise


if __name__ == "__main__":
    main()
