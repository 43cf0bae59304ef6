"""A project without a Compose file as a draft of a manifest: of its Dockerfiles and package files."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from devenv.drafting.addresses import is_secret
from devenv.drafting.devservers import FILES as DEV_SERVERS
from devenv.drafting.devservers import passed_on
from devenv.drafting.draft import Draft
from devenv.drafting.interpolation import escaped
from devenv.drafting.languages import (
    CONNECTIONS,
    DIALECTS,
    DRIVERS,
    FRAMEWORK_PORTS,
    GRPC,
    GRPC_PORTS,
    INJECTED,
    LANGUAGES,
    MANAGERS,
    NATIVE,
    PARTS,
    PREFIXES,
    SCHEMES,
    SQLALCHEMY,
    STORE_PORTS,
    Language,
)
from devenv.drafting.packages import matching, packages
from devenv.drafting.starting import start
from devenv.manifest.rules.names import as_label

PACKAGE_FILES = tuple(dict.fromkeys(file for language in LANGUAGES for file in language.files))
SOURCES = ("main.py", "app.py", "manage.py", "wsgi.py", "main.go", "config.ru", "artisan", "index.php")
LOCKS = (*(file for file, *_ in MANAGERS if file), "pnpm-workspace.yaml")
BELOW = (
    "bin/rails", "public/index.php", "*/__init__.py", "cmd/*/main.go", "src/main.rs", "*/main.py", "*/app.py",
    "src/*/main.py", "prisma/schema.prisma", "src/main/resources/application.properties",
    "src/main/resources/application.yml", "src/main/resources/application.yaml",
)  # fmt: skip
"""What is read below a folder with a package file."""
EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist", "env.example")
LOOKED_AT = (
    *("Dockerfile", "Dockerfile.*", "Procfile"),
    *(*PACKAGE_FILES, *SOURCES, *LOCKS, *EXAMPLES, *DEV_SERVERS),
)
"""The names of the files that the survey reads, in the project and in its folders, as patterns."""
WORKERS = frozenset(
    ("worker", "workers", "consumer", "scheduler", "cron", "beat", "celery", "jobs", "migrate")
)
"""Names of programs that nobody asks anything."""
OF_STAGES = frozenset(("dev", "development", "local", "prod", "production", "staging", "test", "ci"))
"""Endings of Dockerfiles that build the same program for something else."""

JOBS = ("release", "migrate", "seed")
"""Processes of a Procfile that end."""
FIRST = ("release", "migrate")
"""Those that the others wait for."""
_EXPOSE = re.compile(r"^\s*EXPOSE\s+(\d+)(?:/tcp)?\b", re.MULTILINE | re.IGNORECASE)
_PORT_WORD = re.compile(r"(?:--port|--bind|-p|PORT)[= \",]+(?:[\d.]+:)?(\d{2,5})\b|0\.0\.0\.0:(\d{2,5})\b")
_SERVER_PORT = re.compile(
    r"^server(?:\.port\s*[=:]|:\s*\n(?:[ \t]+.*\n)*?[ \t]+port:|:\s*\{\s*port:)\s*(?:\$\{\w+:)?(\d+)",
    re.MULTILINE,
)
_COPY = re.compile(r"^\s*(?:COPY|ADD)\s+((?:--\S+\s+)*)(.+)$", re.MULTILINE | re.IGNORECASE)
_OF_A_WORKSPACE = re.compile(r"(?:--filter|--package|--project)[= ]|turbo prune")
_URL = re.compile(r"(\w+?)(?:\+\w+)?://[^\s\"']+")
_DRIVEN = re.compile(r"(?P<scheme>(?P<kind>\w+?)\+\w+)://[^\s\"'?]+(?P<query>\?\S*)?")
_NUMBERED = re.compile(r"redis://[^\s/@]+/([1-9]\d*)")
_PUBLIC = re.compile(r"PUBLIC|EXTERNAL|BROWSER|CDN", re.IGNORECASE)
_HERE = re.compile(r"(?:localhost|127\.0\.0\.1):(\d+)")
_PROCESS = re.compile(r"^([A-Za-z][\w-]*):\s*(\S.*)$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Part:
    """A folder of the project with a program: its files by their paths in it.

    `dockerfile`: the one that builds it, "" where none does, with the `whole` project for its context or the
    folder alone. `workspace`: of which it is one of the packages.
    """

    folder: str
    name: str
    files: Mapping[str, str]
    dockerfile: str = ""
    workspace: Mapping[str, str] | None = None
    whole: bool = False

    @property
    def language(self) -> Language | None:
        """The language of its package files."""
        for language in LANGUAGES:
            if any(matching(self.files, own) for own in language.files):
                return language
        return None

    @property
    def packages(self) -> set[str]:
        """The packages that its package files name."""
        named = [
            file for own in (*PACKAGE_FILES, "prisma/schema.prisma") for file in matching(self.files, own)
        ]
        return {package for file in named for package in packages(file, self.files[file])}

    @property
    def processes(self) -> dict[str, str]:
        """The processes of its Procfile: name -> command."""
        return dict(_PROCESS.findall(self.files.get("Procfile", "")))

    @property
    def example(self) -> dict[str, str]:
        """The variables of its example of `.env`."""
        text = next((self.files[file] for file in EXAMPLES if file in self.files), "")
        return {name: value.strip("\"'") for name, value in _ASSIGNMENT.findall(text)}

    def at(self, file: str) -> str:
        """A file of it, as the table names it."""
        return posixpath.normpath(posixpath.join(self.folder, file))


def parts(files: Mapping[str, str], name: str) -> list[Part]:
    """The folders with a Dockerfile or a package file; `name` is what the project's own folder is called."""
    whole = {path.rpartition("/")[0] for path in files if _begins_part(path.rpartition("/")[2])}
    folders: dict[str, dict[str, str]] = {folder: {} for folder in sorted(whole)}
    for path, text in files.items():
        above = [folder for folder in whole if not folder or path.startswith(f"{folder}/")]
        if above:
            folder = max(above, key=len)
            folders[folder][path.removeprefix(f"{folder}/" if folder else "")] = text
    root = folders.get("", {})
    is_workspace = "pnpm-workspace.yaml" in root or '"workspaces"' in root.get("package.json", "")
    workspace = root if is_workspace else None
    candidates = [
        part for folder, own in folders.items() for part in _of_folder(folder, own, name, workspace)
    ]
    names = {path for path in files if "/" not in path}
    candidates = [replace(part, whole=_needs_whole(part, candidates, names)) for part in candidates]
    if len(candidates) > 1:  # a workspace's own package file, or one of tools
        candidates = [part for part in candidates if part.folder != "." or part.dockerfile or _starts(part)]
    return candidates


