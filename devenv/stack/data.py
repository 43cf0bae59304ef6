"""What a store makes of its options while its data is new, and what it still does once there is some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from devenv.stack.kindfile import Data as Declared
from devenv.stack.kindfile import Service
from devenv.stack.model import Data, File
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

    made = tuple((name, value(name)) for name in (*declared.new, *declared.later))
    return Data(made, tuple(declared.later.items()))


def _files_of(option: str, service: Service, files: Sequence[File]) -> Iterator[tuple[str, str]]:
    """The files of the project that an option names, with their digests."""
    folders = [folder for folder, reference in service.files.items() if reference == f"${{{option}}}"]
    for file in files:
        if any(file.target.startswith(f"{folder}/") for folder in folders):
            yield file.target, file.digest
