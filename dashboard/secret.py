"""Secrets that are made at the first start and stored in the data folder, readable by the owner only."""

from __future__ import annotations

import secrets
from pathlib import Path

from dashboard.embedded.data_folder import secret_file


def secret_key(data_dir: Path) -> str:
    return secret_file(data_dir, "secret-key", lambda: secrets.token_urlsafe(50))


def admin_password(data_dir: Path) -> str:
    return secret_file(data_dir, "admin-password", lambda: secrets.token_urlsafe(12))