def _needs_whole(part: Part, others: list[Part], above: Collection[str]) -> bool:
    """Whether its Dockerfile counts paths from the project's folder, which has the files `above`."""
    text = part.files.get(part.dockerfile, "")
    if part.folder == "." or not text:
        return False
    if _OF_A_WORKSPACE.search(text) and any(name in above for name in (*LOCKS, *PACKAGE_FILES)):
        return True
    words = [
        word for options, line in _COPY.findall(text) if "--from" not in options for word in _words(line)
    ]
    paths = [posixpath.normpath(word) for word in words]
    folders = [other.folder for other in others if other.folder != "."]
    return any(
        any(path == folder or path.startswith(f"{folder}/") for folder in folders)
        or (path in above and path not in part.files)
        for path in paths
    )


def _words(line: str) -> list[str]:
    """The sources of a COPY, in either of its forms."""
    return re.findall(r"[^\s\[\],\"]+", line)[:-1]


def _begins_part(file: str) -> bool:
    return file.startswith("Dockerfile") or any(fnmatchcase(file, own) for own in PACKAGE_FILES)


def _starts(part: Part) -> bool:
    """Whether something says how the sources of the project's own folder start; not so of a workspace's."""
    language = part.language
    if language is None or (language.name == "Node" and part.workspace is not None):
        return False
    return bool(start(language, part.files)[1])


def _of_folder(
    folder: str, files: Mapping[str, str], name: str, workspace: Mapping[str, str] | None
) -> list[Part]:
    """The programs of a folder: one for its Dockerfile or sources, or one for each Dockerfile with a name."""
    own = as_label(posixpath.basename(folder) or name) or "app"
    dockerfiles = [file for file in files if file.startswith("Dockerfile.") and not file.endswith("ignore")]
    others = [file for file in dockerfiles if file.partition(".")[2] not in OF_STAGES]
    if "Dockerfile" not in files and others:
        return [Part(folder or ".", as_label(file.partition(".")[2]) or own, files, file) for file in others]
    dockerfile = next((file for file in ("Dockerfile", *sorted(dockerfiles)) if file in files), "")
    return [Part(folder or ".", own, files, dockerfile, workspace)]


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


def _examples(result: Draft, files: Mapping[str, str], uses: Mapping[str, list[str]]) -> None:
    """Take over the examples of `.env` in the project's own folder, where only one service can mean them."""
    for example in EXAMPLES:
        if example in files and len(uses) == 1:
            ((name, used),) = uses.items()
            _example(result, name, example, files[example], set(used))
        elif example in files:
            names = re.findall(r"^(?:export )?([A-Za-z_]\w*)=", files[example], re.MULTILINE)
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
    for example in EXAMPLES:
        if example in part.files:
            _example(result, name, part.at(example), part.files[example], set(uses))
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
    if ports := _EXPOSE.findall(dockerfile):
        return int(ports[-1]), f"EXPOSE in {part.at(part.dockerfile)}"
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
    named = _named(part.example)
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


