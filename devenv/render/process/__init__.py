"""Stack to a description of plain processes: how each unit is run on this machine.

`processes.json` holds the values of secrets, as the environments of processes do: it is for its owner only.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from devenv.render.bundle import Bundle, Source
from devenv.render.kong import kong_yml
from devenv.render.process import built
from devenv.stack import copies, labels, shell, text
from devenv.stack.dockerfile import UNKNOWN
from devenv.stack.model import File, Port, Process, Stack, Unit
from devenv.stack.text import Text
from devenv.stack.world import Recipe

LOOPBACK = "127.0.0.1"
PORT = "@PORT@"
"""Stands for `$PORT` in words that are quoted for a shell."""
EVERYWHERE = ("0.0.0.0", "::", "[::]")
"""Where programs listen in a container; on this machine others could reach them there."""


def project_files(stack: Stack) -> Collection[str]:
    """None: files are taken from the project."""
    return ()


def override_names(stack: Stack) -> Collection[str]:
    """None: there are no objects to override."""
    return ()


def render(stack: Stack, source: Source) -> Bundle:
    """One file that says how each unit is run; and the files that a container would have mounted."""
    units = {unit.name: described(stack, unit, source) for unit in stack.units}
    document = {"stack": stack.id, "units": units}
    files = {"processes.json": json.dumps(document, indent=1)}
    for unit in stack.units:
        for file in unit.files:
            if not file.source:
                files[f"files/{unit.name}{file.target}"] = _content(stack, file, source.secrets)
    return Bundle(files, private=frozenset(files))


def described(stack: Stack, unit: Unit, source: Source) -> dict[str, Any]:
    """A unit as a process, and the ways to run it: without words in `argv` nothing says how."""
    return {
        "labels": labels.identity(stack, unit)
        | labels.description(stack, unit, source.fingerprints.get(unit.name, "")),
        "folder": unit.build.folder if unit.build else ".",
        "grace": unit.grace,
        "sources": {file.target: file.source for file in unit.files if file.source},
        "rendered": [file.target for file in unit.files if not file.source],
        "volumes": [volume.name for volume in unit.volumes],
        "check": [text.masked(word) for word in unit.probe.command] if unit.probe else [],
        "patience": unit.probe.timeout if unit.probe else 0,
        "ways": [_way(unit, way, source) for way in unit.process or (None,)],
    }


def _way(unit: Unit, way: Process | None, source: Source) -> dict[str, Any]:
    build, argv, variables = _command(unit, way, source)
    image = _image(unit, source).environment
    own = dict(unit.env) | (dict(way.environment) if way else {}) | dict(variables)
    environment = {"HOST": LOOPBACK} if way is None and unit.ports else {}
    environment |= {
        key: LOOPBACK if value in EVERYWHERE else value
        for key, value in image.items()
        if key != "PATH" and UNKNOWN not in value
    }
    environment |= {key: text.reveal(value, source.secrets) for key, value in own.items()}
    described = {"argv": list(argv), "environment": environment, "kind": way is not None, "build": build}
    if unit.stop_signal:
        described["stop"] = unit.stop_signal.removeprefix("SIG")
    if way is not None:
        described |= {
            "wanted": [
                way.program,
                way.package,
                way.folder,
                unit.version,
                way.install,
                way.oldest,
                way.asked,
            ],
            "packages": list(way.packages),
            "clients": dict(way.clients),
            "new": text.reveal(way.new, source.secrets),
            "stop": way.stop,
            "rootless": way.rootless,
            "stand_in": way.stand_in,
            "note": way.note,
        }
    return described


def _command(
    unit: Unit, way: Process | None, source: Source
) -> tuple[str, Sequence[str], Mapping[str, Text]]:
    """What builds the program, the words that run a unit, without secrets, and the variables they read."""
    if way is not None and way.command:
        return "", *shell.command_with_variables(("sh", "-ec", way.command))
    if unit.host is not None:
        return "", *shell.command_with_variables(("sh", "-c", unit.host))
    if unit.engine and not unit.one_shot:  # its own program is its image's
        return "", (), {}
    image = _image(unit, source)
    words: Sequence[Text] = [_here(word, unit.ports) for word in _words(unit, image)]
    build, words = built.command(words, image.runs)
    if not build:
        words = [_in_project(word, image) for word in words]
    return build, *shell.command_with_variables(words)


def _in_project(word: Text, image: copies.Image) -> Text:
    """A path in the image as that of what was copied there, `./main.py` of `/app/main.py`; else as it is."""
    if not isinstance(word, str) or not word.startswith("/"):
        return word
    source = copies.source_of(image, word)
    return f"./{source}" if source else word


def _words(unit: Unit, image: copies.Image) -> Sequence[Text]:
    """What its container runs."""
    command = unit.command or (() if unit.entrypoint else image.command)
    return (*(unit.entrypoint or image.entrypoint), *command)


def start_line(unit: Unit, recipe: Recipe | None) -> Text | None:
    """What starts a service in a shell on this machine; None where only its image has the program.

    `$PORT` stands where its container has the number of its port.
    """
    if unit.host is not None:
        return unit.host
    image = _image_of(unit, recipe)
    words = _words(unit, image)
    if build := built.build_of(words, image.runs):
        tags = ("-tags", build.tags) if build.tags else ()
        words = ("go", "run", *tags, build.package, *words[1:])
    own = {port.container: str(port.host or port.container) for port in unit.ports[1:]}
    own |= {port.container: PORT for port in unit.ports[:1]}
    words = [_in_project(word, image) for word in words]
    here = [_swapped(word, own) for word in words if isinstance(word, str)]
    if len(here) != len(words):
        return None
    match here:
        case ["/bin/sh" | "sh", "-c", line]:
            return line.replace(PORT, "$PORT")
        case [program, *_] if not program.startswith("/"):
            return " ".join(map(shlex.quote, here)).replace(PORT, "$PORT")
    return None


def _image(unit: Unit, source: Source) -> copies.Image:
    """What the Dockerfile says of its image; nothing for one that is only named."""
    return _image_of(unit, source.recipes.get(unit.build.key) if unit.build else None)


def _image_of(unit: Unit, recipe: Recipe | None) -> copies.Image:
    if recipe is None or unit.build is None:
        return copies.Image()
    args = {key: text.masked(value) for key, value in unit.build.args}
    return copies.image(recipe.dockerfile, unit.build.target, args)


def _here(word: Text, ports: Sequence[Port]) -> Text:
    """A word with this machine's port and address for the container's: `--port=8000`, `0.0.0.0:8000`."""
    own = {port.container: str(port.host) for port in ports if port.host and port.host != port.container}
    return text.literals(word, lambda literal: _swapped(literal, own))


def _swapped(literal: str, own: Mapping[int, str]) -> str:
    for number, port in own.items():
        literal = re.sub(rf"(?<![\w.]){number}(?![\w.])", port, literal)
    return re.sub(r"(?<![\w.:])(0\.0\.0\.0|\[::\])(?![\w.])", LOOPBACK, literal)


def _content(stack: Stack, file: File, secrets: Mapping[str, str]) -> str:
    if file.rendered:
        return kong_yml(stack, secrets)
    return secrets[file.secret] if file.secret else text.reveal(file.content, secrets)
