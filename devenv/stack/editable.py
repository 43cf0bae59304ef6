"""Installs of a Python project that only point at its sources: a changed source needs no other image."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

BACKENDS = (
    "setuptools.build_meta",
    "hatchling.build",
    "poetry.core.masonry.api",
    "flit_core.buildapi",
    "uv_build",
)
"""Build backends that copy and compile nothing, where nothing in the project asks for more."""

_PIP = r"install(?: -(?:q|U|-quiet|-upgrade|-no-cache-dir|-no-deps|-system)| (?:-e|--editable)[ =]\S+)+$"
_INSTALLS = {
    r"uv sync\b(?!.* --(?:no-editable|script)\b)": ("pyproject.toml", "uv.lock", "uv.toml"),
    r"poetry install\b": ("pyproject.toml", "poetry.lock", "poetry.toml"),
    rf"(?:pip3?|uv pip|python3? -m pip) {_PIP}": ("pyproject.toml", "setup.cfg"),
}
"""Pattern of a command -> names of the files that it reads."""


def reads(command: Sequence[str]) -> tuple[str, ...]:
    """Names of all files that matter to an install which links the project; none for any other command."""
    line = re.sub(r"^(?:/usr(?:/local)?)?/bin/", "", " ".join(command))
    return next((names for pattern, names in _INSTALLS.items() if re.match(pattern, line)), ())


def is_linked(pyproject: str) -> bool:
    """Whether an editable install links a project, and all folders that it requires; False if in doubt."""
    try:
        project = tomllib.loads(pyproject)
        backend = project.get("build-system", {}).get("build-backend", BACKENDS[0])
        return (
            backend in BACKENDS
            and not _asks_for_more(project.get("tool", {}))
            and "file:" not in str(project.get("project", {}))
            and all(map(_is_link, _required(project.get("tool", {}))))
        )
    except (tomllib.TOMLDecodeError, AttributeError, TypeError):
        return False


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
