"""The programs of a project without a Compose file: its folders with a Dockerfile or a package file."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from devenv.drafting import examples
from devenv.drafting.devservers import FILES as DEV_SERVERS
from devenv.drafting.languages import LANGUAGES, MANAGERS, Language
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
LOOKED_AT = (
    *("Dockerfile", "Dockerfile.*", "Procfile"),
    *(*PACKAGE_FILES, *SOURCES, *LOCKS, *examples.FILES, *DEV_SERVERS),
)
"""The names of the files that the survey reads, in the project and in its folders, as patterns."""
OF_STAGES = frozenset(("dev", "development", "local", "prod", "production", "staging", "test", "ci"))
"""Endings of Dockerfiles that build the same program for something else."""
_COPY = re.compile(r"^\s*(?:COPY|ADD)\s+((?:--\S+\s+)*)(.+)$", re.MULTILINE | re.IGNORECASE)
_OF_A_WORKSPACE = re.compile(r"(?:--filter|--package|--project)[= ]|turbo prune")
_PROCESS = re.compile(r"^([A-Za-z][\w-]*):\s*(\S.*)$", re.MULTILINE)


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
        text = next((self.files[file] for file in examples.FILES if file in self.files), "")
        return examples.assignments(text)

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
