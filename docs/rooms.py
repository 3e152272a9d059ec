"""The rooms of the code, for the page on architecture: what each is for, and who imports whom."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[1]
_STEP, _LEFT, _TOP = 18, 110, 100  # pixels


def table(package: str) -> str:
    """The rooms of a package with the first sentence that each says of itself, as Markdown."""
    rows = ["| room | what it is for |", "|---|---|"]
    for name in order(package):
        path = _module(package, name)
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" if path else ""
        shown = f"{name}/" if path and path.name == "__init__.py" else f"{name}.py"
        rows.append(f"| `{package}/{shown}` | {' '.join(said.partition(chr(10) * 2)[0].split())} |")
    return "\n".join(rows) + "\n"


def imports(package: str) -> set[tuple[str, str]]:
    """Which room imports from which, as pairs of names; a module beside the folders is a room as well."""
    found = set()
    for path in (REPOSITORY / package).rglob("*.py"):
        here = path.relative_to(REPOSITORY / package).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
                found.add((here, str(node.module).split(".")[1]))
    return {(here, there) for here, there in found if here not in {there, "__init__"}}


def order(package: str) -> list[str]:
    """The rooms in the order that the test of the layers holds them to; only those that are there."""
    tree = ast.parse((REPOSITORY / "tests" / "test_layers.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ROOMS":
            rooms = dict(zip(node.value.keys, node.value.values, strict=True))  # type: ignore[attr-defined]
            names = next(names for key, names in rooms.items() if ast.literal_eval(key) == package)
            return [name for name in _constants(names) if _module(package, name) is not None]
    raise ValueError("tests/test_layers.py has no ROOMS")


def _constants(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(name)):
            yield name
        case ast.Starred(value=inner):
            yield from _constants(inner)
        case ast.Tuple(elts=elements):
            for each in elements:
                yield from _constants(each)


def _module(package: str, name: str) -> Path | None:
    folder = REPOSITORY / package / name
    return next(
        (path for path in (folder / "__init__.py", folder.with_suffix(".py")) if path.is_file()), None
    )


def picture(package: str) -> str:
    """An SVG of a package's rooms: a dot where the room of the row imports from that of the column."""
    rooms = order(package)
    centre = {name: _STEP * number + _STEP // 2 for number, name in enumerate(rooms)}
    size = _STEP * len(rooms)
    width, height = _LEFT + size + 30, _TOP + size + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>Which room of {package}/ imports from which</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<g transform="translate({_LEFT} {_TOP})" font-family="sans-serif" font-size="12" stroke-width="1">',
    ]
    for name, at in centre.items():
        parts += [
            f'<path d="M 0 {at} H {at} V {size}" fill="none" stroke="#ddd"/>',
            f'<rect x="{at - 6}" y="{at - 6}" width="12" height="12" fill="#bbb"/>',
            f'<text x="-6" y="{at + 4}" text-anchor="end">{name}</text>',
            f'<text transform="translate({at + 4} -6) rotate(-60)">{name}</text>',
        ]
    parts += [
        f'<circle cx="{centre[there]}" cy="{centre[here]}" r="5" fill="#7b2d8b"/>'
        for here, there in sorted(imports(package))
    ]
    return "\n".join([*parts, "</g>", "</svg>\n"])
