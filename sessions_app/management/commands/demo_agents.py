"""`manage.py demo_agents`: runs the demo agents as child processes until Ctrl-C."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.embedded import database_url, valkey_url
from dashboard.embedded.credentials import LogIn
from demo.supervisor import Supervisor, crew
from sessions_app.management.arguments import factor, whole_number
from sessions_app.management.terminal import TerminalCommand

MAX_AGENTS = 100
MAX_PACE = 1000


class Command(TerminalCommand):
    help_text = gettext_lazy("Starts demo agents as processes of their own, until Ctrl-C.")
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        several = whole_number(0, MAX_AGENTS)
        parser.add_argument(
            "--graders", type=several, default=3, help=_("how many grader processes")
        )
        parser.add_argument("--tutors", type=several, default=2, help=_("how many tutor processes"))
        parser.add_argument(
            "--pace",
            type=factor(MAX_PACE),
            help=_("multiplies every pause of the agents (DEMO_PACE)"),
        )
        parser.add_argument(
            "--no-kills", action="store_true", help=_("kill no agent process now and then")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        check_table()
        environ = environment(options["graders"], options["pace"])
        programs = crew(options["graders"], options["tutors"])
        supervisor = Supervisor(programs, environ, self.say, kills=not options["no_kills"])
        with only_once(Path(environ["DEMO_DIR"])):
            self.say(_("%(count)d agent processes are starting.") % {"count": len(programs)})
            supervisor.run()
        self.say(_("All agent processes have ended."))

    def say(self, message: str) -> None:
        self.stdout.write(f"demo: {message}")
        self.stdout.flush()


@contextmanager
def only_once(folder: Path) -> Iterator[None]:
    """Refuses a second run: its agents would have the same names and share sessions."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "agents.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(_("The demo agents are running already.")) from None
        yield


def check_table() -> None:
    try:
        if "agent_sessions" not in connection.introspection.table_names():
            raise CommandError(
                _("The table agent_sessions is missing. Run: python manage.py migrate")
            )
    finally:
        connection.close()


def environment(graders: int, pace: float | None) -> dict[str, str]:
    """This process's environment, with the log-ins and settings of the agents, which do not read Django's."""
    given = settings.ENVIRONMENT
    added = {
        "DATABASE_URL": database_url(given, LogIn.AGENTS),
        "VALKEY_URL": valkey_url(given, LogIn.AGENTS),
        "SESSION_NAMESPACE": str(settings.SESSION_NAMESPACE),
        "DEMO_DIR": os.environ.get("DEMO_DIR") or str(settings.DATA_DIR / "demo"),
        "DEMO_GRADERS": str(graders),
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(settings.BASE_DIR), os.environ.get("PYTHONPATH")])
        ),
    }
    if pace is not None:
        added["DEMO_PACE"] = str(pace)
    return {**os.environ, **added}
