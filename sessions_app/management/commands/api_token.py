"""`manage.py api_token olga --name backup --right export_history`: creates a token for a program and prints it once."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agent_sessions import InvalidInput, validation
from sessions_app.accounts.permission_labels import rights_text
from sessions_app.actions import explain
from sessions_app.api import tokens
from sessions_app.management.arguments import whole_number
from sessions_app.management.terminal import TerminalCommand
from sessions_app.models import ApiToken
from sessions_app.numbers import MAX_DAYS
from sessions_app.permissions import VIEW, labels


class Command(TerminalCommand):
    help_text = gettext_lazy(
        "Makes a token with which a program can use the API, or takes it away."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help=_("whose rights the program has"))
        parser.add_argument("--name", default="api", help=_("what the token is for"))
        parser.add_argument(
            "--days",
            type=whole_number(1, MAX_DAYS),
            help=_("how long it is good; without it for ever"),
        )
        rights = parser.add_mutually_exclusive_group()
        rights.add_argument(
            "--right",
            action="append",
            choices=sorted(labels()),
            metavar="RIGHT",
            help=_("what the program may do; several times for several: %(rights)s")
            % {"rights": ", ".join(labels())},
        )
        rights.add_argument(
            "--all-rights", action="store_true", help=_("all rights of the user, later ones too")
        )
        parser.add_argument("--revoke", action="store_true", help=_("take it away instead"))

    def handle(self, *args: Any, user: str, name: str, **options: Any) -> None:
        try:
            validation.text(user, "user")
            tokens.check_name(name)
            found = User.objects.filter(username=user).first()
            if found is None:
                raise CommandError(_("There is no user %(name)s.") % {"name": user})
            if options["revoke"]:
                self._revoke(found, name)
            else:
                rights = None if options["all_rights"] else (options["right"] or [VIEW])
                self._make(found, name, options["days"], rights)
        except InvalidInput as error:
            raise CommandError(explain(error)) from None

    def _revoke(self, user: User, name: str) -> None:
        count, _of = ApiToken.objects.filter(user=user, name=name).delete()
        self.stdout.write(_("Tokens taken away: %(n)d.") % {"n": count})

    def _make(self, user: User, name: str, days: int | None, rights: list[str] | None) -> None:
        if ApiToken.objects.filter(user=user, name=name).exists():
            raise CommandError(
                _("%(user)s has a token “%(name)s” already: give another --name, or --revoke it.")
                % {"user": user, "name": name}
            )
        self.stdout.write(tokens.make(user, name, days, rights))
        self.stderr.write(_("Keep it now: it is not shown again."))
        self.stderr.write(_("It may do: %(rights)s.") % {"rights": rights_text(rights)})
        if rights == [VIEW]:
            self.stderr.write(_("With --right or --all-rights a token may do more."))
