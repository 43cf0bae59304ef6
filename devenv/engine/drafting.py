"""Reads what a project has already, and checks a draft of a manifest as `devenv plan` would."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from devenv import assets, home, proc, sources
from devenv.drafting import parts, reading, survey, writing
from devenv.drafting.convert import convert, wanted
from devenv.drafting.draft import Draft, Objection
from devenv.drafting.filling import definitions, filled
from devenv.drafting.firstform import is_first_form, modern
from devenv.drafting.interpolation import inlined
from devenv.drafting.reading import Project
from devenv.drafting.scene import World
from devenv.drafting.shape import faults
from devenv.drafting.stores import Stores
from devenv.envfiles import read_env, read_written
from devenv.errors import DevenvError, ManifestInvalid, ToolMissing, UsageError
from devenv.manifest import source
from devenv.manifest.parse import parse
from devenv.manifest.rules.names import as_label
from devenv.sources.digests import Digests
from devenv.stack import world
from devenv.stack.kinds.catalogue import Catalogue, Facts
from devenv.stack.outline import outline
from devenv.stack.ports import allot
from devenv.stack.resolve import resolve
from devenv.workspace import COMPOSE_NAMES, read_text

OVERRIDES = (
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
LARGEST_TEXT = 256 * 1024
ABSOLUTE = re.compile(r"(?<![\w.~}/])/[\w./-]+")


Flattened = Callable[[list[Path], list[str]], dict[str, Any] | None]
"""Files and their texts -> the one file that they are; None where that cannot be asked."""


@dataclass(frozen=True)
class Composed:
    """A Compose project as read; `remarks` are lines to show."""

    project: Project
    remarks: tuple[str, ...] = ()


def compose_files(folder: Path, named: Iterable[str]) -> tuple[list[Path], list[str]]:
    """The files to read, as Compose chooses them, and what to say of others.

    Raises `UsageError` where there is none.
    """
    paths = [folder / name for name in named]  # an absolute one stays as it is
    files = [file for path in paths for file in (_defaults(path) or [path] if path.is_dir() else [path])]
    for file in files:
        if not file.is_file():
            raise UsageError(f"no file {file}", hint="devenv init --from-compose FILE")
    if files:
        return files, []
    first = default_of(folder)
    if first is None:
        listed = ", ".join(COMPOSE_NAMES)
        raise UsageError(
            "no Compose file here",
            where=str(folder),
            why=f"looked for {listed}",
            hint="devenv init --from-compose FILE",
        )
    others = [name for name in COMPOSE_NAMES if (folder / name).is_file() and name != first.name]
    remarks = (
        [f"{first.name} is read, as Compose does; {', '.join(others)} beside it is not"] if others else []
    )
    return _defaults(folder), remarks


def _defaults(folder: Path) -> list[Path]:
    """What Compose reads in a folder: its file, and the one that overrides it."""
    first = default_of(folder)
    override = next((folder / name for name in OVERRIDES if (folder / name).is_file()), None)
    return [file for file in (first, override) if first and file]


def default_of(folder: Path) -> Path | None:
    """The Compose file that Compose takes in a folder."""
    return next((folder / name for name in COMPOSE_NAMES if (folder / name).is_file()), None)


def composed(files: list[Path], folder: Path, *, flattened: Flattened | None = None) -> Composed:
    """The project that these files are. Raises `UsageError` for what Compose refuses, with its words.

    `flattened`: what makes one of several files; Docker Compose itself, unless told otherwise.
    """
    texts = [read_text(file, _shown(file)) for file in files]
    old = [_shown(file) for file, text in zip(files, texts, strict=True) if _is_first_form(file, text)]
    flat = None if old else (flattened or _flattened)(files, texts)
    remarks: list[str] = []
    raw: dict[str, Any] = {}
    for file, text in zip(files, texts, strict=True):
        try:
            value = _read_alone(file, text)
        except ManifestInvalid:
            if flat is None:
                raise
            continue  # it has tags that only Compose knows
        raw = _merged(raw, value)
    if flat is None:
        why = (
            f"{', '.join(old)} is in the form that Compose took until 2016"
            if old
            else "without docker compose"
        )
        remarks.append(f"{why}: the files are read as they are, and extends and include are not followed")
        flat = raw
    if not isinstance(flat.get("services"), dict) or not flat["services"]:
        raise UsageError(f"{_shown(files[0])} has no services", hint="devenv init --from-compose FILE")
    below = os.path.relpath(files[0].resolve().parent, folder.resolve())
    absolute = frozenset(path for text in texts for path in ABSOLUTE.findall(text))
    place = reading.Place(str(folder.resolve()), below, str(home.folder()), absolute)
    shown = tuple(os.path.relpath(file, folder) for file in files)
    return Composed(reading.project(flat, raw, files=shown, folder=place), tuple(remarks))


def _is_first_form(file: Path, text: str) -> bool:
    """Whether a file has its services at the top, as Compose read it until 2016 and reads it no more."""
    if re.search(r"^['\"{]?(services|include)\b", text, re.MULTILINE):
        return False
    try:
        return is_first_form(source.read(text, file=_shown(file)).value)
    except ManifestInvalid:
        return False


def _read_alone(file: Path, text: str) -> dict[str, Any]:
    """The values of one file. Raises `UsageError` for one that is no Compose file, with every place."""
    document = source.read(text, file=_shown(file))
    if not isinstance(document.value, dict | None):
        raise UsageError(f"{_shown(file)} is not a Compose file", why="at the top it is no mapping")
    value: dict[str, Any] = source.as_yaml(document.value or {})
    if is_first_form(value):
        return modern(value)
    if problems := [document.problem(*fault) for fault in faults(value)]:
        raise ManifestInvalid(problems)
    return value


def _shown(file: Path) -> str:
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def _flattened(files: list[Path], texts: list[str]) -> dict[str, Any] | None:
    """What `docker compose config` makes of the files, with `${...}` as written; None without Compose."""
    named = [word for file in files for word in ("-f", str(file.resolve()))]
    options = ["config", "--no-interpolate", "--no-env-resolution", "--format", "json"]
    for command in (["docker", "compose"], ["docker-compose"]):
        try:
            output = proc.run_captured([*command, *named, *options])
        except ToolMissing:
            continue
        if output.code == 0:
            value = json.loads(output.stdout)
            return value if isinstance(value, dict) else {}
        words = _words(output.stderr)
        if "is not a docker command" in words or "unknown flag" in words or "unknown shorthand flag" in words:
            continue
        raise UsageError(
            f"Compose refuses {', '.join(_shown(file) for file in files)}",
            why=words,
            hint="docker compose config   until it is silent, then devenv init --from-compose",
        )
    return None


def _words(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip() and "level=warning" not in line]
    return "\n".join(lines) or "docker compose config failed"


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two files as Compose merges them: mappings merge, lists append, the second wins."""
    merged = dict(first)
    for key, value in second.items():
        before = merged.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(before, value)
        elif (
            isinstance(before, list)
            and isinstance(value, list)
            and key not in ("command", "entrypoint", "test")
        ):
            merged[key] = [*before, *value]
        else:
            merged[key] = value
    return merged


