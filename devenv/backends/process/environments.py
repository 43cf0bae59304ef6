"""What a service's project needs installed: once for each content of its lock file, below `.devenv`."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

DONE = ".devenv-complete"
INCLUDED = re.compile(rb"^\s*(?:-r|-c|--requirement|--constraint)[ =]*(\S+)", re.MULTILINE)


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
    mark: str = DONE
    """A file in the folder that is written last."""
    python: Path | None = None
    """Its interpreter, if it is one of Python."""

    @classmethod
    def of(cls, source: Path | None, folder: Path) -> Environment:
        """That of a project's folder, below a folder for all of them."""
        if source is None:
            return cls()
        for lock, make in LOCKS.items():
            file = source / lock
            if file.is_file():
                digest = hashlib.sha256(
                    f"{lock} {sys.version_info[:2]} {source}\0".encode() + b"".join(_contents(file, set()))
                )
                return make(source, folder / f"{source.name}-{digest.hexdigest()[:12]}", lock)
        return cls()

    @classmethod
    def of_packages(
        cls, name: str, packages: Sequence[str], folder: Path, *, pip: bool | None = None
    ) -> Environment:
        """One with these Python packages, below a folder for all of them, apart from those of devenv.

        `pip`: whether devenv's own Python has it; None to look.
        """
        if not packages:
            return cls()
        digest = hashlib.sha256(f"{sys.version_info[:2]} {packages}".encode()).hexdigest()[:12]
        return _venv(folder, folder / f"{name}-{digest}", packages[0], *packages, pip=pip)

    @property
    def ready(self) -> bool:
        """Whether everything is installed."""
        return not self.steps or (self.folder / self.mark).exists()


def _venv(source: Path, folder: Path, lock: str, *install: str, pip: bool | None = None) -> Environment:
    """A virtual environment, and what is installed into it; uv does both in a fraction of the time.

    It has no pip of its own where devenv's will do, and nothing is compiled that is not imported: most of the
    time would go there.
    """
    interpreter = folder / "bin/python"
    python, own_pip = str(interpreter), not (find_spec("pip") if pip is None else pip)
    make: tuple[str, ...] = (
        sys.executable,
        "-m",
        "venv",
        *(() if own_pip else ("--without-pip",)),
        str(folder),
    )
    run = (python, "-m", "pip") if own_pip else (sys.executable, "-m", "pip", "--python", python)
    installer: tuple[str, ...] = (
        *run,
        "install",
        "--quiet",
        "--no-compile",
        "--disable-pip-version-check",
    )
    if uv := shutil.which("uv"):
        make = (uv, "venv", "--quiet", "--python", sys.executable, str(folder))
        installer = (uv, "pip", "install", "--quiet", "--python", python)
    return Environment(
        folder,
        source,
        (make, (*installer, *install)),
        paths=(folder / "bin",),
        variables={"VIRTUAL_ENV": str(folder)},
        asks=lock,
        python=interpreter,
    )


def _contents(file: Path, seen: set[Path]) -> Iterator[bytes]:
    """A file and, if it is one of pip, the files that it includes."""
    if file in seen or not file.is_file():
        return
    seen.add(file)
    content = file.read_bytes()
    yield content
    for name in INCLUDED.findall(content) if file.suffix == ".txt" else ():
        yield from _contents(file.parent / os.fsdecode(name), seen)


def _requirements(source: Path, folder: Path, lock: str) -> Environment:
    return _venv(source, folder, lock, "-r", str(source / lock))


def _project(source: Path, folder: Path, lock: str) -> Environment:
    return _venv(source, folder, lock, "--editable", str(source))


def _uv_lock(source: Path, folder: Path, lock: str) -> Environment:
    return Environment(
        folder,
        source,
        ((shutil.which("uv") or "uv", "sync", "--quiet", "--frozen"),),
        paths=(folder / "bin",),
        variables={"VIRTUAL_ENV": str(folder), "UV_PROJECT_ENVIRONMENT": str(folder)},
        asks=lock,
    )


def _node(source: Path, folder: Path, lock: str) -> Environment:
    """Packages beside the sources, where Node.js looks for them; those that were there are the user's."""
    modules = source / "node_modules"
    ours = not modules.exists() or any(modules.glob(f"{DONE}-*"))
    program, *words = INSTALLERS[lock]
    steps = ((shutil.which(program) or program, *words),) if ours else ()
    mark = f"{DONE}-{folder.name.rpartition('-')[2]}"
    return Environment(modules, source, steps, paths=(modules / ".bin",), asks=lock, mark=mark)


INSTALLERS = {
    "package-lock.json": ("npm", "ci", "--no-audit", "--no-fund"),
    "pnpm-lock.yaml": ("pnpm", "install", "--frozen-lockfile"),
    "yarn.lock": ("yarn", "install", "--frozen-lockfile"),
}
"""Lock file of a project for Node.js -> what installs exactly what it says."""
LOCKS = {
    "uv.lock": _uv_lock,
    "requirements.txt": _requirements,
    "pyproject.toml": _project,
    **dict.fromkeys(INSTALLERS, _node),
}
"""File of a project -> what installs what it asks for; the first that is there counts."""
