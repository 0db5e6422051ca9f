"""No module imports itself indirectly; imports under TYPE_CHECKING count."""

from __future__ import annotations

import grimp

PACKAGES = ("agent_sessions", "sessions_app", "dashboard", "demo")


def test_no_module_is_part_of_an_import_circle() -> None:
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False)
    imports = {m: graph.find_modules_directly_imported_by(m) for m in graph.modules}
    assert circles(imports) == []


def test_a_circle_of_three_modules_is_found() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert circles(imports) == [frozenset("abc")]


def circles(imports: dict[str, set[str]]) -> list[frozenset[str]]:
    """Groups of modules that import each other."""
    reached = {module: _reached(module, imports) for module in imports}
    groups = {
        frozenset(other for other in reached[module] if module in reached[other])
        for module in imports
        if module in reached[module]
    }
    return sorted(groups, key=sorted)


def _reached(module: str, imports: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [module]
    while waiting:
        for imported in imports.get(waiting.pop(), set()) - found:
            found.add(imported)
            waiting.append(imported)
    return found
