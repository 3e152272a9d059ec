"""What the device's code may say to a person: sentences as they are raised, found in its source."""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAMPLE = "7"
"""What stands in a sentence for what is known only when it is said: an id, a number, another error."""

_AFTER_STATUS = {"HTTPException"}
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


class Module:
    """One module's sentences. raised: the names of the errors that carry them."""

    def __init__(self, path: Path, raised: set[str]) -> None:
        self._tree = ast.parse(path.read_text(encoding="utf-8"))
        self._raised = raised
        functions = [node for node in ast.walk(self._tree) if isinstance(node, ast.FunctionDef)]
        self._functions = {node.name: node for node in functions}

    def sentences(self) -> set[str]:
        """Return each sentence that is raised somewhere, with samples in it."""
        scopes = [each for each in ast.walk(self._tree) if isinstance(each, _FUNCTION)]
        raised = [(call, scope) for scope in scopes for call in self._raises(scope)]
        return {said for call, scope in raised for said in self._of(call, scope)}

    def _raises(self, scope: ast.AST) -> Iterator[ast.expr]:
        for node in ast.walk(scope):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            name = node.exc.func
            if isinstance(name, ast.Name) and name.id in self._raised and node.exc.args:
                yield node.exc.args[1 if name.id in _AFTER_STATUS else 0]

    def _of(self, node: ast.expr, scope: ast.AST) -> list[str]:
        """Return what an expression may be, as text."""
        found = [SAMPLE]
        match node:
            case ast.Constant(value=str(text)):
                found = [text]
            case ast.Constant(value=None):
                found = []
            case ast.IfExp():
                found = self._of(node.body, scope) + self._of(node.orelse, scope)
            case ast.BinOp():
                found = self._joined([node.left, node.right], scope)
            case ast.JoinedStr():
                found = self._joined(node.values, scope)
            case ast.FormattedValue():
                inner = self._of(node.value, scope)
                found = [repr(text) for text in inner] if node.conversion == ord("r") else inner
            case ast.Name():
                found = self._assigned(node.id, scope) or found
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name)):
                found = self._returned(name) or found
        return found

    def _joined(self, parts: list[ast.expr], scope: ast.AST) -> list[str]:
        return ["".join(texts) for texts in itertools.product(*(self._of(part, scope) for part in parts))]

    def _assigned(self, name: str, scope: ast.AST) -> list[str]:
        nodes = [*ast.walk(scope), *self._tree.body]
        return [text for node in nodes for value in _values(node, name) for text in self._of(value, scope)]

    def _returned(self, name: str) -> list[str]:
        function = self._functions.get(name)
        if function is None:
            return []
        returns = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]
        return [text for value in returns for text in self._of(value, function)]


def _values(node: ast.AST, name: str) -> list[ast.expr]:
    match node:
        case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
            return [value]
        case ast.NamedExpr(target=ast.Name(id=found), value=value) if found == name:
            return [value]
        case _:
            return []
