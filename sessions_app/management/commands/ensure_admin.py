from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.administrator import ADMIN, ensure_administrator
from sessions_app.management.terminal import TerminalCommand


class Command(TerminalCommand):
    help_text = gettext_lazy(
        "Makes the user admin with DASHBOARD_ADMIN_PASSWORD, and the groups operators and viewers."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        ensure_administrator()
        self.stdout.write(_("The user %(name)s can log in.") % {"name": ADMIN})
