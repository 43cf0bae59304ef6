"""The contents of a unit's Secret and ConfigMap: variables and files."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from devenv.errors import UsageError
from devenv.render.kong import kong_yml
from devenv.stack import shell, text
from devenv.stack.model import File, Stack, Unit
from devenv.stack.text import Text

LIMIT = 1024 * 1024  # bytes in an object, the limit of etcd


@dataclass(frozen=True, slots=True)
class Content:
    """Keys and values of a unit's Secret and ConfigMap; `secret` and `binary` are base64.

    `mounts`: target -> (whether it is secret, key). `folders`: target -> path in it -> key. `executable`:
    keys of files that may be executed.
    """

    secret: Mapping[str, str] = field(default_factory=dict)
    text: Mapping[str, str] = field(default_factory=dict)
    binary: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, tuple[bool, str]] = field(default_factory=dict)
    folders: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    executable: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        """A digest of all keys and values; "" if there are none."""
        if not self.secret and not self.text and not self.binary:
            return ""
        parts = [sorted(values.items()) for values in (self.secret, self.text, self.binary)]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def content(stack: Stack, unit: Unit, secrets: Mapping[str, str], files: Mapping[str, bytes]) -> Content:
    """The contents for a unit. Raises `UsageError` if they do not fit into an object."""
    secret = {
        key: _base64(text.reveal(value, secrets).encode())
        for key, value in (*unit.env, *inline(unit).items())
        if isinstance(value, text.Sealed)
    }
    plain: dict[str, str] = {}
    binary: dict[str, str] = {}
    mounts: dict[str, tuple[bool, str]] = {}
    for file in (each for mounted in unit.files for each in mounted.each):
        raw, hidden, name = (
            _raw(stack, file, secrets, files),
            bool(file.secret or file.holds),
            key(file.target),
        )
        mounts[file.target] = hidden, name
        if hidden:
            secret[name] = _base64(raw)
        elif (decoded := _decoded(raw)) is not None:
            plain[name] = decoded
        else:
            binary[name] = _base64(raw)
    _check_size(unit, secret, {**plain, **binary})
    folders = {
        file.target: {
            name: mounts.pop(each.target)[1] for (name, _), each in zip(file.inside, file.each, strict=True)
        }
        for file in unit.files
        if file.inside
    }
    executable = frozenset(
        key(file.target) for mounted in unit.files for file in mounted.each if file.executable
    )
    return Content(secret, plain, binary, mounts, folders, executable)


def inline(unit: Unit) -> dict[str, Text]:
    """The variables for secrets in a unit's command and probe, which must not contain the values."""
    probe = unit.probe.command if unit.probe and not unit.one_shot else ()
    words = (*(unit.entrypoint or ()), *(unit.command or ()), *probe)
    return shell.variables(text.secrets(words))


def _raw(stack: Stack, file: File, secrets: Mapping[str, str], files: Mapping[str, bytes]) -> bytes:
    if file.secret:
        return secrets[file.secret].encode()
    if file.rendered:
        return kong_yml(stack, secrets).encode()
    return files[file.source] if file.source else text.reveal(file.content, secrets).encode()


def key(target: str) -> str:
    """A path as a key of an object: invalid characters become `_`, and a digest keeps keys unique."""
    path = target.strip("/")
    plain = re.sub(r"[^-._A-Za-z0-9]", "_", path)
    return (
        plain if plain == path.replace("/", "_") and "_" not in path else f"{plain}.{text.digest(path)[:6]}"
    )


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _check_size(unit: Unit, *holders: Mapping[str, str]) -> None:
    for holder in holders:
        size = sum(len(value.encode()) for value in holder.values())
        if size > LIMIT:
            largest = max(holder, key=lambda key: len(holder[key]))
            raise UsageError(
                f"the files of {unit.name} are too large for Kubernetes: {size / LIMIT:.1f} MiB",
                why=f"one object takes 1 MiB; the largest is {largest}",
                hint="put large files into the image, or load them with a job",
            )
