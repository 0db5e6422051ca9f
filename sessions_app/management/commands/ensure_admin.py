from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from dashboard.administrator import ADMIN, ensure_administrator


class Command(BaseCommand):
    help = (
        "Makes the user admin with DASHBOARD_ADMIN_PASSWORD, and the groups operators and viewers."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        ensure_administrator()
        self.stdout.write(f"The user {ADMIN} can log in.")
