"""`pyproject.toml` names the packages; `requirements*.txt` pin versions and hashes."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dashboard.environment import BASE_DIR

PROJECT = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())
GROUPS: dict[str, list[str]] = PROJECT["dependency-groups"]
INSTALLED = ["dashboard", "embedded", "dev", "bench"]  # by `make setup`
ONE_VERSION = re.compile(r"[a-z0-9-]+==[0-9][^ ]*( ; [^#]+)?")
HASH = re.compile(r"sha256:[0-9a-f]{64}")
SUPPORTED = [
    {"python_full_version": f"{version}.{patch}", "python_version": version, "platform_machine": of}
    for version, patch in (("3.11", 2), ("3.11", 14), ("3.12", 12), ("3.13", 9))
    for of in ("x86_64", "aarch64")
]


class Pin(NamedTuple):
    """One pinned version of a package in an export."""

    requirement: Requirement
    hashes: list[str]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        return str(self.requirement.specifier).removeprefix("==")


def export(group: str) -> Path:
    return BASE_DIR / ("requirements.txt" if group == "dashboard" else f"requirements-{group}.txt")


def entries(group: str) -> Iterator[str]:
    """Each requirement of an export as one line, without comments."""
    lines = export(group).read_text().replace("\\\n", " ").splitlines()
    return (line.strip() for line in lines if line.strip() and line.strip()[0] != "#")


def pins(group: str) -> list[Pin]:
    return [
        Pin(Requirement(what), hashes)
        for what, *hashes in (re.split(r"\s+--hash=", entry) for entry in entries(group))
    ]


def wanted(group: str) -> list[Requirement]:
    own = PROJECT["project"]["dependencies"] if group == "dashboard" else []
    return [Requirement(each) for each in (*own, *GROUPS[group])]


def here(pin: Pin) -> bool:
    return pin.requirement.marker is None or pin.requirement.marker.evaluate()


def _applies(needed: Requirement, extras: set[str]) -> bool:
    marker = needed.marker
    return marker is None or any(marker.evaluate({"extra": each}) for each in {*extras, ""})


def test_every_group_has_its_export_and_every_export_its_group() -> None:
    assert {export(group) for group in GROUPS} == set(BASE_DIR.glob("requirements*.txt"))


@pytest.mark.parametrize("group", GROUPS)
def test_every_requirement_is_one_version_with_hashes(group: str) -> None:
    for entry in entries(group):
        what, *hashes = re.split(r"\s+--hash=", entry)
        assert ONE_VERSION.fullmatch(what), entry
        assert hashes, f"{what} has no hash"
        assert [each for each in hashes if not HASH.fullmatch(each)] == [], entry


@pytest.mark.parametrize("group", GROUPS)
def test_an_export_names_no_index_and_no_folder(group: str) -> None:
    text = export(group).read_text()
    assert re.findall(r"\w+://|^\s*-(?!-hash=).*| @ |(?:^|[\s'\"])/\w+", text, re.MULTILINE) == []


@pytest.mark.parametrize("group", GROUPS)
def test_an_export_has_what_its_group_asks_for(group: str) -> None:
    found = defaultdict(list)
    for pin in pins(group):
        found[pin.name].append(pin.version)
    drift = [
        str(each)
        for each in wanted(group)
        if not any(each.specifier.contains(v) for v in found[canonicalize_name(each.name)])
    ]
    assert drift == [], "run: make requirements"


@pytest.mark.parametrize("group", GROUPS)
def test_what_came_along_says_with_what(group: str) -> None:
    """Detects an export that was not repeated after a package left its group."""
    text = export(group).read_text()
    source = "agent-sessions (pyproject.toml"
    named = {
        canonicalize_name(block.split("==")[0].strip())
        for block in re.split(r"\n(?=[a-z0-9])", text)
        if source in block
    }
    assert named == {canonicalize_name(each.name) for each in wanted(group)}


def test_a_package_has_the_same_version_and_hashes_in_every_export() -> None:
    found = defaultdict(set)
    for group in GROUPS:
        for pin in pins(group):
            if here(pin):
                found[pin.name].add((pin.version, *pin.hashes))
    assert {name: versions for name, versions in found.items() if len(versions) > 1} == {}


@pytest.mark.parametrize("group", ["dashboard", "embedded", "dev", "bench"])
def test_an_export_is_complete_by_itself(group: str) -> None:
    asked: dict[str, set[str]] = defaultdict(set)
    for each in wanted(group):
        asked[canonicalize_name(each.name)] |= each.extras
    pinned = {pin.name for pin in pins(group) if here(pin)}
    missing = {
        f"{needed.name} (for {name})"
        for name in pinned
        for needed in map(Requirement, distribution(name).requires or [])
        if _applies(needed, asked[name]) and canonicalize_name(needed.name) not in pinned
    }
    assert missing == set()


@pytest.mark.parametrize("machine", SUPPORTED, ids=lambda each: "-".join(each.values()))
def test_every_supported_machine_gets_one_version_of_each(machine: dict[str, str]) -> None:
    machine = {**machine, "sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    for group in GROUPS:
        names = [
            pin.name
            for pin in pins(group)
            if pin.requirement.marker is None or pin.requirement.marker.evaluate(machine)
        ]
        assert sorted(names) == sorted(set(names))
        assert {canonicalize_name(each.name) for each in wanted(group)} <= set(names)


def test_what_is_installed_is_what_is_pinned() -> None:
    other = {
        pin.name: distribution(pin.name).version
        for group in INSTALLED
        for pin in pins(group)
        if here(pin) and distribution(pin.name).version != pin.version
    }
    assert other == {}


def test_pip_compares_the_hashes_where_make_installs() -> None:
    (command,) = re.findall(
        r"^.*-m pip install.*$", (BASE_DIR / ".ci/install").read_text(), re.MULTILINE
    )
    assert "--require-hashes" in command


def test_the_image_has_what_the_dashboard_needs_and_no_embedded_server() -> None:
    """Containers use external servers."""
    dockerfile = (BASE_DIR / "Dockerfile").read_text()
    installs = [line for line in dockerfile.splitlines() if "pip install" in line]
    assert installs == ["RUN pip install --require-hashes -r requirements.txt"]
    names = {pin.name for pin in pins("dashboard")}
    assert {"django", "daphne"} <= names
    assert names & {canonicalize_name(each.name) for each in wanted("embedded")} == set()
