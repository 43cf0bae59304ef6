"""The embedded gateway stands alone, and its files import one another in one direction."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import devenv

ROOT = Path(devenv.__file__).parent


def imports(file: Path) -> set[str]:
    """The modules of devenv that a file imports, also those for types alone and inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
    return {name for name in names if name.split(".")[0] == "devenv"}


def module(file: Path) -> str:
    return ".".join(["devenv", *file.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")


def test_no_two_files_of_the_gateway_import_each_other() -> None:
    files = {module(file): imports(file) for file in ROOT.glob("gateway/**/*.py")}
    assert len(files) > 20
    graph = {name: (used - {name}) & set(files) for name, used in files.items()}
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the cycle


def test_the_gateway_imports_nothing_of_ours_and_nothing_of_ours_imports_it() -> None:
    for file in ROOT.rglob("*.py"):
        own = file.is_relative_to(ROOT / "gateway")
        for name in imports(file):
            assert name.startswith("devenv.gateway") is own, f"{module(file)} imports {name}"
