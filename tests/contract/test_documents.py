"""Links, files and modules in the documents exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.environment import BASE_DIR

DECISIONS = BASE_DIR / "docs" / "decisions"
PAGES = sorted(path for path in DECISIONS.glob("0*.md"))
SECTIONS = ["Context", "Decision", "Rejected alternatives", "Consequences"]
DOCUMENTS = sorted([*BASE_DIR.glob("*.md"), *(BASE_DIR / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")
FOLDERS = "agent_sessions|dashboard|demo|docs|locale|sessions_app|static|templates|tests|tools"
# `tests/…` and `test_x` are placeholders.
NAMED = re.compile(rf"`((?:{FOLDERS})/[\w./-]+)`")


def headings(document: Path) -> set[str]:
    """The document's headings, as GitHub makes anchors of them."""
    lines = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", line.lower()) for line in lines)
    return {line.replace(" ", "-") for line in plain}


def broken_links(document: Path) -> Iterator[str]:
    for target, anchor in LINK.findall(document.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path = (document.parent / target).resolve() if target else document
        if not path.exists() or (anchor and anchor not in headings(path)):
            yield f"{target}#{anchor}" if anchor else target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    assert list(broken_links(document)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_named_is_there(document: Path) -> None:
    named = [name for name in NAMED.findall(document.read_text()) if "test_x" not in name]
    made = ("docs/screenshots", "static/vendor")
    missing = {name for name in named if not (BASE_DIR / name).exists()}
    assert {name for name in missing if not name.startswith(made)} == set()


def test_git_keeps_the_pictures_that_documents_show_and_no_others() -> None:
    shown = {
        str((document.parent / target).resolve().relative_to(BASE_DIR))
        for document in DOCUMENTS
        for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+\.png)\)", document.read_text())
    }
    ignored = (BASE_DIR / ".gitignore").read_text().splitlines()
    assert "/docs/screenshots/*" in ignored
    assert {line.removeprefix("!/") for line in ignored if line.startswith("!")} == shown


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda path: path.stem)
def test_a_decision_has_its_sections(page: Path) -> None:
    text = page.read_text()
    title, _, status = text.partition("\n\n")
    assert title.startswith(f"# {int(page.name[:4])}. ")
    assert status.startswith("Status: ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))
    index = (DECISIONS / "README.md").read_text()
    listed = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", index, re.MULTILINE)
    assert [name for _, _, name in listed] == [page.name for page in PAGES]
    for number, title, name in listed:
        assert (DECISIONS / name).read_text().startswith(f"# {number}. {title}\n")
