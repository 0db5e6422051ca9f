"""A class has one meaning, and two modules have the same name only for the same kind of thing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pytest

from dashboard.environment import BASE_DIR

PACKAGES = ("agent_sessions", "sessions_app", "dashboard", "demo", "tools")

SAME_CLASS = {
    "AgentSession": "the session of the library, and Django's model of its row",
    "Checkpoint": "the checkpoint of the library, and Django's model of its row",
    "Command": "Django finds a command by this name",
    "Meta": "Django's, inside a model or a form",
    "Owner": "the owner of a session, and how the API shows it",
}
SAME_ALIAS = {
    "App": "of ASGI", "Receive": "of ASGI", "Send": "of ASGI",
    "JsonPath": "keys and indexes down to a part of a JSON value",
    "Rules": "the heartbeat rules, as they are read and as they are asked",
}  # fmt: skip
SAME_MODULE = {
    "admin": "Django's", "forms": "Django's", "models": "Django's", "urls": "Django's",
    "errors": "errors and how they are shown",
    "factory": "puts together what a process runs",
    "maintenance": "what is done now and then", "metrics": "of Prometheus",
    "manager": "what a user of the library calls", "store": "where it stores",
    "postgres": "PostgreSQL as a store, as a source, as a server",
    "valkey": "Valkey as a source, as a server",
    "queries": "questions to the database",
    "report": "what a tool found, as text", "sql": "the files, and what reads them",
    "supervisor": "starts processes again",
}  # fmt: skip
# Modules in these folders are named after what they show, read, serve or measure.
NAMED_AFTER_A_NOUN = (
    "sessions_app/views", "sessions_app/api", "sessions_app/selectors", "sessions_app/templatetags",
    "sessions_app/management/commands", "tools/bench/rows", "tools/trace",
)  # fmt: skip


def classes_in(source: str) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)}


def duplicate_classes(sources: dict[str, str]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for file, source in sources.items():
        for name in classes_in(source):
            found[name].append(file)
    return {name: files for name, files in found.items() if len(files) > 1}


def aliases_in(source: str) -> dict[str, str]:
    """Types that are named without a class, with their definition; not `State = Job.State`, which is no new name."""
    return {
        target.id: ast.unparse(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and re.fullmatch(r"[A-Z]+[a-z]\w*", target.id)
        if not re.fullmatch(rf"\w+\.{target.id}|(TypeVar|ParamSpec)\(.*", ast.unparse(node.value))
    }


def duplicate_aliases(sources: dict[str, str]) -> dict[str, list[str]]:
    """Aliases that are defined twice, or have the name of a class."""
    found = defaultdict(list)
    for file, source in sources.items():
        for name in aliases_in(source):
            found[name].append(file)
    for file, source in sources.items():
        for name in classes_in(source) & found.keys():
            found[name].append(file)
    return {name: files for name, files in found.items() if len(files) > 1}


def duplicate_modules(files: Iterable[str]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for path in map(PurePosixPath, files):
        if path.name == "__main__.py" or str(path.parent) in NAMED_AFTER_A_NOUN:
            continue
        name = path.parent.name if path.name == "__init__.py" else path.stem
        if name != path.parent.name or path.name == "__init__.py":
            found[name].append(str(path))
    return {name: files for name, files in found.items() if len(files) > 1}


def sources() -> dict[str, str]:
    return {
        str(file.relative_to(BASE_DIR)): file.read_text()
        for package in PACKAGES
        for file in sorted(Path(BASE_DIR, package).rglob("*.py"))
        if "migrations" not in file.parts
    }


@pytest.mark.parametrize(
    "other",
    ["class Page: ...", "class Other:\n    class Page: ...", "def f():\n    class Page: ..."],
)
def test_a_class_of_the_same_name_is_found(other: str) -> None:
    assert duplicate_classes({"a.py": "class Page: ...", "b.py": other}) == {
        "Page": ["a.py", "b.py"]
    }


def test_a_type_of_the_same_name_is_found() -> None:
    page = {"a.py": "Page = tuple[int, ...]"}
    assert duplicate_aliases(page | {"b.py": "Page = Sequence[int]"}) == {"Page": ["a.py", "b.py"]}
    assert duplicate_aliases(page | {"b.py": "class Page: ..."}) == {"Page": ["a.py", "b.py"]}
    assert not duplicate_aliases(page | {"b.py": "PAGE = 3\nPage = a.Page"})


def test_a_module_of_the_same_name_is_found_and_a_package_counts_as_one() -> None:
    files = ["a/worker.py", "b/worker/__init__.py", "b/worker/worker.py", "c/__main__.py"]
    assert duplicate_modules(files) == {"worker": ["a/worker.py", "b/worker/__init__.py"]}
    assert duplicate_modules(["sessions_app/views/bulk.py", "sessions_app/bulk/__init__.py"]) == {}


def test_a_class_has_one_meaning() -> None:
    found = duplicate_classes(sources())
    assert {name: files for name, files in found.items() if name not in SAME_CLASS} == {}
    assert set(found) == set(SAME_CLASS), "a name that stands once needs no reason"


def test_a_type_has_one_meaning() -> None:
    found = duplicate_aliases(sources())
    assert {name: files for name, files in found.items() if name not in SAME_ALIAS} == {}
    assert set(found) == set(SAME_ALIAS), "a name that stands once needs no reason"


def test_a_modules_name_stands_twice_only_for_the_same_kind_of_thing() -> None:
    found = duplicate_modules(sources())
    assert {name: files for name, files in found.items() if name not in SAME_MODULE} == {}
    assert set(found) == set(SAME_MODULE), "a name that stands once needs no reason"
