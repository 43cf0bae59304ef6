"""How the sources of a folder start where no Dockerfile says it."""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Mapping
from fnmatch import fnmatchcase

from devenv.drafting.languages import INSTALL, MANAGERS, Language


def start(
    language: Language, files: Mapping[str, str], command: str = "", root: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """The image, and the shell line that installs packages and starts a program; "" where nothing says how.

    `files`: of its folder, by their paths in it. `command`: what a Procfile says. `root`: the files of the
    folder that has the lock file, where that is another.
    """
    locks = files if root is None else root
    _, image, install, run, options = next(item for item in MANAGERS if not item[0] or item[0] in locks)
    words = {"install": install, "run": run, "options": options}
    if language.name != "Node":
        image = ""
        words["install"] = next((line for name, line in INSTALL if _file(files, *name.split(":"))), "true")
    image = image or language.image
    for condition, line in language.commands:
        pattern, _, content = condition.partition(":")
        if file := _file(files, pattern, content):
            steps = line.split(" && ")
            module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            names = {"file": file, "folder": posixpath.dirname(file), "module": module}
            words |= {key: shlex.quote(name) for key, name in names.items()}
            steps = [step.format(**words) for step in steps]
            return image, " && ".join([*steps[:-1], command] if command else steps)
    return image, f"{words['install']} && {command}" if command else ""


def _file(files: Mapping[str, str], pattern: str, words: str = "") -> str:
    """The first file of a pattern that has the words, the one nearest to the folder; "" if none does."""
    for file in sorted(files, key=lambda file: (file.count("/"), file)):
        if fnmatchcase(file, pattern) and _has(file, files[file], words):
            return file
    return ""


def _has(file: str, text: str, words: str) -> bool:
    if file != "package.json":
        return words in text
    name, _, content = words.partition("=")
    own = scripts(text)
    return name in own and content in own[name]


def scripts(text: str) -> dict[str, str]:
    """The scripts of a package.json."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    section = value.get("scripts") if isinstance(value, dict) else None
    return {str(name): str(line) for name, line in section.items()} if isinstance(section, dict) else {}
