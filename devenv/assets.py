"""The data that ships with devenv: compose/, minikube/ and templates/."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

_HERE = Path(__file__).resolve().parent


def root() -> Path:
    """The folder that holds them: inside an installed package, or the checkout itself."""
    checkout = _HERE.parent
    return checkout if (checkout / "pyproject.toml").is_file() else _HERE / "_assets"


@cache
def catalogue() -> MappingProxyType[str, str]:
    """Infra kind -> the text of its file; read once, as there are many."""
    files = {file.stem: file for file in (root() / "compose").glob("*.yaml")}
    return MappingProxyType({kind: files[kind].read_text(encoding="utf-8") for kind in sorted(files)})


def overrides(kinds: Collection[str]) -> dict[str, Any]:
    """Infra kind -> fragments of objects that differ on Kubernetes, for kinds that have some."""
    return {kind: fragment for kind in sorted(kinds) if (fragment := _yaml(f"minikube/{kind}.yaml"))}


def profile() -> Mapping[str, Any]:
    """The settings that new Minikube profiles are created with."""
    return dict(_yaml("minikube/profile.yaml"))


def template(name: str) -> str:
    """The text of a file in templates/."""
    return (root() / "templates" / name).read_text(encoding="utf-8")


def starters() -> list[str]:
    """The names of the projects that one can begin with."""
    return sorted(folder.name for folder in (root() / "templates" / "starters").iterdir())


def starter(name: str) -> dict[str, str]:
    """The files of a project to begin with: path -> text."""
    return texts_of(root() / "templates" / "starters" / name)


def chart() -> dict[str, str]:
    """The files that every chart has: path in the chart -> text."""
    return texts_of(root() / "templates" / "chart")


def texts_of(folder: Path) -> dict[str, str]:
    """The files in a folder: path -> text."""
    # `pip install` compiles every Python file of a package, those of a first project too
    return {
        file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8")
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    }


def promoted(kind: str) -> Mapping[str, Any]:
    """Fragments of an infra kind's objects that differ in a chart."""
    return _yaml(f"templates/promoted/{kind}.yaml") or {}


def _yaml(name: str) -> Any:
    from devenv import documents

    file = root() / name
    return documents.load(file.read_text(encoding="utf-8")) if file.is_file() else None
