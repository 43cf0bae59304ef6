"""A project without a Compose file as a draft of a manifest: of its Dockerfiles and package files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from typing import Any

from devenv.drafting import examples, images
from devenv.drafting.devservers import passed_on
from devenv.drafting.draft import Draft
from devenv.drafting.interpolation import escaped
from devenv.drafting.languages import (
    DIALECTS,
    DRIVERS,
    FRAMEWORK_PORTS,
    GRPC,
    GRPC_PORTS,
    NATIVE,
    SQLALCHEMY,
)
from devenv.drafting.packages import matching
from devenv.drafting.parts import PACKAGE_FILES, Part, parts
from devenv.drafting.starting import start
from devenv.manifest.rules.names import as_label

WORKERS = frozenset(
    ("worker", "workers", "consumer", "scheduler", "cron", "beat", "celery", "jobs", "migrate")
)
"""Names of programs that nobody asks anything."""

JOBS = ("release", "migrate", "seed")
"""Processes of a Procfile that end."""
FIRST = ("release", "migrate")
"""Those that the others wait for."""
_PORT_WORD = re.compile(r"(?:--port|--bind|-p|PORT)[= \",]+(?:[\d.]+:)?(\d{2,5})\b|0\.0\.0\.0:(\d{2,5})\b")
_SERVER_PORT = re.compile(
    r"^server(?:\.port\s*[=:]|:\s*\n(?:[ \t]+.*\n)*?[ \t]+port:|:\s*\{\s*port:)\s*(?:\$\{\w+:)?(\d+)",
    re.MULTILINE,
)


def draft(files: Mapping[str, str], name: str, kinds: Collection[str]) -> Draft:
    """The draft, with a row for all that was derived.

    `files`: path -> text, of those in `LOOKED_AT`; `name`: of the project; `kinds`: those of the catalogue.
    """
    result = Draft("Written by `devenv init`.")
    programs = parts(files, name)
    uses: dict[str, list[str]] = {}
    services: dict[str, Part] = {}
    for part in programs:
        own, number = part.name, 2
        while own in uses:
            own, number = f"{part.name}-{number}", number + 1
        if _origin(result, ("services", own), part, part.processes.get("web", "")):
            uses[own] = _program(result, part, own, kinds)
            services[own] = part
        else:
            _not_started(result, part)
    for own, part in services.items():
        _passes_on(result, part, own, uses[own])
    if all(part.folder != "." for part in programs):
        _examples(result, files, uses)
    for own, part in services.items():
        _processes(result, part, own, uses[own])
    return result


def _passes_on(result: Draft, part: Part, name: str, uses: list[str]) -> None:
    """Write which other services its development server passes requests on to, or say who has to."""
    ports = {
        number: other
        for other, service in result.value["services"].items()
        for number in (service.get("port"), *service.get("ports", {}).values())
        if number and other != name
    }
    for port, file, variable in passed_on(part.files):
        other = ports.get(port, "")
        if not other:
            continue
        uses += [other] if other not in uses else []
        result.set(("services", name, "uses"), uses)
        if variable:
            result.set(("services", name, "env", variable), f"${{{other}.url}}")
            result.say("derived", f"{name}.env.{variable}", f"in {part.at(file)}, for localhost:{port}")
        else:
            note = f"localhost:{port} is {other}, but not in a container: read a variable there, and env: has"
            result.say("by hand", part.at(file), f"{note} NAME: ${{{other}.url}}")


def _not_started(result: Draft, part: Part) -> None:
    file = next(file for own in PACKAGE_FILES for file in matching(part.files, own))
    if part.workspace is not None:
        result.say("dropped", part.at(file), "a package of the workspace, which nothing starts")
    else:
        result.say("by hand", part.at(file), "no Dockerfile, and no command is recognised")


def _dialect(result: Draft, part: Part, name: str, uses: list[str]) -> None:
    """Write DATABASE_URL with the driver that is there, where SQLAlchemy would take another."""
    databases, path = [kind for kind in uses if kind in DIALECTS], ("services", name, "env", "DATABASE_URL")
    if len(databases) != 1 or part.packages.isdisjoint(SQLALCHEMY) or result.has(path):
        return
    (kind,) = databases
    drivers = [package for package in DIALECTS[kind] if package in part.packages]
    if len(drivers) == 1 and part.packages.isdisjoint(NATIVE[kind]):
        result.set(path, examples.with_driver(DIALECTS[kind][drivers[0]], kind))
        note = f"as SQLAlchemy takes {drivers[0]} for it, which is among its packages"
        result.say("derived", f"{name}.env.DATABASE_URL", note)


def _examples(result: Draft, files: Mapping[str, str], uses: Mapping[str, list[str]]) -> None:
    """Take over the examples of `.env` in the project's own folder, where only one service can mean them."""
    for example in examples.FILES:
        if example in files and len(uses) == 1:
            ((name, used),) = uses.items()
            examples.write(result, name, example, files[example], set(used))
        elif example in files:
            names = list(examples.assignments(files[example]))
            few = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
            result.say(
                "by hand",
                example,
                f"of several services: write {few} under env: or secrets: of whose they are",
            )


def _program(result: Draft, part: Part, name: str, kinds: Collection[str]) -> list[str]:
    """Write the rest of a folder's service, and the other processes of its Procfile; returns what it uses."""
    origin = ("build", f"from {part.at(part.dockerfile)}" + ", in the project's folder" * part.whole)
    if not part.dockerfile:
        origin = ("image", "no Dockerfile: an image of the language, with the sources")
    result.say("derived", f"{name}.{origin[0]}", origin[1])
    _listens(result, part, name)
    uses = _uses(result, part, name, kinds)
    if uses:
        result.set(("services", name, "uses"), uses)
    for example in examples.FILES:
        if example in part.files:
            examples.write(result, name, part.at(example), part.files[example], set(uses))
    _dialect(result, part, name, uses)
    return uses


