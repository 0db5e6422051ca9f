"""docs/api.md names everything there is."""

from __future__ import annotations

import re

from django.conf import settings

from sessions_app.api.app import api
from sessions_app.api.errors import KNOWN

TEXT = (settings.BASE_DIR / "docs" / "api.md").read_text("utf-8")


def test_every_path_is_described():
    for path in api.get_openapi_schema()["paths"]:
        last = path.rpartition("/")[2].replace(".{format}", ".csv")
        assert path.replace("{format}", "csv") in TEXT or f"`{last}`" in TEXT, path


def test_every_problem_is_described():
    titles = {name for _, name, _ in KNOWN} - {"refused"}
    assert titles <= set(re.findall(r"`([a-z-]+)`", TEXT))
