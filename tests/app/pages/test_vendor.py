"""Vendored files match the table in their README."""

import hashlib
from pathlib import Path

import pytest

VENDOR = Path(__file__).parents[3] / "static" / "vendor"


def rows() -> list[list[str]]:
    lines = (VENDOR / "README.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("| ") and "sha256" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_vendored_file_is_the_one_its_table_names(row: list[str]) -> None:
    path, _package, _version, _licence, checksum = row
    assert hashlib.sha256((VENDOR / path).read_bytes()).hexdigest() == checksum
    assert (VENDOR / path).with_name("LICENSE").exists()


def test_no_vendored_file_is_missing_from_the_table() -> None:
    found = {str(p.relative_to(VENDOR)) for p in VENDOR.rglob("*") if p.is_file()}
    licences = {name for name in found if name.endswith("LICENSE")}
    assert found - licences - {"README.md"} == {row[0] for row in rows()}
