"""Files that readers expect in a repository: licence, security policy, editor settings, CI."""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import re
import tomllib
from typing import Any

import yaml

from dashboard.environment import BASE_DIR

APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
PROJECT = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())


def test_the_licence_is_the_text_of_apache_2_0() -> None:
    assert hashlib.sha256((BASE_DIR / "LICENSE").read_bytes()).hexdigest() == APACHE_2_0
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert PROJECT["project"]["license-files"] == ["LICENSE"]


def test_the_workflow_runs_what_everybody_runs_and_nothing_else() -> None:
    workflow = yaml.safe_load((BASE_DIR / ".github" / "workflows" / "ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    checkout, run = job["steps"]
    assert checkout["uses"].startswith("actions/checkout@")
    assert run == {"run": ".ci/run"}
    assert os.access(BASE_DIR / ".ci" / "run", os.X_OK)


def test_the_workflow_may_read_and_nothing_else() -> None:
    workflow = yaml.safe_load((BASE_DIR / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}


def test_security_md_says_where_to_report_and_what_is_supported() -> None:
    text = (BASE_DIR / "SECURITY.md").read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[:2] == ["Report a weakness", "What is supported"]
    python = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert f"| Python | {python} and newer |" in text


def test_the_settings_that_security_md_names_exist() -> None:
    text = (BASE_DIR / "SECURITY.md").read_text()
    operations = (BASE_DIR / "docs" / "operations.md").read_text()
    named = set(re.findall(r"`([A-Z_]{4,})(?:=[^`]*)?`", text))
    assert named
    assert {name for name in named if f"`{name}`" not in operations} == set()


def test_editors_write_what_ruff_accepts() -> None:
    sections = editorconfig()
    ruff: Any = PROJECT["tool"]["ruff"]
    assert sections["*.py"]["max_line_length"] == str(ruff["line-length"])
    assert sections["*"]["indent_style"] == "space"
    assert sections["*"]["indent_size"] == "4"
    assert sections["Makefile"]["indent_style"] == "tab"


def test_editors_write_what_the_formatters_of_pages_accept() -> None:
    pages = editorconfig()["*.{html,js,css}"]
    template: Any = PROJECT["tool"]["djangofmt"]
    other = json.loads((BASE_DIR / ".oxfmtrc.json").read_text())
    assert pages["max_line_length"] == str(template["line-length"]) == str(other["printWidth"])
    assert editorconfig()["*.{html,js,css,svg,json,yml,yaml}"]["indent_size"] == str(
        template["indent-width"]
    )


def editorconfig() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string("[preamble]\n" + (BASE_DIR / ".editorconfig").read_text())
    assert parser["preamble"]["root"] == "true"
    return parser
