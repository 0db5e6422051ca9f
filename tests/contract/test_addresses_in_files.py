"""No file contains an absolute URL path of the dashboard, which would lead elsewhere below a path prefix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.environment import BASE_DIR

# A quote, a backtick or `url(`, then a path; "/" alone counts only in an attribute or a call.
WRITTEN = re.compile(
    r"""(?:["'`]|url\(\s*["']?)(?://?[A-Za-z0-9_{$][^"'`\s<>]*|/\?[^"'`\s<>]*)"""
    r"""|(?:href|src|action|content)\s*=\s*["'`]?/"""
    r"""|(?:assign|replace|open|fetch|WebSocket|URL|import)\(\s*["'`]/"""
    r"""|(?:from|import)\s+["']/|[Pp]ath=/"""
)


def files() -> Iterator[Path]:
    for folder, kinds in (
        ("templates", ("*.html", "*.txt")),
        ("static", ("*.js", "*.css", "*.svg", "*.json")),
    ):
        for kind in kinds:
            for file in sorted((BASE_DIR / folder).rglob(kind)):
                if "vendor" not in file.parts:
                    yield file


@pytest.mark.parametrize(
    "line",
    [
        'fetch("/views/counts/")',
        "fetch(`/bulk/matching/${location.search}`)",
        '<a href="/">',
        "<a href=/login/>",
        'location.assign("/")',
        'url = "/ws/sessions/"',
        "src: url(/static/x.woff2)",
        'startsWith("/login")',
        "`/?q=${text}`",
        'import { a } from "/static/js/a.js"',
        "document.cookie = `theme=${chosen}; path=/; samesite=lax`",
        '<form action="/drafts/">',
        'location.href = "/"',
    ],
)
def test_an_address_is_recognised(line: str) -> None:
    assert WRITTEN.search(line)


def test_no_template_script_or_style_holds_an_absolute_address() -> None:
    found = [
        f"{file.relative_to(BASE_DIR)}: {line.strip()[:120]}"
        for file in files()
        for line in file.read_text().splitlines()
        if WRITTEN.search(line)
    ]
    assert found == []


def test_no_view_holds_an_absolute_address() -> None:
    """Python makes URLs from their names. Values compared with `path_info` have no prefix."""
    written = re.compile(r"""(?:Redirect|redirect|href|action)\w*\(?\s*[=:]?\s*f?["']/""")
    sources = [*(BASE_DIR / "sessions_app").rglob("*.py"), *(BASE_DIR / "dashboard").rglob("*.py")]
    found = [
        f"{source.relative_to(BASE_DIR)}: {line.strip()[:120]}"
        for source in sources
        for line in source.read_text().splitlines()
        if written.search(line)
    ]
    assert found == []
