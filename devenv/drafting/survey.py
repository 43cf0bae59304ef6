"""A project without a Compose file as a draft of a manifest: of its Dockerfiles and package files."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from devenv.drafting.addresses import is_secret
from devenv.drafting.draft import Draft
from devenv.drafting.interpolation import escaped
from devenv.drafting.languages import (
    DRIVERS,
    FRAMEWORK_PORTS,
    INJECTED,
    INSTALL,
    LANGUAGES,
    PARTS,
    PREFIXES,
    Language,
)
from devenv.manifest.rules.names import as_label

PACKAGE_FILES = tuple(dict.fromkeys(file for language in LANGUAGES for file in language.files))
SOURCES = ("main.py", "app.py", "manage.py", "main.go", "bin/rails", "config.ru")
EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist", "env.example")
LOOKED_AT = ("Dockerfile", "Procfile", *PACKAGE_FILES, *SOURCES, *EXAMPLES)
"""The names of the files that the survey reads, in the project and in its folders."""

JOBS = ("release", "migrate", "seed")
"""Processes of a Procfile that end."""
_EXPOSE = re.compile(r"^\s*EXPOSE\s+(\d+)(?:/tcp)?\b", re.MULTILINE | re.IGNORECASE)
_PORT_WORD = re.compile(r"(?:--port|--bind|-p|PORT)[= \",]+(?:[\d.]+:)?(\d{4,5})\b|0\.0\.0\.0:(\d{4,5})\b")
_WORD = re.compile(r"[@A-Za-z][\w./@-]*")
_PROCESS = re.compile(r"^([A-Za-z][\w-]*):\s*(\S.*)$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Part:
    """A folder of the project with a program: its files by name."""

    folder: str
    name: str
    files: Mapping[str, str]

    @property
    def language(self) -> Language | None:
        """The language of its package files."""
        return next((language for language in LANGUAGES if set(language.files) & set(self.files)), None)

    @property
    def packages(self) -> set[str]:
        """The packages that its package files name."""
        return {
            package
            for file in PACKAGE_FILES
            if file in self.files
            for package in packages(file, self.files[file])
        }

    def at(self, file: str) -> str:
        """A file of it, as the table names it."""
        return posixpath.normpath(posixpath.join(self.folder, file))


def packages(file: str, text: str) -> set[str]:
    """The packages that a package file names, in lower case and without versions."""
    if file == "package.json":
        try:
            value = json.loads(text)
        except ValueError:
            return set()
        sections = (
            [value.get(key) for key in ("dependencies", "devDependencies")] if isinstance(value, dict) else []
        )
        return {name.lower() for section in sections if isinstance(section, dict) for name in section}
    if file == "pom.xml":
        return {name.lower() for name in re.findall(r"<(?:artifactId|groupId)>\s*([^<\s]+)", text)}
    if file == "Gemfile":
        return {name.lower() for name in re.findall(r"^\s*gem\s+['\"]([^'\"]+)", text, re.MULTILINE)}
    names: Iterable[str] = (line.strip().removeprefix("require ") for line in text.splitlines())
    if file.endswith((".toml", "Pipfile", ".py")):
        names = re.findall(r"[\"']([^\"']+)[\"']", text) + re.findall(r"^(\w[\w-]*)\s*=", text, re.MULTILINE)
    return {match[0].lower() for name in names if (match := _WORD.match(name))}


def parts(files: Mapping[str, str], name: str) -> list[Part]:
    """The folders with a Dockerfile or a package file; `name` is what the project's own folder is called."""
    folders: dict[str, dict[str, str]] = {}
    for path, text in files.items():
        folder, _, file = path.rpartition("/")
        if file == "rails" and folder.endswith("bin"):
            folder, file = folder.removesuffix("bin").rstrip("/"), "bin/rails"
        folders.setdefault(folder or ".", {})[file] = text
    whole = [
        folder for folder, own in folders.items() if "Dockerfile" in own or set(PACKAGE_FILES) & set(own)
    ]
    if len(whole) > 1 and "Dockerfile" not in folders.get(".", {}):
        whole = [folder for folder in whole if folder != "."]  # a workspace's own package file
    return [
        Part(
            folder, as_label(posixpath.basename(folder) if folder != "." else name) or "app", folders[folder]
        )
        for folder in sorted(whole)
    ]


def draft(files: Mapping[str, str], name: str, kinds: Collection[str]) -> Draft:
    """The draft, with a row for all that was derived.

    `files`: path -> text, of those in `LOOKED_AT`; `name`: of the project; `kinds`: those of the catalogue.
    """
    result = Draft("Written by `devenv init`.")
    programs = parts(files, name)
    uses: dict[str, list[str]] = {}
    for part in programs:
        own, number = part.name, 2
        while own in uses:
            own, number = f"{part.name}-{number}", number + 1
        uses[own] = _program(result, part, own, kinds)
    if all(part.folder != "." for part in programs):
        for example in EXAMPLES:
            if example in files and len(uses) == 1:
                ((own, kinds),) = uses.items()
                _example(result, own, example, files[example], set(kinds))
            elif example in files:
                result.say("by hand", example, "it does not say whose variables these are")
    return result


