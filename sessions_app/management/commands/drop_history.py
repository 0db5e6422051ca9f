"""`manage.py drop_history --before 2026-01`: removes whole months of the audit trail for good."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import OperationalError
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from sessions_app.management.terminal import TerminalCommand
from sessions_app.watchdog import retention


class Command(TerminalCommand):
    help_text = gettext_lazy(
        "Drops the history of sessions in whole months, all before a given one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--before", required=True, metavar="YYYY-MM", help=_("the first month kept")
        )
        parser.add_argument(
            "--dry-run", action="store_true", help=_("only say what would be dropped")
        )

    def handle(self, *args: Any, before: str, dry_run: bool, **options: Any) -> None:
        first_kept = parse_month(before)
        try:
            found = retention.droppable(first_kept)
        except retention.Refused as error:
            raise CommandError(str(error)) from None
        for month in found:
            self.stdout.write(self._say(month) if dry_run else self._drop(month))
        if not found:
            self.stdout.write(_("There is no history before %(month)s.") % {"month": before})
        if left := retention.strays(first_kept):
            text = ngettext(
                "%(n)d older entry has no month of its own and stays.",
                "%(n)d older entries have no month of their own and stay.",
                left,
            )
            self.stdout.write(text % {"n": left})

    def _say(self, month: retention.Month) -> str:
        return _("%(month)s would be dropped (%(size)s).") % {
            "month": f"{month.first:%Y-%m}", "size": filesizeformat(month.size),
        }  # fmt: skip

    def _drop(self, month: retention.Month) -> str:
        try:
            done = retention.drop(month)
        except OperationalError as error:
            raise CommandError(
                _("%(month)s is in use and was not dropped: try again. (%(error)s)")
                % {"month": f"{month.first:%Y-%m}", "error": str(error).splitlines()[0]}
            ) from None
        return _("%(month)s dropped: %(entries)d entries, %(size)s.") % {
            "month": f"{done.first:%Y-%m}", "entries": done.entries, "size": filesizeformat(done.size),
        }  # fmt: skip


def parse_month(text: str) -> datetime:
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):
            raise ValueError
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise CommandError(
            _("“%(text)s” is no month: write it like 2026-01.") % {"text": text[:60]}
        ) from None
