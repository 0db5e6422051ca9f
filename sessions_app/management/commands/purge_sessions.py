"""`manage.py purge_sessions`: removes sessions that have been in the trash for long enough."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessions_app.management.arguments import whole_number
from sessions_app.management.terminal import TerminalCommand
from sessions_app.numbers import MAX_DAYS
from sessions_app.watchdog import retention


class Command(TerminalCommand):
    help_text = gettext_lazy(
        "Removes for good what was deleted long ago, and past contexts nobody refers to."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days",
            type=whole_number(1, MAX_DAYS),
            default=retention.trash_days(),
            help=_("how long deleted sessions are kept (default: TRASH_DAYS)"),
        )

    def handle(self, *args: Any, days: int, **options: Any) -> None:
        try:
            found = retention.purge(
                days, actor=getpass.getuser(), source="command", reason="purge_sessions"
            )
        except retention.Refused as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            _("Removed for good: %(sessions)d sessions, %(contexts)d past contexts.")
            % {"sessions": found.sessions, "contexts": found.contexts}
        )
