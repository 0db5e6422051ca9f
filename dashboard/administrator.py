"""Creates the first administrator's account."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import get_user_model

from dashboard.secret import admin_password
from sessions_app.permissions import ensure_groups

ADMIN = "admin"


def ensure_administrator() -> str:
    """Creates the groups and the administrator; sets DASHBOARD_ADMIN_PASSWORD at every call if it is given.

    Returns the password, or "" if a person has changed it.
    """
    ensure_groups()
    password = settings.ENVIRONMENT.admin_password or admin_password(settings.DATA_DIR)
    users = get_user_model().objects
    user = users.filter(username=ADMIN).first()
    if user is None:
        users.create_superuser(ADMIN, password=password)
        return password
    if settings.ENVIRONMENT.admin_password and not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    return password if user.check_password(password) else ""
