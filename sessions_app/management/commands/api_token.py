"""`manage.py api_token olga --name backup`: creates a token for a program and prints it once."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessions_app.api import tokens
from sessions_app.models import ApiToken


class Command(BaseCommand):
    help = str(
        gettext_lazy("Makes a token with which a program can use the API, or takes it away.")
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help=_("whose rights the program has"))
        parser.add_argument("--name", default="api", help=_("what the token is for"))
        parser.add_argument("--days", type=int, help=_("how long it is good; without it for ever"))
        parser.add_argument("--revoke", action="store_true", help=_("take it away instead"))

    def handle(self, *args: Any, user: str, name: str, days: int | None, **options: Any) -> None:
        found = User.objects.filter(username=user).first()
        if found is None:
            raise CommandError(_("There is no user %(name)s.") % {"name": user})
        mine = ApiToken.objects.filter(user=found, name=name)
        if options["revoke"]:
            count, _of = mine.delete()
            self.stdout.write(_("Tokens taken away: %(n)d.") % {"n": count})
            return
        if mine.exists():
            raise CommandError(
                _("%(user)s has a token “%(name)s” already: give another --name, or --revoke it.")
                % {"user": user, "name": name}
            )
        self.stdout.write(tokens.make(found, name, days))
        self.stderr.write(_("Keep it now: it is not shown again."))
