"""The packages that package files name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

_WORD = re.compile(r"[@A-Za-z][\w./@-]*")


def matching(files: Iterable[str], pattern: str) -> list[str]:
    """The files of a pattern."""
    return [file for file in files if file == pattern or ("*" in pattern and fnmatchcase(file, pattern))]


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
    if file.endswith(".prisma"):
        return {f"prisma:{name}" for name in re.findall(r"provider\s*=\s*\"(\w+)\"", text)}
    if file.endswith(".csproj"):
        return {name.lower() for name in re.findall(r"<PackageReference\s+Include=\"([^\"]+)\"", text)}
    if file.startswith("build.gradle"):
        names = re.findall(r"[\"']([\w.-]+):([\w.-]+)", text)
        return {part.lower() for pair in names for part in pair}
    if file == "composer.json":
        return {name.lower() for name in re.findall(r"\"([\w.-]+/[\w.-]+)\"\s*:", text)}
    if file == "mix.exs":
        return {name.lower() for name in re.findall(r"\{\s*:(\w+)\s*,", text)}
    if file == "Gemfile":
        return {name.lower() for name in re.findall(r"^\s*gem\s+['\"]([^'\"]+)", text, re.MULTILINE)}
    lines: Iterable[str] = (line.strip().removeprefix("require ") for line in text.splitlines())
    if file.endswith((".toml", "Pipfile", ".py")):
        lines = re.findall(r"[\"']([^\"']+)[\"']", text) + re.findall(r"^(\w[\w-]*)\s*=", text, re.MULTILINE)
    return {match[0].lower() for line in lines if (match := _WORD.match(line))}
