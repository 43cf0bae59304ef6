"""Who may import whom: what the layers of import-linter cannot say. Each rule is tried on a tree that breaks it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.syntax import parsed, statements

PURE = (
    "devenv.manifest",
    "devenv.stack",
    "devenv.plan",
    "devenv.render",
    "devenv.drafting",
    "devenv.documents",
    "devenv.masking",
    "devenv.errors",
    "devenv.urls",
    "devenv.variables",
)

ALLOWED = {
    *PURE,
    "__future__", "abc", "collections", "dataclasses", "enum", "functools", "itertools", "types", "typing",
    "base64", "copy", "difflib", "hashlib", "ipaddress", "json", "math", "re", "shlex", "string", "textwrap", "tomllib",
    "fnmatch.fnmatchcase",  # of names that are text; fnmatch asks the system whether capitals count
    "posixpath",  # of paths that are text; os.path asks the disk
    "urllib.parse",
    "importlib.import_module",  # a package that loads its parts late
    "annotated_types", "pydantic", "pydantic_core", "yaml",
}  # fmt: skip
"""All that the pure part may import. None of it reads a file, a clock, the environment or the network."""

ADAPTERS = {
    "docker": {
        "devenv.backends.docker",
        "devenv.backends.docker.connection",
        "devenv.backends.docker.events",
    },
    "python_on_whales": {"devenv.backends.images"},
    "kubernetes": {"devenv.backends.kube.transport"},
    "watchdog": {"devenv.watching.fsevents", "devenv.watching.inotify", "devenv.watching.native"},
}
"""Client -> the file that may know it."""

CYCLES = set[frozenset[str]]()
"""Files that import each other and have not been taken apart yet. Whoever does takes them off this list."""

LIGHT = {
    "devenv --help": (["devenv.cli"], ["yaml", "devenv.cli.inspect", "devenv.cli.lifecycle", "devenv.workspace"]),
    "devenv status": (
        ["devenv.cli.inspect", "devenv.cli.context", "devenv.backends.compose.backend",
         "devenv.console.tables", "devenv.plan.status"],
        ["yaml", "pickle", "csv", "devenv.memory", "devenv.sources", "devenv.backends.images", "devenv.engine",
         "devenv.stack.model", "devenv.stack.text", "devenv.stack.world", "devenv.plan.planner"],
    ),
    "devenv up -d, with nothing to do": (
        ["devenv.cli.lifecycle", "devenv.cli.context", "devenv.backends.compose.backend",
         "devenv.console.progress", "devenv.engine.lifecycle", "devenv.engine.project", "devenv.memory"],
        ["yaml", "devenv.manifest", "devenv.stack.resolve", "devenv.stack.kinds.catalogue", "devenv.stack.kinds.file",
         "devenv.render.compose", "devenv.render.kubernetes", "devenv.backends.images"],
    ),
    "devenv up -d -b process, with nothing to do": (
        ["devenv.cli.lifecycle", "devenv.cli.context", "devenv.backends.process.backend",
         "devenv.console.progress", "devenv.engine.lifecycle", "devenv.engine.project", "devenv.memory"],
        ["yaml", "devenv.manifest.models", "devenv.stack.resolve", "tempfile", "random", "secrets"],
    ),
    "devenv up -d -b kube, with nothing to do": (
        ["devenv.backends.kube.backend", "devenv.engine.lifecycle", "devenv.engine.project"],
        ["tarfile", "http.server", "devenv.manifest.models", "devenv.render.kubernetes",
         "devenv.backends.images", "devenv.backends.kube.delivery", "devenv.backends.kube.session"],
    ),
}  # fmt: skip
"""Command -> the files that begin it, and what loads too slowly to be imported with them."""

SLOW = ["pydantic", "rich", "docker", "python_on_whales", "kubernetes", "requests", "http.client"]
"""What none of these commands loads."""

Imports = Mapping[str, Mapping[str, int]]
"""File -> what it imports, in full, with the line."""


def modules(top: Path) -> dict[str, Path]:
    """The modules of a package, by name."""
    return {
        ".".join(path.relative_to(top.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(top.rglob("*.py"))
    }


def imports(files: Mapping[str, Path]) -> Imports:
    """Everything that the files import anywhere: in functions too, and for types alone.

    A type that is needed both ways stands in the wrong file, so imports under TYPE_CHECKING count.
    """
    return {
        name: {
            target: node.lineno
            for node in statements(parsed(path.read_text(encoding="utf-8")).body)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for target in targets(node, name if path.stem == "__init__" else name.rpartition(".")[0])
        }
        for name, path in files.items()
    }


def targets(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """What one statement imports, each name in full."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        parents = package.split(".")
        base = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [node.module])])
    yield from (f"{base}.{alias.name}" for alias in node.names)


def loaded(files: Mapping[str, Path], begin: Sequence[str]) -> set[str]:
    """All that is imported at once with some files: not in functions, not for types alone."""
    names: set[str] = set()
    todo = list(begin)
    while todo:
        name = todo.pop()
        names.add(name)
        if name not in files:
            continue
        package = name if files[name].stem == "__init__" else name.rpartition(".")[0]
        for node in at_once(parsed(files[name].read_text(encoding="utf-8")).body):
            for target in targets(node, package):
                module = (
                    target if target in files or not within(target, ["devenv"]) else target.rpartition(".")[0]
                )
                parents = module.split(".")
                todo += {".".join(parents[: length + 1]) for length in range(len(parents))} - names
    return names


