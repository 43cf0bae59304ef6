"""Rules about `${...}`: what it names, and where it is filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from devenv.errors import did_you_mean
from devenv.manifest.rules.scope import Scope
from devenv.manifest.rules.variables import VARIABLE
from devenv.manifest.source import Finding, Path

REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
SERVICE_ATTRIBUTES = frozenset(
    prefix + name for prefix in ("", "public_") for name in ("url", "host", "port", "address")
)
STACK_ATTRIBUTES = frozenset({"name", "namespace"})


def references_resolve(scope: Scope) -> Iterator[Finding]:
    """Each `${...}` names something that exists, in a place where references are filled in."""
    listed = {("infra", name, option) for name in scope.infra for option in scope.file_options(name)}
    for path, text in strings(scope.manifest):
        for match in REFERENCE.finditer(text):
            if match[1] is not None and (not filled_in(path) or path[:3] in listed):
                yield path, f'"{match[0]}" is not replaced here', "write the value itself"
            elif match[1] is not None:
                yield from _reference(scope, path, match[0], match[1])


def filled_in(path: Path) -> bool:
    """Whether references are filled in there: not in paths, which are read before anything is resolved."""
    match path:
        case ("services" | "jobs", _, section, *_) if section in _FILLED_IN:
            return True
        case ("services" | "jobs", _, "uses" | "secrets" | "like", *_):
            return True  # names, checked by other rules
        case ("services" | "jobs", _, "files", _, "content"):
            return True
        case ("services" | "jobs", _, "build", "args" | "secrets", *_) | ("services", _, "reload", "run", *_):
            return True
        case ("environments", _, "services" | "jobs", _, *rest):
            return rest[:1] == ["env"] or rest[:2] == ["build", "args"]
        case ("infra", _, option, *_):
            return option not in ("kind", "seed", "files")
    return path[:2] in (("gateway", "plugins"), ("gateway", "consumers"))


def in_fragment(path: Path) -> bool:
    """Whether a value there is passed on to another program, which decides what it means."""
    own = path[2:3] in (("compose",), ("kubernetes",)) or (
        path[:1] == ("environments",) and path[2:3] == ("values",)
    )
    return own or "plugins" in path


_FILLED_IN = {"image", "command", "entrypoint", "env", "health", "route", "host"}


def _reference(scope: Scope, path: Path, whole: str, inside: str) -> Iterator[Finding]:
    name, dot, attribute = inside.partition(".")
    if not whole.endswith("}"):
        yield path, f'"{whole}" is not closed', "close it with }, or write $${ for a literal ${"
    elif _is_public(path) and (name == "secret" or _is_secret(scope, name, attribute)):
        hint = "use secrets in env, files, commands and gateway plugins"
        yield path, f"${{{inside}}}: a secret would be seen here", hint
    elif name == "secret" and dot:
        if not VARIABLE.match(attribute):
            yield path, f'"{attribute}" is not a name of a secret', "use letters, digits and _"
    elif not dot:
        hint = "write ${name.attribute}, or $${ for a literal ${ that the shell should see"
        if inside.isupper() and VARIABLE.match(inside):
            values = f"${{env.{inside}}}, ${{secret.{inside}}} if it is one"
            hint = f"write {values}, or $${{ for what the shell fills in"
        yield path, f"${{{inside}}} is not a known reference", hint
    else:
        attributes = _attributes(scope, name)
        if name in scope.infra and path[0] == "infra":
            hint = (
                "refer to a secret, a service or the stack, or have a kind of your own use it: docs/kinds.md"
            )
            yield path, f"${{{inside}}}: a store's options cannot refer to a store", hint
        elif name in scope.manifest.jobs:
            yield path, f"${{{inside}}}: {name} is a job, which has no address", ""
        elif not attributes:
            names = [*scope.manifest.services, *scope.infra, "secret", "stack"]
            hint = f"write uses: [{name}]" if name in scope.kinds else did_you_mean(name, names)
            yield path, f'${{{inside}}}: no service or store "{name}"', hint
        elif attribute in attributes and "public_" in attribute and _publishes_nothing(scope, name):
            hint = f"remove publish: false from {scope.names.get(name, 'infra')}.{name}"
            yield path, f"${{{inside}}}: {name} publishes no port on this machine", hint
        elif attribute not in attributes and attribute in SERVICE_ATTRIBUTES:
            yield path, f"${{{inside}}}: {name} has no port", "add port:"
        elif attribute not in attributes:
            listing = ", ".join(sorted(word for word in attributes if "." not in word))
            hint = did_you_mean(attribute, attributes, f"it has: {listing}")
            yield path, f'${{{inside}}}: {name} has no "{attribute}"', hint


def _is_public(path: Path) -> bool:
    """Whether the value becomes visible to anybody: in labels, addresses or image names."""
    match path:
        case ("services", _, "route", *rest):
            return "plugins" not in rest
        case ("services", _, "health", "http") | (_, _, "image"):
            return True
    return path[2:] == ("version",)


def _is_secret(scope: Scope, name: str, attribute: str) -> bool:
    kind = scope.kinds.get(scope.infra.get(name, ""))
    return kind is not None and kind.options.get(attribute) == "secret"


def _publishes_nothing(scope: Scope, name: str) -> bool:
    declared = scope.manifest.services.get(name) or scope.manifest.infra.get(name)
    return declared is not None and declared.publish is False


def _attributes(scope: Scope, name: str) -> frozenset[str]:
    if name == "stack":
        return STACK_ATTRIBUTES
    if name in scope.manifest.services:
        ported = scope.manifest.services[name].named_ports
        return SERVICE_ATTRIBUTES if ported else frozenset({"host", "public_host"})
    kind = scope.kinds.get(scope.infra.get(name, ""))
    return kind.attributes if kind else frozenset()


def strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in a model, with its path, except in fragments, which are passed on verbatim."""
    match value:
        case str():
            yield path, value
        case BaseModel():
            fields = [*type(value).model_fields, *(value.model_extra or {})]
            for name in fields:
                if name not in ("values", "compose", "kubernetes"):  # passed on verbatim
                    yield from strings(getattr(value, name), (*path, name))
        case dict():
            for key, item in value.items():
                yield from strings(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from strings(item, (*path, index))
