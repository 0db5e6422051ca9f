"""Commands speak the language of the terminal in help, output and errors, as argparse does."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import translation
from django.utils.functional import Promise

VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def terminal_language() -> str:
    """The first variable that is set counts, as in Python's gettext; English for other languages."""
    named = next((os.environ[name] for name in VARIABLES if os.environ.get(name)), "")
    known = dict(settings.LANGUAGES)
    codes = (name.replace(".", "_").partition("_")[0].lower() for name in named.split(":"))
    return next((code for code in codes if code in known), "en")


class TerminalCommand(BaseCommand):
    """`help_text` is `help` as a lazy translation; Django's help must be a plain text."""

    help_text: Promise

    def run_from_argv(self, argv: list[str]) -> None:
        with translation.override(terminal_language()):
            super().run_from_argv(argv)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        with translation.override(terminal_language()):
            self.help = str(self.help_text)
            return super().create_parser(prog_name, subcommand, **kwargs)

    def execute(self, *args: Any, **options: Any) -> str | None:
        with translation.override(terminal_language()):
            return super().execute(*args, **options)
