"""Installs of a project's packages that leave its sources alone: a changed source needs no other image."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

BACKENDS = (
    "setuptools.build_meta",
    "hatchling.build",
    "poetry.core.masonry.api",
    "flit_core.buildapi",
    "uv_build",
)
"""Build backends that copy and compile nothing, where nothing in the project asks for more."""

SCRIPTS = frozenset(
    [
        "preinstall",
        "install",
        "postinstall",
        "prepublish",
        "preprepare",
        "prepare",
        "postprepare",
        "dependencies",
    ]
)
"""What a package manager runs of a `package.json` when it installs."""

_HUSKY = re.compile(r"husky(?: install)?(?: \|\| true)?$")  # hooks of Git, which an image has none of
_PIP = r"install(?: -(?:q|U|-quiet|-upgrade|-no-cache-dir|-no-deps|-system)| (?:-e|--editable)[ =]\S+)+$"
_FLAGS = r"(?: --?[\w-]+(?:=\S+)?| (?:-F|-w|--filter|--workspace|--omit|--include|--loglevel) \S+)*$"
_NODE = (".npmrc", "*.prisma", "patches/")  # Prisma's own package reads its schemas when it is installed
_INSTALLS = {
    r"uv sync\b(?!.* --(?:no-editable|script)\b)": ("pyproject.toml", "uv.lock", "uv.toml"),
    r"poetry install\b": ("pyproject.toml", "poetry.lock", "poetry.toml"),
    rf"(?:pip3?|uv pip|python3? -m pip) {_PIP}": ("pyproject.toml", "setup.cfg"),
    rf"npm (?:ci|install|i)(?!.* (?:-g|--global)\b){_FLAGS}": (
        "package.json",
        "package-lock.json",
        "npm-shrinkwrap.json",
        *_NODE,
    ),
    rf"pnpm (?:install|i){_FLAGS}": (
        "package.json",
        "pnpm-lock.yaml",
        "pnpm-workspace.yaml",
        ".pnpmfile.cjs",
        *_NODE,
    ),
    rf"yarn(?: install)?{_FLAGS}": ("package.json", "yarn.lock", ".yarnrc", ".yarnrc.yml", ".yarn/", *_NODE),
}
"""Pattern of a command -> the package file that it is about, and what else it reads of a project."""


def reads(command: Sequence[str], linked: Collection[str]) -> tuple[str, ...]:
    """Patterns of all files that matter to an install which leaves sources alone; none for any other command.

    `linked`: the package files, by name, of which all installs are so.
    """
    line = re.sub(r"^(?:/usr(?:/local)?)?/bin/", "", " ".join(command))
    names = next((names for pattern, names in _INSTALLS.items() if re.match(pattern, line)), ())
    return names if names[:1] and names[0] in linked else ()


def linked(texts: Mapping[str, str]) -> frozenset[str]:
    """The package files of which all installs leave sources alone, by name; path in a project -> text."""
    judged: dict[str, bool] = {}
    for path, text in texts.items():
        name, judge = _JUDGES[posixpath.basename(path)]
        judged[name] = judged.get(name, True) and judge(text)
    return frozenset(name for name, good in judged.items() if good)


def counts(path: str) -> bool:
    """Whether a file of a project says how it is installed."""
    return posixpath.basename(path) in _JUDGES and "node_modules/" not in path


def _is_package_linked(text: str) -> bool:
    """Whether an install of a `package.json` runs nothing of the project, and copies no folder."""
    try:
        package = json.loads(text)
        scripts = {name: line for name, line in package.get("scripts", {}).items() if name in SCRIPTS}
        required = [
            package.get(key, {}) for key in ("dependencies", "devDependencies", "optionalDependencies")
        ]
        return all(map(_HUSKY.match, scripts.values())) and "file:" not in str(required)
    except (ValueError, AttributeError, TypeError):
        return False


def _is_project_linked(text: str) -> bool:
    """Whether an editable install links a Python project, and all folders that it requires."""
    import tomllib  # most projects need none

    try:
        project = tomllib.loads(text)
        backend = project.get("build-system", {}).get("build-backend", BACKENDS[0])
        return (
            backend in BACKENDS
            and not _asks_for_more(project.get("tool", {}))
            and "file:" not in str(project.get("project", {}))
            and all(map(_is_link, _required(project.get("tool", {}))))
        )
    except (tomllib.TOMLDecodeError, AttributeError, TypeError):
        return False


def _is_compiled(text: str) -> bool:
    """A program of the project, or a recipe of a compiler, may use any file."""
    return False


_JUDGES = {
    "pyproject.toml": ("pyproject.toml", _is_project_linked),
    "setup.py": ("pyproject.toml", _is_compiled),
    "package.json": ("package.json", _is_package_linked),
    "binding.gyp": ("package.json", _is_compiled),
}
"""Name of a file -> the package file that it belongs to, and whether it leaves sources alone."""


def _asks_for_more(tools: Mapping[str, Any]) -> bool:
    """Whether a build backend is told to run programs of the project, or to compile."""
    hatch, poetry = tools.get("hatch", {}).get("build", {}), tools.get("poetry", {})
    targets = hatch.get("targets", {}).values()
    hooked = any("hooks" in table for table in (hatch, *targets))
    return hooked or "build" in poetry or "ext-modules" in tools.get("setuptools", {})


def _required(tools: Mapping[str, Any]) -> Iterator[Any]:
    """What uv and Poetry are told of each package that is required, a table each."""
    poetry = tools.get("poetry", {})
    groups = (group.get("dependencies", {}) for group in poetry.get("group", {}).values())
    tables = (tools.get("uv", {}).get("sources", {}), poetry.get("dependencies", {}), *groups)
    for told in (told for table in tables for told in table.values()):
        yield from told if isinstance(told, list) else [told]


def _is_link(told: Any) -> bool:
    return (
        not isinstance(told, Mapping)
        or "path" not in told
        or told.get("editable", told.get("develop")) is True
    )
