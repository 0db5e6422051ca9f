"""`pip install .` installs the library without Django."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from dashboard.environment import BASE_DIR

NEEDED_BY_AN_AGENT = (
    "async_timeout", "msgspec", "psycopg", "psycopg_binary", "psycopg_pool", "redis", "typing_extensions.py",
)  # fmt: skip


@pytest.fixture(scope="module")
def bare_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package installed by pip, with its dependencies only."""
    folder = tmp_path_factory.mktemp("agent")
    source, environment = folder / "source", folder / "environment"
    source.mkdir()
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(BASE_DIR / name, source)
    for name in ("agent_sessions", "sessions_app", "dashboard"):
        shutil.copytree(BASE_DIR / name, source / name)
    if (readme := BASE_DIR / "README.md").exists():
        shutil.copy(readme, source)
    venv.create(environment, with_pip=False, symlinks=True)
    (packages,) = environment.glob("lib/python3*/site-packages")
    for name in (*NEEDED_BY_AN_AGENT, "psycopg_binary.libs"):
        found = Path(sysconfig.get_path("purelib")) / name
        if found.exists():
            (packages / name).symlink_to(found)
    install(source, packages)
    return environment


def install(source: Path, packages: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"),
            *("--no-index", "--quiet", "--target", packages, source),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def ask(environment: Path, program: str) -> str:
    done = subprocess.run(
        [environment / "bin" / "python", "-I", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_agent_has_the_manager_and_no_web(bare_environment: Path) -> None:
    program = """
import importlib.util, pkgutil, agent_sessions
for module in pkgutil.walk_packages(agent_sessions.__path__, "agent_sessions."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
web = ("django", "channels", "sessions_app", "dashboard")
print([name for name in web if importlib.util.find_spec(name)], agent_sessions.__file__)
"""
    found = ask(bare_environment, program)
    assert found.startswith("[] ")
    assert str(bare_environment) in found


def test_the_sql_files_and_the_type_marker_come_along(bare_environment: Path) -> None:
    def files(root: Path) -> set[str]:
        package = root / "agent_sessions"
        found = [*package.rglob("*.sql"), *package.rglob("py.typed")]
        return {str(path.relative_to(root)) for path in found}

    (packages,) = bare_environment.glob("lib/python3*/site-packages")
    assert files(packages) == files(BASE_DIR)
    assert "agent_sessions/py.typed" in files(BASE_DIR)


def test_the_licence_comes_along(bare_environment: Path) -> None:
    (packages,) = bare_environment.glob("lib/python3*/site-packages")
    (facts,) = packages.glob("agent_sessions-*.dist-info")
    assert "License-Expression: Apache-2.0" in (facts / "METADATA").read_text().splitlines()
    assert (facts / "licenses" / "LICENSE").read_text() == (BASE_DIR / "LICENSE").read_text()


def test_an_agent_can_bring_a_database_up_to_date(
    bare_environment: Path, database_url: str
) -> None:
    program = f"import agent_sessions.schema as s; print(s.migrate({database_url!r}))"
    assert ask(bare_environment, program) == "[]"


def test_what_an_agent_installs_is_msgspec_psycopg_and_redis() -> None:
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]
    names = {Requirement(each).name for each in project["dependencies"]}
    assert names == {"msgspec", "psycopg", "redis"}
