"""`python -m tools.bench.login_cookie`: migrates the database; prints a superuser's session cookie."""

from __future__ import annotations

import django


def main() -> None:
    django.setup()
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    call_command("migrate", verbosity=0)
    user, _ = User.objects.get_or_create(username="bench", defaults={"is_superuser": True})
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    print(f"{name}={client.cookies[name].value}")


if __name__ == "__main__":
    main()