def at_once(body: Sequence[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that run when a file does."""
    for node in body:
        match node:
            case ast.Import() | ast.ImportFrom():
                yield node
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from at_once(node.orelse)
            case ast.If() | ast.Try():
                yield from at_once([*node.body, *node.orelse])
            case ast.ClassDef() | ast.With():
                yield from at_once(node.body)


def within(name: str, packages: Sequence[str] | set[str]) -> bool:
    """Whether the name is one of these, or in one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def impure(imported: Imports) -> list[str]:
    """What the pure part imports and may not."""
    return [
        f"{name}:{line}: {target}"
        for name, used in imported.items()
        if within(name, PURE)
        for target, line in used.items()
        if not within(target, ALLOWED)
    ]


def astray(imported: Imports) -> list[str]:
    """Clients that are imported outside of their adapters."""
    return [
        f"{name}:{line}: {target}"
        for name, used in imported.items()
        for target, line in used.items()
        if name not in ADAPTERS.get(target.partition(".")[0], {name})
    ]


def entangled(imported: Imports) -> list[str]:
    """What the gateway imports of ours, and where the rest imports the gateway."""
    gateway = ["devenv.gateway"]
    return [
        f"{name}:{line}: {target}"
        for name, used in imported.items()
        for target, line in used.items()
        if within(target, ["devenv"]) and within(name, gateway) != within(target, gateway)
    ]


def cycles(imported: Imports) -> set[frozenset[str]]:
    """Files that reach each other, over however many others: each such group once."""
    graph = {
        name: {target if target in imported else target.rpartition(".")[0] for target in used} - {name}
        for name, used in imported.items()
    }

    def reachable(start: str) -> set[str]:
        names: set[str] = set()
        todo = [start]
        while todo:
            new = graph.get(todo.pop(), set()) - names
            names |= new
            todo += new
        return names

    reach = {name: reachable(name) for name in graph}
    groups = (frozenset(other for other in reach[name] if name in reach.get(other, ())) for name in graph)
    return {group for group in groups if group}


@pytest.fixture(scope="module")
def ours() -> Imports:
    return imports(modules(ROOT / "devenv"))


def test_the_pure_part_imports_only_what_does_nothing(ours: Imports) -> None:
    assert impure(ours) == []


def test_each_client_is_known_to_its_adapter_alone(ours: Imports) -> None:
    assert astray(ours) == []
    used = {target.partition(".")[0] for names in ours.values() for target in names}
    assert {client for client, adapters in ADAPTERS.items() if adapters} <= used


def test_the_gateway_stands_alone(ours: Imports) -> None:
    assert entangled(ours) == []


def test_no_two_files_import_each_other(ours: Imports) -> None:
    assert cycles(ours) == CYCLES


@pytest.mark.programs
def test_importing_the_models_builds_none_of_them() -> None:
    """A default that is validated builds its model at import, and what is built alone is built again as a part."""
    show = (
        "import devenv.stack.kinds.file; from devenv.manifest.models import Model;"
        "print([model.__name__ for model in Model.__subclasses__() if model.__pydantic_complete__])"
    )
    shown = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


@pytest.mark.parametrize("command", LIGHT)
def test_a_command_that_is_typed_often_imports_little(command: str) -> None:
    begin, slow = LIGHT[command]
    names = loaded(modules(ROOT / "devenv"), begin)
    assert set(begin) <= names
    assert sorted(name for name in names if within(name, [*SLOW, *slow])) == []


@pytest.mark.parametrize(
    ("line", "slow"),
    [
        ("import yaml", True),
        ("from devenv.parser import parse", True),
        ("class A:\n    import yaml", True),
        ("try:\n    from .parser import parse\nexcept ImportError:\n    pass", True),
        ("def f():\n    import yaml", False),
        ("if TYPE_CHECKING:\n    import yaml", False),
    ],
)
def test_only_what_is_imported_at_once_is_slow(tmp_path: Path, line: str, slow: object) -> None:
    for name, text in {"__init__": "", "parser": "import yaml", "begin": line}.items():
        path = tmp_path / "devenv" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert ("yaml" in loaded(modules(tmp_path / "devenv"), ["devenv.begin"])) is slow


@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
        ("manifest/rules/names.py", "import urllib.request", impure),
        ("manifest/rules/names.py", "from uuid import uuid4", impure),
        ("stack/model.py", "import threading", impure),
        ("stack/model.py", "def f():\n    from pathlib import Path", impure),
        ("plan/planner.py", "import os.path", impure),
        ("plan/planner.py", "from devenv.workspace import Workspace", impure),
        ("render/kong.py", "from .. import sources", impure),
        ("backends/base.py", "import docker", astray),
        ("engine/runner.py", "from watchdog.events import FileSystemEvent", astray),
        ("backends/kube/client.py", "def f():\n    import kubernetes.client", astray),
        ("gateway/router.py", "from devenv.errors import DevenvError", entangled),
        ("cli/inspect.py", "from devenv.gateway.router import Router", entangled),
        ("render/kong.py", "from devenv.gateway import schema", entangled),
        ("cli/context.py", "from devenv.cli import loading", cycles),
        ("cli/context.py", "import devenv.cli.loading", cycles),
        ("cli/context.py", "if TYPE_CHECKING:\n    from devenv.cli.between import f", cycles),
    ],
)
def test_each_rule_bites(tmp_path: Path, file: str, line: str, rule: object) -> None:
    assert callable(rule)
    tree = {
        "cli/__init__.py": "",
        "cli/loading.py": "from devenv.cli.context import Context",
        "cli/between.py": "from .loading import load",
    }
    for name, text in tree.items():
        path = tmp_path / "devenv" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "devenv" / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "devenv" / file).write_text("", encoding="utf-8")
    assert not rule(imports(modules(tmp_path / "devenv")))
    (tmp_path / "devenv" / file).write_text(line, encoding="utf-8")
    assert rule(imports(modules(tmp_path / "devenv")))
