"""Mutants of Python: comparisons inverted, operands and statements removed, conditions negated."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.mutants.mutant import Mutant, in_one_line

_TURNED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.GtE, ast.LtE),
    ast.LtE: (ast.Gt, ast.Lt),
    ast.Gt: (ast.LtE, ast.GtE),
    ast.GtE: (ast.Lt, ast.Gt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_DROPPED = (ast.AugAssign, ast.Raise, ast.Delete)


def mutants(path: str, text: str) -> Iterator[Mutant]:
    starts = _line_starts(text)
    for node, where in _inside(ast.parse(text), "module"):
        for place, becomes in _replacements(node):
            start = _position(text, starts, place.lineno, place.col_offset)
            end = _position(text, starts, place.end_lineno or 0, place.end_col_offset or 0)
            what = f"`{in_one_line(text[start:end])}` → `{in_one_line(becomes)}`"
            yield Mutant(path, start, end, becomes, where, what)


def _inside(node: ast.AST, where: str) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Every expression and statement with its function, without annotations."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST):
                continue
            named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            inner = f"{where}.{child.name}".removeprefix("module.") if named else where  # type: ignore[attr-defined]
            if isinstance(child, ast.expr | ast.stmt) and not _is_for_types(child):
                yield child, inner
                yield from _inside(child, inner)
            elif not isinstance(child, ast.expr | ast.stmt):
                yield from _inside(child, inner)


def _is_for_types(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def _replacements(node: ast.expr | ast.stmt) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for turned in _TURNED[type(node.ops[0])]:
            compared = ast.Compare(node.left, [turned()], node.comparators)
            yield node, f"({ast.unparse(compared)})"
    elif isinstance(node, ast.BoolOp):
        for left_out in node.values:
            rest = [value for value in node.values if value is not left_out]
            kept = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
            yield node, f"({ast.unparse(kept)})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node, f"({ast.unparse(node.operand)})"
    elif isinstance(node, ast.IfExp):
        yield node, f"({ast.unparse(node.body)})"
        yield node, f"({ast.unparse(node.orelse)})"
    elif isinstance(node, ast.If | ast.While):
        if isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
            yield node.test, f"(not {ast.unparse(node.test)})"
    elif isinstance(node, _DROPPED) or _is_effect(node):
        yield node, "pass"


def _is_effect(node: ast.expr | ast.stmt) -> bool:
    """A call for its effect, or an assignment to an object that outlives the function."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call | ast.Await)
    if isinstance(node, ast.Assign):
        return all(isinstance(t, ast.Attribute | ast.Subscript) for t in node.targets)
    return False


def _line_starts(text: str) -> list[int]:
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _position(text: str, starts: list[int], line: int, offset: int) -> int:
    """The offset in characters: ast counts lines and bytes of UTF-8."""
    whole = text[starts[line - 1] : starts[line]]
    return starts[line - 1] + len(whole.encode()[:offset].decode())
