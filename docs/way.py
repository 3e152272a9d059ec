"""A frame's way through the daemon, read from the code of `Pipeline`: which stage hands on to which."""

from __future__ import annotations

import ast
from pathlib import Path

DAEMON = Path(__file__).parents[1] / "edge" / "daemon"
_WIDTH, _HEIGHT, _GAP = 640, 44, 22  # pixels


def stages() -> list[str]:
    """The modules of the stages of a new frame in their order, each once.

    They are those that `Pipeline.take` calls, and those that are handed to one of them when it is made.
    """
    tree = ast.parse((DAEMON / "pipeline.py").read_text(encoding="utf-8"))
    modules = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edge.daemon.")
        for alias in node.names
    }
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    made = {
        node.targets[0].attr: node.value
        for node in ast.walk(functions["__init__"])
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Attribute)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) in modules
    }
    # The first question of all, whether the picture still waits, is the storage's; a frame goes there last.
    called = [name for name in reversed(_own(functions["take"])) if name in made]
    order = list(dict.fromkeys(called))[::-1]
    order += [name for stage in order for name in _own(made[stage]) if name in made and name not in order]
    return [str(modules[ast.unparse(made[name].func)]).rpartition(".")[2] for name in order]


def _own(node: ast.AST) -> list[str]:
    """The attributes of `self` in a piece of code, in the order in which they stand there."""
    found = [
        (inner.lineno, inner.col_offset, inner.attr)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute) and ast.unparse(inner.value) == "self"
    ]
    return [name for _, _, name in sorted(found)]


def said(module: str) -> str:
    """What a stage's module says that it does, after the colon of its first sentence."""
    text = ast.get_docstring(ast.parse((DAEMON / f"{module}.py").read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split()).partition(": ")[2].rstrip(".")


def picture() -> str:
    """An SVG of the way: camera, the stages one under the other, broker."""
    boxes = [("camera", "gives a frame; it is read once")]
    boxes += [(f"{name}.py", said(name)) for name in stages()]
    boxes += [("broker", "has the field when the publisher has read it from the store")]
    step = _HEIGHT + _GAP
    height = step * len(boxes)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        "<title>A frame's way from camera to broker: each stage once, none goes back</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        '<g font-family="sans-serif" font-size="14">',
    ]
    for number, (name, text) in enumerate(boxes):
        y = number * step + 2
        parts += [
            f'<rect x="2" y="{y}" width="{_WIDTH - 4}" height="{_HEIGHT}" fill="#eee" stroke="#7b2d8b"/>',
            f'<text x="14" y="{y + 27}" font-weight="bold">{name}</text>',
            f'<text x="160" y="{y + 27}">{text}</text>',
        ]
        if number:
            parts.append(
                f'<path d="M 70 {y - _GAP} v {_GAP - 4} m -5 -7 l 5 7 l 5 -7" fill="none" stroke="#7b2d8b"/>'
            )
    return "\n".join([*parts, "</g>", "</svg>\n"])