def _named(variables: Mapping[str, str]) -> dict[str, str]:
    """The kinds that the values of variables name -> the variable."""
    named: dict[str, str] = {}
    for variable, value in variables.items():
        kind = CONNECTIONS.get(value) if variable == "DB_CONNECTION" else ""
        if url := _URL.match(value):
            kind = SCHEMES.get(url[1], "")
        if variable.endswith("_PORT") and variables.get(variable[:-4] + "HOST") in ("localhost", "127.0.0.1"):
            kind = STORE_PORTS.get(value, "")
        if kind:
            named.setdefault(kind, variable)
    return named


def _dialect(result: Draft, part: Part, name: str, uses: list[str]) -> None:
    """Write DATABASE_URL with the driver that is there, where SQLAlchemy would take another."""
    databases, path = [kind for kind in uses if kind in DIALECTS], ("services", name, "env", "DATABASE_URL")
    if len(databases) != 1 or part.packages.isdisjoint(SQLALCHEMY) or result.has(path):
        return
    (kind,) = databases
    drivers = [package for package in DIALECTS[kind] if package in part.packages]
    if len(drivers) == 1 and part.packages.isdisjoint(NATIVE[kind]):
        result.set(path, _with_scheme(DIALECTS[kind][drivers[0]], kind))
        note = f"as SQLAlchemy takes {drivers[0]} for it, which is among its packages"
        result.say("derived", f"{name}.env.DATABASE_URL", note)


def _with_scheme(scheme: str, kind: str, query: str = "") -> str:
    """The address of a database, with a scheme that names a driver."""
    user, password, host, port, database = (
        f"${{{kind}.{part}}}" for part in ("user", "password", "host", "port", "database")
    )
    return f"{scheme}://{user}:{password}@{host}:{port}/{database}{query}"


def _example(result: Draft, name: str, file: str, text: str, uses: set[str]) -> None:
    """Variables of an example: what `uses` brings is left out, secrets are named, others have a default."""
    path, secrets = ("services", name), []
    for variable, value in _ASSIGNMENT.findall(text):
        value = value.strip("\"'")
        if reference := _driven(value, uses):
            result.set((*path, "env", variable), reference)
            note = f"with the driver that its address in {file} names"
            result.say("derived", f"{name}.env.{variable}", note)
        elif not _numbered(value, uses) and any(variable in INJECTED[kind] for kind in uses):
            result.say("derived", variable, f"in {file}: given to whoever uses the store")
        elif reference := _part_of(variable, uses) or _address(variable, value, uses):
            result.set((*path, "env", variable), reference)
            result.say("derived", f"{name}.env.{variable}", f"{reference}, for the name in {file}")
        elif is_secret(variable, value or "?"):
            secrets.append(variable)
            result.say("derived", f"{name}.secrets {variable}", f"named in {file}; its value comes from .env")
        elif variable != "PORT" or value == str(result.value["services"][name].get("port")):
            own = escaped(value)
            result.set((*path, "env", variable), f"${{env.{variable}:-{own}}}", own)
            result.say("derived", f"{name}.env.{variable}", f"from {file}; .env may say another value")
    if secrets:
        result.set((*path, "secrets"), secrets)


def _driven(value: str, uses: set[str]) -> str:
    """The reference to a database whose address names a driver, as `mysql+pymysql://`, or ""."""
    url = _DRIVEN.fullmatch(value)
    kind = SCHEMES.get(url["kind"], "") if url else ""
    return _with_scheme(url["scheme"], kind, url["query"] or "") if url and kind in uses & {*DIALECTS} else ""


def _numbered(value: str, uses: set[str]) -> str:
    """The reference to a database of Valkey that is not its first, as `redis://localhost:6379/2`, or ""."""
    url = _NUMBERED.fullmatch(value)
    return f"redis://${{valkey.host}}:${{valkey.port}}/{url[1]}" if url and "valkey" in uses else ""


def _address(variable: str, value: str, uses: set[str]) -> str:
    """The reference to a store whose address on this machine a value is, or "".

    One that a browser is given, by the name of its variable, is that of this machine.
    """
    if reference := _numbered(value, uses):
        return reference
    url = _URL.fullmatch(value)
    if url and SCHEMES.get(url[1]) in uses:
        return f"${{{SCHEMES[url[1]]}.url}}"
    here = _HERE.fullmatch(value.removeprefix("http://").rstrip("/"))
    kind = STORE_PORTS.get(here[1], "") if here else ""
    if kind in uses and value.startswith("http://"):
        return f"${{{kind}.public_url}}" if _PUBLIC.search(variable) else f"${{{kind}.url}}"
    return f"${{{kind}.host}}:${{{kind}.port}}" if kind in uses else ""


def _part_of(variable: str, uses: set[str]) -> str:
    """The reference to a store's part that a variable such as `DB_HOST` names, or ""."""
    prefix, _, end = variable.rpartition("_")
    for kind in sorted(uses & set(PARTS)):
        if prefix in PREFIXES[kind] and end in PARTS[kind]:
            return f"${{{kind}.{PARTS[kind][end]}}}"
    return ""
