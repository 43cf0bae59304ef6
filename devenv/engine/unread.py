"""What a project has for other tools, and which no first manifest is made of unless it is asked for."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from devenv.drafting.draft import Draft
from devenv.drafting.kong.convert import EXTRA
from devenv.drafting.kubernetes.objects import TOOLS
from devenv.engine.objects import KUSTOMIZATIONS

DEPTH = 4
ENTRIES = 500  # of a folder
HEAD = 64 * 1024  # bytes of a file that are looked at
SKIPPED = frozenset(("node_modules", "vendor", "venv", "dist", "build", "target", "templates"))
"""Folders that hold what a tool made or installed, and a chart's objects."""

_GATEWAY = re.compile(r"^[\s{]*[\"']?_format_version[\"']?\s*:", re.MULTILINE)
_API = re.compile(rf"^apiVersion:(?!\s*(?:{TOOLS.pattern}))", re.MULTILINE)
_KIND = re.compile(r"^kind:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Unread:
    """What is there for another tool: its place in the project, what it is, and the command that takes it."""

    place: str
    what: str
    command: str


def unread(folder: Path) -> list[Unread]:
    """What the project has for Kong, for Kubernetes and for Helm."""
    found: dict[str, Unread] = {}
    objects: Counter[str] = Counter()
    for path in _files(folder, DEPTH):
        shown, above = (each.relative_to(folder).as_posix() for each in (path, path.parent))
        with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
            head = file.read(HEAD)
            if _GATEWAY.search(head) and path.name != EXTRA:
                found[shown] = Unread(shown, "a gateway's routes and plugins", f"--from-kong {shown}")
            elif path.name == "Chart.yaml":
                found[above] = Unread(above, "a chart of Helm's", f"--from-kubernetes {above}")
            elif path.name in KUSTOMIZATIONS:
                found[above] = Unread(above, "a kustomization", f"--from-kubernetes {above}")
            elif _API.search(head) and _KIND.search(head):
                objects[above] += 1
    for above, count in objects.items():
        what = f"{count} files for Kubernetes" if count > 1 else "a file for Kubernetes"
        found.setdefault(above, Unread(above, what, f"--from-kubernetes {above}"))
    return [*found.values()]


def note_unread(draft: Draft, folder: Path) -> None:
    """Add rows about what the project has for other tools, with what goes on from there."""
    for other in unread(folder):
        note = f"{other.what}: devenv init --force {other.command} takes over what it says"
        draft.say("by hand", other.place, note)


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """The YAML and JSON files in this folder and below; links are not followed."""
    with suppress(OSError):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)[:ENTRIES]:
            if entry.is_dir(follow_symlinks=False):
                if depth > 1 and entry.name not in SKIPPED and not entry.name.startswith("."):
                    yield from _files(folder / entry.name, depth - 1)
            elif entry.name.endswith((".yaml", ".yml")) or re.fullmatch(r"(kong|deck).*\.json", entry.name):
                yield folder / entry.name
