"""What a project has for other tools, and which no first manifest is made of unless it is asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from devenv.drafting.draft import Draft
from devenv.drafting.kong.convert import EXTRA

DEPTH = 4
ENTRIES = 500  # of a folder
HEAD = 64 * 1024  # bytes of a file that are looked at
SKIPPED = frozenset(("node_modules", "vendor", "venv", "dist", "build", "target", "templates"))
"""Folders that hold what a tool made or installed, and a chart's objects."""

_GATEWAY = re.compile(r"^[\s{]*[\"']?_format_version[\"']?\s*:", re.MULTILINE)
_API, _KIND = (re.compile(rf"^{key}:", re.MULTILINE) for key in ("apiVersion", "kind"))


def note_unread(draft: Draft, folder: Path) -> None:
    """Add rows about files for Kong, for Kubernetes and for Helm, with what goes on from there."""
    objects: dict[str, int] = {}
    for path in _files(folder, DEPTH):
        shown = path.relative_to(folder).as_posix()
        with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
            head = file.read(HEAD)
            if _GATEWAY.search(head) and path.name != EXTRA:
                take = f"devenv init --force --from-kong {shown}"
                draft.say("by hand", shown, f"a gateway's routes and plugins: {take} takes them over")
            elif path.name == "Chart.yaml":
                take = f"devenv init --force --from-kubernetes {path.parent.relative_to(folder).as_posix()}"
                draft.say("by hand", shown, f"a chart: {take} takes over what Helm makes of it")
            elif _API.search(head) and _KIND.search(head):
                above = path.relative_to(folder).parent.as_posix()
                objects[above] = objects.get(above, 0) + 1
    for above, count in objects.items():
        files = f"{count} files" if count > 1 else "a file"
        note = f"{files} for Kubernetes: devenv init --force --from-kubernetes {above} takes them over"
        draft.say("by hand", above, note)


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """The YAML and JSON files in this folder and below; links are not followed."""
    with suppress(OSError):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)[:ENTRIES]:
            if entry.is_dir(follow_symlinks=False):
                if depth > 1 and entry.name not in SKIPPED and not entry.name.startswith("."):
                    yield from _files(folder / entry.name, depth - 1)
            elif entry.name.endswith((".yaml", ".yml")) or re.fullmatch(r"(kong|deck).*\.json", entry.name):
                yield folder / entry.name
