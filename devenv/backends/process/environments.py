"""What a service's project needs installed: once for each content of its lock file, below `.devenv`."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

DONE = ".complete"


@dataclass(frozen=True, slots=True)
class Environment:
    """The installed packages of a project, or what installs them. Without `steps` nothing is needed."""

    folder: Path = Path()
    source: Path = Path()
    steps: tuple[Sequence[str], ...] = ()
    paths: tuple[Path, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    asks: str = ""
    """The file that asks for it, as `requirements.txt`."""

    @classmethod
    def of(cls, source: Path | None, folder: Path) -> Environment:
        """That of a project's folder, below a folder for all of them."""
        if source is None:
            return cls()
        for lock, make in LOCKS.items():
            file = source / lock
            if file.is_file():
                digest = hashlib.sha256(
                    f"{lock} {sys.version_info[:2]} {source}\0".encode() + file.read_bytes()
                )
                return make(source, folder / f"{source.name}-{digest.hexdigest()[:12]}", lock)
        return cls()

    @property
    def ready(self) -> bool:
        """Whether everything is installed."""
        return not self.steps or (self.folder / DONE).exists()


def _python(source: Path, folder: Path, lock: str, install: tuple[Sequence[str], ...]) -> Environment:
    return Environment(
        folder=folder,
        source=source,
        steps=install,
        paths=(folder / "bin",),
        variables={"VIRTUAL_ENV": str(folder)},
        asks=lock,
    )


def _venv(folder: Path) -> tuple[str, ...]:
    """Make a virtual environment; uv does it in a hundredth of the time."""
    if uv := shutil.which("uv"):
        return (uv, "venv", "--quiet", "--python", sys.executable, str(folder))
    return (sys.executable, "-m", "venv", str(folder))


def _installer(folder: Path) -> tuple[str, ...]:
    if uv := shutil.which("uv"):
        return (uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python"))
    return (str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def _requirements(source: Path, folder: Path, lock: str) -> Environment:
    install = (_venv(folder), (*_installer(folder), "-r", str(source / lock)))
    return _python(source, folder, lock, install)


def _uv_lock(source: Path, folder: Path, lock: str) -> Environment:
    uv = shutil.which("uv") or "uv"
    environment = _python(source, folder, lock, ((uv, "sync", "--quiet", "--frozen"),))
    return Environment(
        folder=folder,
        source=source,
        steps=environment.steps,
        paths=environment.paths,
        variables={**environment.variables, "UV_PROJECT_ENVIRONMENT": str(folder)},
        asks=lock,
    )


def _project(source: Path, folder: Path, lock: str) -> Environment:
    return _python(source, folder, lock, (_venv(folder), (*_installer(folder), "--editable", str(source))))


LOCKS = {"uv.lock": _uv_lock, "requirements.txt": _requirements, "pyproject.toml": _project}
"""File of a project -> what installs what it asks for; the first that is there counts."""
