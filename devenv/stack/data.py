"""Which options a store applies only to new data, and how half-made data is detected."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from devenv.stack import text
from devenv.stack.kinds.file import Data as Declared
from devenv.stack.kinds.service import Service
from devenv.stack.labels import HALF_MADE
from devenv.stack.model import Data, File, Unit
from devenv.stack.text import Text


def data_of(
    declared: Declared | None,
    service: Service,
    options: Mapping[str, Text | list[Text]],
    env: Mapping[str, Text],
    files: Sequence[File],
) -> Data | None:
    """The data of a kind's main service; `env` is the user's, `files` are those of the unit."""
    if declared is None:
        return None

    def value(name: str) -> Any:
        content = tuple(_files_of(name, service, files))
        return content or options.get(name) or env.get(name)

    settings = tuple((name, value(name)) for name in (*declared.new, *declared.later))
    return Data(settings, tuple(declared.later.items()))


def guarded(unit: Unit, scripts: str) -> Unit:
    """The store with a mark in its data while scripts of the project run, so that half-made data is detected.

    The mark is a file, created before the first script and deleted after the last. If it still exists when
    the check can run, the first start ended in between. Data from before this feature has no mark.
    """
    runs = any(file.target.startswith(f"{scripts}/") for file in unit.files)
    if not (scripts and runs and unit.data and unit.probe and unit.volumes):
        return unit
    mark = posixpath.join(unit.volumes[0].target, ".devenv-unfinished")
    begin = _script(f"{scripts}/{FIRST}", f'touch {mark} || echo "half-made data will go unnoticed"\n')
    end = _script(f"{scripts}/{LAST}", f"rm -f {mark}\n")
    check = f'"$@" && {{ test ! -e {mark} || {{ echo "{HALF_MADE}: the data is half made"; exit 1; }}; }}'
    return replace(
        unit,
        files=(*unit.files, begin, end),
        probe=replace(unit.probe, command=("sh", "-c", check, "sh", *unit.probe.command)),
        data=replace(unit.data, unfinished=mark),
    )


FIRST, LAST = "000000-devenv-begin.sh", "zz-devenv-end.sh"
"""Sort before and after all others, in byte order and in the order of any locale."""


def _script(target: str, content: str) -> File:
    return File(target, content=content, digest=text.digest(content))


def _files_of(option: str, service: Service, files: Sequence[File]) -> Iterator[tuple[str, str]]:
    """The files of the project that an option names, with digests."""
    folders = [folder for folder, reference in service.files.items() if reference == f"${{{option}}}"]
    for file in files:
        if any(file.target.startswith(f"{folder}/") for folder in folders):
            yield file.target, file.digest
