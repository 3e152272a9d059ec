"""The public functions and classes of the device's rooms, read from the code without importing it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import rooms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = "edge"
HIDDEN = {"cli", "demo"}
"""Rooms that nobody calls from code."""

Named = ast.FunctionDef | ast.ClassDef


def reference() -> str:
    """Every room with its modules, and of each module its public names, signatures and docstrings."""
    parts = []
    for room in rooms.order(PACKAGE):
        modules = [] if room in HIDDEN else list(_modules(room))
        if modules:
            parts.append(f"## {room}\n")
        for path in modules:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            name = ".".join(path.relative_to(rooms.REPOSITORY).with_suffix("").parts)
            parts.append(f"### `{name.removesuffix('.__init__')}`\n\n{_plain(ast.get_docstring(tree))}\n")
            parts += [_entry(node) for node in public(tree)]
    return "\n".join(parts)


def public(tree: ast.Module | ast.ClassDef) -> list[Named]:
    """The functions and classes that begin with no underscore, in the order of the code."""
    return [node for node in tree.body if isinstance(node, Named) and not node.name.startswith("_")]


def signature(node: Named) -> str:
    """A function's name, arguments and result, or a class's name and what it extends."""
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        return f"class {node.name}({bases})" if bases else f"class {node.name}"
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){result}"


def _modules(room: str) -> Iterator[Path]:
    folder = rooms.REPOSITORY / PACKAGE / room
    found = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    for path in found:
        if public(ast.parse(path.read_text(encoding="utf-8"))):
            yield path


def _entry(node: Named, depth: int = 0) -> str:
    said = _plain(ast.get_docstring(node))
    lines = [f"{'  ' * depth}- `{signature(node)}`" + (f": {said}" if said else "")]
    if isinstance(node, ast.ClassDef):
        lines += [_entry(each, depth + 1).rstrip("\n") for each in public(node)]
    return "\n".join(lines) + ("\n" if not depth else "")


def _plain(docstring: str | None) -> str:
    """A docstring on one line, whose signs mean themselves outside of backticks."""
    parts = " ".join((docstring or "").split()).split("`")
    signs = str.maketrans({sign: f"\\{sign}" for sign in "\\*_[]<>|#$"})
    return "`".join(part if number % 2 else part.translate(signs) for number, part in enumerate(parts))
