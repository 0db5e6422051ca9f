"""`manage.py sweep`: runs the watchdog until it is stopped. Any number may run; one of them is the leader."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from prometheus_client import start_http_server

from agent_sessions.tasks import cancel_and_wait
from dashboard.preflight import check_migrations
from sessions_app.management.terminal import TerminalCommand
from sessions_app.watchdog.factory import watchdog
from sessions_app.watchdog.leader import LOST


class Command(TerminalCommand):
    help_text = gettext_lazy("Watches over silent sessions and fails what is lost, until Ctrl-C.")
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help=_("look once and end"))

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        check_migrations()
        if settings.METRICS_PORT and not once:
            start_http_server(settings.METRICS_PORT, settings.METRICS_HOST)
        asyncio.run(watch(once))


async def watch(once: bool) -> None:
    watching = watchdog()
    task = asyncio.create_task(watching.check() if once else watching.run(), name="sweeper")
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    stop = asyncio.create_task(asked.wait(), name="asked to stop")
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()  # raises: a failed check must not end `--once` with success
    except LOST as error:
        raise CommandError(_("PostgreSQL does not answer: %(error)s") % {"error": error}) from error
    finally:
        await cancel_and_wait(*(each for each in (stop, task) if not each.done()))
        await watching.close()
