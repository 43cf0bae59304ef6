"""Rules about infra: its kind, options and version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devenv import urls
from devenv.errors import did_you_mean
from devenv.manifest import composekeys
from devenv.manifest.models import Infra
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path


def infra_is_in_the_catalogue(scope: Scope) -> Iterator[Finding]:
    """A store has an existing kind, and only options of that kind."""
    for name, infra in scope.manifest.infra.items():
        path: Path = ("infra", name)
        kind = scope.kinds.get(infra.kind or name)
        if kind is None:
            at = (*path, "kind") if infra.kind else path
            word = infra.kind or name
            yield at, f'no infra kind "{word}"', scope.kind_meant(word)
            continue
        if isinstance(infra.publish, dict):
            for key in infra.publish:
                if key not in kind.ports:
                    hint = did_you_mean(key, kind.ports, f"known here: {', '.join(sorted(kind.ports))}")
                    yield (*path, "publish", key), f'no port "{key}"', hint
        for option, value in (infra.model_extra or {}).items():
            if option not in kind.options:
                options = sorted(set(kind.options) | set(Infra.model_fields))
                listed = f"`devenv kinds show {kind.name or name}` lists the options"
                hint = composekeys.answer_for(Infra, option, value) or composekeys.near(
                    option, options, listed
                )
                yield (*path, option), "unknown key", hint
            elif problem := _wrong_type(kind.options[option], value):
                yield (*path, option), *problem
        for option in {"version", "seed"} & infra.model_fields_set - set(kind.options):
            yield (*path, option), f"{infra.kind or name} has no {option}", "remove it"
        if infra.memory is not None and infra.resources.memory is not None:
            yield (*path, "memory"), "is resources.memory in short", "keep one of them"


def _wrong_type(expected: str, value: Any) -> tuple[str, str] | None:
    if expected == "flag":
        return None if isinstance(value, bool) else ("expected true or false", "")
    items = value if isinstance(value, list) and expected == "list" else [value]
    if all(isinstance(item, (str, int, float)) and not isinstance(item, bool) for item in items):
        return None
    return (
        ("expected a list of texts", "write it as [one, another]")
        if expected == "list"
        else ("expected text", "")
    )


def infra_is_new_enough(scope: Scope) -> Iterator[Finding]:
    """A store's version is one that its kind supports."""
    for name, infra in scope.manifest.infra.items():
        kind = scope.kinds.get(infra.kind or name)
        if kind is None or "${" in f"{infra.image}{infra.version}":
            continue
        image = infra.image or ""
        version = infra.version or kind.supported.version_of(image)
        if oldest := kind.supported.needed(version, image):
            key = "version" if infra.version else "image"
            hint = f"use {oldest} or newer, or run the old version as a service"
            why = f": {kind.supported.needs}" if kind.supported.needs else ""
            yield (
                ("infra", name, key),
                f"the kind {infra.kind or name} does not support version {version}{why}",
                hint,
            )


def external_is_an_address(scope: Scope) -> Iterator[Finding]:
    """A store that something else runs has a URL; a gateway is always the stack's own."""
    for name, infra in scope.manifest.infra.items():
        kind, path = scope.kinds.get(infra.kind or name), ("infra", name, "external")
        if infra.external is None or kind is None:
            continue
        if kind.gateway:
            yield path, "the stack's routes are served by a gateway of its own", "remove it"
        elif "${" not in infra.external and urls.split(infra.external) is None:
            yield path, "is not a URL", "write SCHEME://USER:PASSWORD@HOST:PORT/NAME"
