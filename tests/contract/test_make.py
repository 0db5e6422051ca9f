"""Commands of the Makefile's targets; CONTRIBUTING.md lists every target."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from dashboard.environment import BASE_DIR

ONE = "tests/library/test_states.py"


def dry_run(*arguments: str, **environment: str) -> str:
    """The commands that `make` would run if everything were installed."""
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *arguments],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_make_test_checks_everything() -> None:
    commands = dry_run("test")
    for each in (".ci/chromium", "ruff check", "ruff format --check", "lint-imports", "mypy"):
        assert each in commands
    for each in (
        *("djangofmt --check templates", "djangofmt check templates"),
        *("oxfmt --check static/css", "tools.styles"),
        *("oxfmt --check static/js", "oxlint --deny-warnings static/js"),
    ):
        assert each in commands
    assert '-m pytest -n 4 -m "not browser"; failed=$?;' in commands
    assert commands.rstrip().endswith(
        "-m pytest -n 2 -m browser && exit $failed"
    )  # with those before: every test


@pytest.mark.parametrize("target", ["test", "cover"])
def test_with_only_these_tests_alone_are_run(target: str) -> None:
    commands = dry_run(target, f"only={ONE}")
    for each in (".ci/chromium", "ruff", "lint-imports", "mypy", "-n 4"):
        assert each not in commands
    assert f"-m pytest {ONE}" in commands


def test_a_variable_of_the_environment_takes_nothing_out_of_make_test() -> None:
    assert dry_run("test", only=ONE) == dry_run("test")


def test_cover_measures_what_the_tests_run() -> None:
    assert "-m pytest -n 4 --cov" in dry_run("cover")


def test_every_target_of_make_help_is_in_contributing() -> None:
    listed = subprocess.run(
        ["make", "help"], cwd=BASE_DIR, capture_output=True, text=True, check=True
    ).stdout
    targets = set(re.findall(r"^  make ([a-z]+)", listed, re.MULTILINE))
    named = set(re.findall(r"make ([a-z]+)", (BASE_DIR / "CONTRIBUTING.md").read_text()))
    assert {"dev", "psql", "cover", "test"} <= targets
    assert targets - named == set()
