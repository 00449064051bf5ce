"""Who imports whom in Python folders, read from their text: at the top, inside functions, or for type checkers only."""

from __future__ import annotations

import ast
import dataclasses
import enum
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path


class Kind(enum.Enum):
    """When an import happens."""

    MODULE = "with the module"
    INNER = "when a function runs"
    TYPING = "for type checkers only"


@dataclasses.dataclass(frozen=True)
class Import:
    """One import of a module of the project by another."""

    importer: str
    imported: str
    line: int
    kind: Kind

    def __str__(self) -> str:
        return f"{self.importer} (line {self.line}) imports {self.imported} {self.kind.value}"


def modules_of(root: Path, folders: Iterable[str]) -> dict[str, Path]:
    """Returns the modules in *folders* of *root* by dotted name; a module in machine code counts by its stub."""
    modules = {}
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py*")):
            if path.suffix == ".py" or (
                path.suffix == ".pyi" and not path.with_suffix(".py").exists()
            ):
                name = ".".join(path.relative_to(root).with_suffix("").parts)
                modules[name.removesuffix(".__init__")] = path
    return modules


def imports_of(modules: Mapping[str, Path]) -> list[Import]:
    """Returns each import among *modules*."""
    found = []
    for name, path in modules.items():
        package = name if path.stem == "__init__" else name.rpartition(".")[0]
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node, kind in _import_nodes(tree, Kind.MODULE):
            found += [
                Import(name, imported, node.lineno, kind)
                for imported in _imported(node, package, modules)
            ]
    return found


def circles(imports: Iterable[Import]) -> list[list[str]]:
    """Returns the groups of modules that reach each other by *imports*, of whatever kind (Tarjan's algorithm)."""
    reached: dict[str, set[str]] = {}
    for found in imports:
        reached.setdefault(found.importer, set()).add(found.imported)
        reached.setdefault(found.imported, set())
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    groups = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for other in sorted(reached[name]):
            if other not in order:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], order[other])
        if lowest[name] == order[name]:
            start = stack.index(name)
            group = stack[start:]
            del stack[start:]
            if len(group) > 1 or name in reached[name]:
                groups.append(sorted(group))

    for name in sorted(reached):
        if name not in order:
            visit(name)
    return groups


def _import_nodes(node: ast.AST, kind: Kind) -> Iterator[tuple[ast.Import | ast.ImportFrom, Kind]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            continue  # which holds no statement, and is most of a tree
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, kind
        elif isinstance(child, ast.If) and _is_for_type_checkers(child.test):
            for guarded in child.body:
                yield from _import_nodes(ast.Module([guarded], []), Kind.TYPING)
            for other in child.orelse:
                yield from _import_nodes(ast.Module([other], []), kind)
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            inner = Kind.INNER if is_function and kind is Kind.MODULE else kind
            yield from _import_nodes(child, inner)


def _is_for_type_checkers(test: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == "TYPE_CHECKING" for node in ast.walk(test)
    ) or (isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING")


def _imported(
    node: ast.Import | ast.ImportFrom, package: str, modules: Mapping[str, Path]
) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in modules)
        return
    base = node.module or ""
    if node.level:
        parents = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*parents, *([node.module] if node.module else [])])
    for alias in node.names:
        name = f"{base}.{alias.name}"
        if name in modules:
            yield name
        elif base in modules:
            yield base
