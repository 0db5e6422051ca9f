"""docs/api.md is complete."""

from __future__ import annotations

import re

from django.conf import settings

from dashboard.problems import PROBLEMS
from sessions_app.api.app import api
from sessions_app.api.errors import KNOWN

TEXT = (settings.BASE_DIR / "docs" / "api.md").read_text("utf-8")


def test_every_path_is_described():
    for path in api.get_openapi_schema()["paths"]:
        last = path.rpartition("/")[2].replace(".{format}", ".csv")
        assert path.replace("{format}", "csv") in TEXT or f"`{last}`" in TEXT, path


def test_the_table_of_problems_has_each_problem_once():
    rows = re.findall(r"^\| (\d+) \| `([a-z-]+)` \|", TEXT, re.MULTILINE)
    assert sorted(rows) == sorted((str(one.status), one.title) for one in PROBLEMS)


def test_every_error_of_a_session_has_its_problem():
    assert {(name, status) for _, name, status in KNOWN} <= {(p.title, p.status) for p in PROBLEMS}


def test_every_operation_names_its_problems():
    found = api.get_openapi_schema()
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            said = {str(status) for status in operation["responses"]}
            assert {"200", "400", "401", "403", "413", "500", "503"} <= said, path
            assert method == "get" or {"404", "409", "412", "415", "422"} <= said, path
