"""Log-ins of the embedded servers, each with a secret that is stored in the data folder."""

from __future__ import annotations

import json
import secrets
from enum import StrEnum
from pathlib import Path

from dashboard.embedded.data_folder import secret_file
from dashboard.errors import SetupError

FILE = "log-ins"


class LogIn(StrEnum):
    """The owner migrates, the dashboard serves pages and runs the watchdog, agents work."""

    OWNER = "owner"
    DASHBOARD = "dashboard"
    AGENTS = "agents"


def secret(data_dir: Path, server: str, log_in: LogIn) -> str:
    """The same for all processes of this data folder."""
    text = secret_file(data_dir, FILE, _new_secrets)
    try:
        return str(json.loads(text)[server][log_in])
    except (ValueError, LookupError, TypeError):
        raise SetupError(
            f"{data_dir / FILE} cannot be read: stop what runs there and remove the file; "
            "the next start gives every log-in a new secret"
        ) from None


def _new_secrets() -> str:
    return json.dumps(
        {
            server: {str(log_in): secrets.token_urlsafe(32) for log_in in LogIn}
            for server in ("postgres", "valkey")
        }
    )