def observed(folder: Path, project: Project, variables: Mapping[str, str]) -> World:
    """The files that a project names; `variables` are those that it is interpolated with."""
    paths: dict[str, str] = {}
    texts: dict[str, str] = {}
    env_files: dict[str, dict[str, str]] = {}
    literals: dict[str, dict[str, str]] = {}
    for name in dict.fromkeys(wanted(project)):
        path = folder / name
        try:
            _look(folder, path, name, paths, texts)
        except OSError:
            continue
    for keys in project.services.values():
        for item in reading.listed(keys.get("env_file")):
            name = reading.relative(str(item.get("path") if isinstance(item, dict) else item), project.folder)
            if paths.get(name) == "file":
                env_files[name] = _in_order(read_written(folder / name), variables)
                literals[name] = read_env(folder / name)
    return World(variables, paths, texts, env_files, literals, folder.resolve().name)


def _in_order(written: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """The values of an env file, each with those before it filled in, unless the environment has them."""
    values: dict[str, str] = {}
    for name, text in written.items():
        before = {other: value for other, value in values.items() if other not in variables}
        values[name] = inlined(text, before)
    return values


def _look(folder: Path, path: Path, name: str, paths: dict[str, str], texts: dict[str, str]) -> None:
    if path.is_dir():
        paths[name] = "folder"
        for entry in sorted(path.iterdir())[:500]:
            below = f"{name}/{entry.name}"
            paths[below] = "folder" if entry.is_dir() else "file"
            if entry.is_file() and entry.suffix in (".conf", ".yml", ".yaml", ".toml", ".template"):
                _read(entry, below, texts)
    elif path.is_file():
        paths[name] = "file"
        _read(path, name, texts)


def _read(path: Path, name: str, texts: dict[str, str]) -> None:
    if path.stat().st_size <= LARGEST_TEXT:
        texts[name] = path.read_bytes().decode(errors="replace")


@cache
def kinds() -> Catalogue:
    """The catalogue that a draft may name; whoever drafts again need not parse a kind again."""
    return Catalogue(assets.catalogue())


def drafted(
    project: Project, folder: Path, environment: Mapping[str, str], gateways: Collection[str] = ()
) -> Draft:
    """The draft of a Compose project, with every field in a form that `devenv plan` takes.

    `gateways`: images whose place the stack's own gateway takes.
    """
    catalogue = kinds()
    defined = definitions(read_written(folder / ".env"), environment, project.services)
    project = replace(project, services=filled(project.services, defined))
    around = observed(folder, project, defined.values)
    draft = convert(project, around, Stores(catalogue), gateways)
    settled(draft, folder, catalogue, around.variables)
    return draft


SKIPPED = frozenset(
    ("node_modules", "vendor", "dist", "build", "target", "venv", "__pycache__", "tests", "test", "docs")
)
DEPTH = 3


def surveyed(folder: Path, environment: Mapping[str, str]) -> Draft:
    """The draft of a project without a Compose file. Raises `UsageError` where nothing says what runs."""
    files = package_files(folder)
    catalogue = kinds()
    draft = survey.draft(files, folder.resolve().name, catalogue)
    if not draft.value:
        unclear = "\n".join(f"{row.what}: {row.note}" for row in draft.table())
        raise UsageError(
            "nothing here says what runs",
            where=str(folder),
            why=unclear or "looked for Dockerfiles, Compose files and package files",
            hint="write a Dockerfile, or a Procfile with a line web: COMMAND"
            if unclear
            else "devenv init --template python-api   writes a first project",
        )
    if not as_label(folder.resolve().name):
        draft.set(("name",), as_label(f"stack-{folder.resolve().name}") or "stack")
    variables = {**read_env(folder / ".env"), **environment}
    settled(draft, folder, catalogue, variables)
    return draft


def package_files(folder: Path) -> dict[str, str]:
    """The files that a survey reads: path -> text."""
    files: dict[str, str] = {}
    named = [*_package_files(folder, DEPTH)]
    below = [path for at in {path.parent for path in named} for own in parts.BELOW for path in at.glob(own)]
    below = [path for path in below if not SKIPPED & {*path.relative_to(folder).parts}]
    for path in dict.fromkeys((*named, *sorted(below))):
        with contextlib.suppress(OSError):
            _read(path, path.relative_to(folder).as_posix(), files)
    return files


def _package_files(folder: Path, depth: int) -> Iterator[Path]:
    """The files that a survey reads, in this folder and below; links are not followed."""
    with contextlib.suppress(OSError):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)[:500]:
            path = folder / entry.name
            if entry.is_dir(follow_symlinks=False):
                if depth > 1 and entry.name not in SKIPPED and not entry.name.startswith("."):
                    yield from _package_files(path, depth - 1)
            elif any(fnmatchcase(entry.name, own) for own in parts.LOOKED_AT):
                yield path


