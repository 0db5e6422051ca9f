"""The documentation names every bound of what may be stored, and every format of an export."""

from __future__ import annotations

import re

import pytest

from agent_sessions import validation
from dashboard.environment import BASE_DIR
from sessions_app.api import export

LIMITS = {
    "context, metadata of a session": f"{validation.MAX_CONTEXT_BYTES // 2**20} MiB",
    "a checkpoint's `data`, `metadata`; `result` and `error_details` of an end": f"{validation.MAX_DATA_BYTES // 2**20} MiB",
    "levels of nesting": str(validation.MAX_DEPTH),
    "agent type": f"{validation.MAX_AGENT_TYPE} characters",
    "user, actor": f"{validation.MAX_USER} characters",
    "name of a checkpoint or step": f"{validation.MAX_NAME} characters",
    "reason, error": f"{validation.MAX_TEXT:,} characters",
}


@pytest.mark.parametrize("what", LIMITS)
def test_each_bound_is_in_the_documentation(what: str) -> None:
    agents = (BASE_DIR / "docs" / "agents.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (.+?) \| ([^|]+?) \|$", agents, re.MULTILINE))
    assert rows.get(what) == LIMITS[what]


@pytest.mark.parametrize("path", ["/api/sessions/{id}/history", "/api/history"])
def test_each_format_of_an_export_is_in_the_documentation(path: str) -> None:
    [line] = [
        line
        for line in (BASE_DIR / "docs" / "api.md").read_text("utf-8").splitlines()
        if f"`GET {path}.csv`" in line
    ]
    named = re.findall(r"`(?:GET \S+?/)?history\.([a-z.]+)`", line)
    assert sorted(named) == sorted(export.FORMATS)
