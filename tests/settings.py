"""The dashboard's settings for the servers of this test process; real data is not touched."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_folder = tempfile.mkdtemp(prefix="dash-")
Path(_folder).chmod(0o711)
atexit.register(shutil.rmtree, _folder, ignore_errors=True)

for _name in (
    *("DATABASE_URL", "MIGRATE_DATABASE_URL", "VALKEY_URL"),
    *("HEARTBEAT_RULES", "ALLOWED_HOSTS", "DEBUG"),
):
    os.environ.pop(_name, None)
    os.environ.pop(f"{_name}_FILE", None)
os.environ["DATA_DIR"] = _folder
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 40

from dashboard.embedded import postgres, valkey  # noqa: E402

# Tests empty tables and read past permissions, so they log in as the owner; programs that they start
# do the same.
os.environ["DATABASE_URL"] = postgres.url(Path(_folder))
os.environ["VALKEY_URL"] = valkey.url(Path(_folder))

from dashboard.settings import *  # noqa: E402, F403
from dashboard.translations import compile_messages  # noqa: E402

# Tables are emptied while servers may still answer a page just closed. In a deadlock PostgreSQL
# ends the transaction whose deadlock_timeout expires first: not the emptying, whose timeout is
# longer than the servers' second.
DATABASES["default"]["OPTIONS"]["options"] = "-c deadlock_timeout=20s"  # noqa: F405

INSTALLED_APPS.append("tests.support")  # noqa: F405  (its `flush`)
# Otherwise each new client reads the folder of static files before its first request: 70 ms a test.
WHITENOISE_AUTOREFRESH = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

if "PYTEST_XDIST_WORKER" not in os.environ:
    compile_messages(BASE_DIR / "locale")  # noqa: F405