def _listens(result: Draft, part: Part, name: str) -> None:
    """Write its port; the command of a Procfile that names none listens where PORT says."""
    web = part.processes.get("web", "")
    if web:
        result.say("derived", f"{name}.command", f"web: in {part.at('Procfile')}")
    port, whence = _port(part, web)
    if port in GRPC_PORTS and not part.packages.isdisjoint(GRPC):
        result.set(("services", name, "ports", "grpc"), port)
        result.say("derived", f"{name}.ports.grpc", f"{port}, {whence}")
    elif port:
        result.set(("services", name, "port"), port)
        result.say("derived", f"{name}.port", f"{port}, {whence}")
        if web and not _PORT_WORD.search(web):
            result.set(("services", name, "env", "PORT"), str(port))


def _processes(result: Draft, part: Part, name: str, uses: list[str]) -> None:
    """Write the other processes of its Procfile: they share its variables, and its jobs come before them."""
    others = {process: as_label(f"{name}-{process}") for process in part.processes if process != "web"}
    first = [others[process] for process in others if process in FIRST and part.dockerfile]
    web = result.value["services"][name]
    for process, other in others.items():
        _process(result, part, process, other, uses if process in JOBS else [*uses, *first], web)
    if first:
        result.set(("services", name, "uses"), [*uses, *first])


def _process(
    result: Draft, part: Part, process: str, name: str, uses: list[str], web: Mapping[str, Any]
) -> None:
    """Write another process of its Procfile, as a service or a job, with the variables of `web`."""
    line = f"{process}: in {part.at('Procfile')}"
    section = "jobs" if process in JOBS else "services"
    if section == "jobs" and not part.dockerfile:
        result.say("by hand", line, "a job has its code from an image: write a Dockerfile")
        return
    _origin(result, (section, name), part, part.processes[process])
    if uses:
        result.set((section, name, "uses"), uses)
    for variable, value in web.get("env", {}).items():
        if variable != "PORT":
            result.set((section, name, "env", variable), value)
    if web.get("secrets"):
        result.set((section, name, "secrets"), web["secrets"])
    result.say("derived", f"{section}.{name}", line)


def _origin(result: Draft, path: tuple[str, str], part: Part, command: str) -> bool:
    """Write where a program comes from and how it starts; whether there is anything."""
    folder = part.folder if part.folder == "." else f"./{part.folder}"
    if part.dockerfile:
        result.set((*path, "build", "context"), "." if part.whole else folder)
        dockerfile = part.at(part.dockerfile) if part.whole else part.dockerfile
        if dockerfile != "Dockerfile":
            result.set((*path, "build", "dockerfile"), dockerfile)
        if command:
            result.set((*path, "command"), escaped(command))
        return True
    language = part.language
    if language is None:
        return False
    packages_at = part.workspace if language.name == "Node" else None
    image, line = start(language, part.files, command, packages_at)
    if not line:
        return False
    if packages_at is not None:  # its packages are those of the whole
        *install, run = line.split(" && ")
        folder, line = ".", " && ".join([*install, f"cd {shlex.quote(part.folder)}", run])
    result.set((*path, "image"), image)
    result.set((*path, "command"), ["sh", "-c", escaped(f"cd /app && {line}")])
    if path[0] == "services":
        result.set((*path, "reload", "sync"), {folder: "/app"})
    return True


def _port(part: Part, command: str) -> tuple[int, str]:
    """The port that it listens on, and what says so."""
    dockerfile = part.files.get(part.dockerfile, "")
    if port := images.exposed_by(dockerfile):
        return port, f"EXPOSE in {part.at(part.dockerfile)}"
    if match := _PORT_WORD.search(command) or _PORT_WORD.search(dockerfile):
        says = part.at("Procfile" if command else part.dockerfile)
        return int(match[1] or match[2]), f"as its command says ({says})"
    for ending in ("properties", "yml", "yaml"):
        settings = f"src/main/resources/application.{ending}"
        if match := _SERVER_PORT.search(part.files.get(settings, "")):
            return int(match[1]), f"server.port in {part.at(settings)}"
    if (number := part.example.get("PORT", "")).isdecimal():
        return int(number), "PORT in its example of .env"
    language = part.language
    if language is not None and (part.dockerfile or language.name == "Node"):
        for package, port in FRAMEWORK_PORTS.items():
            if package in part.packages:
                return port, f"as {package} does"
    if language is None or part.name in WORKERS:
        return 0, ""
    return language.port, f"as {language.name} programs mostly do"


def _uses(result: Draft, part: Part, name: str, kinds: Collection[str]) -> list[str]:
    uses = []
    named = examples.named(part.example)
    for kind, drivers in DRIVERS.items():
        present = ", ".join(sorted(part.packages & set(drivers)))
        if not present and kind in named and kind in kinds:
            uses.append(kind)
            result.say("derived", f"{name}.uses {kind}", f"{named[kind]} in its example of .env")
        elif present and kind in kinds:
            uses.append(kind)
            result.say("derived", f"{name}.uses {kind}", f"{present} among its packages")
        elif present:
            result.say("by hand", kind, f"{present} in {name}: write it as a service with its image")
    return uses