def settled(draft: Draft, folder: Path, catalogue: Catalogue, variables: Mapping[str, str]) -> None:
    """Have the draft checked until nothing is refused. Raises `ManifestInvalid` for what cannot be mended."""

    def check(value: Mapping[str, Any]) -> list[Objection]:
        return objections(value, folder, catalogue, variables)

    left = [f"{place}: {why}" for place, why in draft.settle(check)]
    if not {"services", "jobs", "infra"} & set(draft.value):
        left = [f"{row.what}: {row.note}" for row in draft.table() if row.fate == "by hand"]
    if left:
        raise DevenvError("no manifest can be made of it", why="\n".join(left))


def objections(
    value: Mapping[str, Any], folder: Path, catalogue: Catalogue, variables: Mapping[str, str]
) -> list[Objection]:
    """What `devenv plan` would say of a manifest in this folder: the place and the reason of each."""
    text = "\n".join(f"{key}: {writing.flow(item)}" for key, item in value.items()) or "{}"
    try:
        manifest, _ = parse(
            text,
            file="devenv.yaml",
            kinds=Facts(catalogue),
            folder=folder.resolve().name,
            variables=variables,
        )
        asked = outline(manifest, catalogue)
    except ManifestInvalid as error:
        return [(problem.path, _reason(problem.message, problem.suggestion)) for problem in error.problems]
    read = sources.read(folder, asked.wants, Digests({}))
    if read.findings:
        return [(source.dotted(path), _reason(message, hint)) for path, message, hint in read.findings]
    ports, _ = allot(asked.claims, taken={}, current={}, checkout="draft", remap=False)
    try:
        resolve(manifest, catalogue, world.World("draft", ports, read.files, read.extra))
    except UsageError as error:
        return [((error.where or "").replace(": ", ".").rstrip("."), error.what)]
    return []


def _reason(message: str, suggestion: str) -> str:
    return f"{message} - {suggestion}" if suggestion else message