def _program(result: Draft, part: Part, name: str, kinds: Collection[str]) -> list[str]:
    """Write the service of a folder, and those of its Procfile; returns what they use."""
    path = ("services", name)
    commands = dict(_PROCESS.findall(part.files.get("Procfile", "")))
    web = commands.pop("web", "")
    if not _origin(result, path, part, web):
        result.say("by hand", part.at(next(iter(part.files))), "no Dockerfile, and no command is recognised")
        return []
    built = "Dockerfile" in part.files
    what = (
        f"from {part.at('Dockerfile')}"
        if built
        else "no Dockerfile: an image of the language, with the sources"
    )
    result.say("derived", f"{name}.{'build' if built else 'image'}", what)
    if web:
        result.say("derived", f"{name}.command", f"web: in {part.at('Procfile')}")
    port, whence = _port(part, web)
    if port:
        result.set((*path, "port"), port)
        result.say("derived", f"{name}.port", f"{port}, {whence}")
    uses = _uses(result, part, name, kinds)
    if uses:
        result.set((*path, "uses"), uses)
    for example in EXAMPLES:
        if example in part.files:
            _example(result, name, part.at(example), part.files[example], set(uses))
    for process, command in commands.items():
        if not built and process in JOBS:
            result.say(
                "by hand",
                f"{process}: in {part.at('Procfile')}",
                "a job has its code from an image: write a Dockerfile",
            )
            continue
        section = "jobs" if process in JOBS else "services"
        other = (section, as_label(f"{name}-{process}"))
        _origin(result, other, part, command)
        if uses:
            result.set((*other, "uses"), uses)
        result.say("derived", ".".join(other), f"{process}: in {part.at('Procfile')}")
    return uses


def _origin(result: Draft, path: tuple[str, str], part: Part, command: str) -> bool:
    """Write where a program comes from and how it starts; whether there is anything."""
    folder = part.folder if part.folder == "." else f"./{part.folder}"
    if "Dockerfile" in part.files:
        result.set((*path, "build"), folder)
        if command:
            result.set((*path, "command"), escaped(command))
        return True
    language = part.language
    line = _command(part, language, command) if language else ""
    if language is None or not line:
        return False
    result.set((*path, "image"), language.image)
    result.set((*path, "command"), ["sh", "-c", escaped(f"cd /app && {line}")])
    if path[0] == "services":
        result.set((*path, "reload", "sync"), {folder: "/app"})
    return True


def _command(part: Part, language: Language, command: str) -> str:
    """The shell line that installs the packages and starts a program from its sources, or ""."""
    install = next((line for name, line in INSTALL if name in part.files), "true")
    for condition, line in language.commands:
        file, _, words = condition.partition(":")
        if file in part.files and words in part.files[file]:
            first = line.format(install=install)
            return f"{first.partition(' && ')[0]} && {command}" if command else first
    return ""


def _port(part: Part, command: str) -> tuple[int, str]:
    """The port that it listens on, and what says so."""
    dockerfile = part.files.get("Dockerfile", "")
    if ports := _EXPOSE.findall(dockerfile):
        return int(ports[-1]), f"EXPOSE in {part.at('Dockerfile')}"
    if match := _PORT_WORD.search(command) or _PORT_WORD.search(dockerfile):
        return int(
            match[1] or match[2]
        ), f"as its command says ({part.at('Procfile' if command else 'Dockerfile')})"
    for package, port in FRAMEWORK_PORTS.items():
        own = "Dockerfile" in part.files or part.language.name == "Node" if part.language else False
        if own and package in part.packages:
            return port, f"as {package} does"
    language = part.language
    return (language.port, f"as {language.name} programs mostly do") if language else (0, "")


def _uses(result: Draft, part: Part, name: str, kinds: Collection[str]) -> list[str]:
    uses = []
    for kind, drivers in DRIVERS.items():
        present = ", ".join(sorted(part.packages & set(drivers)))
        if present and kind in kinds:
            uses.append(kind)
            result.say("derived", f"{name}.uses {kind}", f"{present} among its packages")
        elif present:
            result.say("by hand", kind, f"{present} in {name}: write it as a service with its image")
    return uses


def _example(result: Draft, name: str, file: str, text: str, uses: set[str]) -> None:
    """Variables of an example: what `uses` brings is left out, secrets are named, others have a default."""
    path, secrets = ("services", name), []
    for variable, value in _ASSIGNMENT.findall(text):
        value = value.strip("\"'")
        if any(variable in INJECTED[kind] for kind in uses):
            result.say("derived", variable, f"in {file}: given to whoever uses the store")
        elif reference := _part_of(variable, uses):
            result.set((*path, "env", variable), reference)
            result.say("derived", f"{name}.env.{variable}", f"{reference}, for the name in {file}")
        elif is_secret(variable, value or "?"):
            secrets.append(variable)
            result.say("derived", f"{name}.secrets {variable}", f"named in {file}; its value comes from .env")
        elif variable not in ("PORT",):
            own = escaped(value)
            result.set((*path, "env", variable), f"${{env.{variable}:-{own}}}", own)
            result.say("derived", f"{name}.env.{variable}", f"from {file}; .env may say another value")
    if secrets:
        result.set((*path, "secrets"), secrets)


def _part_of(variable: str, uses: set[str]) -> str:
    """The reference to a store's part that a variable such as `DB_HOST` names, or ""."""
    prefix, _, end = variable.rpartition("_")
    for kind in sorted(uses & set(PARTS)):
        if prefix in PREFIXES[kind] and end in PARTS[kind]:
            return f"${{{kind}.{PARTS[kind][end]}}}"
    return ""
