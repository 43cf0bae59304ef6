"""The variables of a container, with what ConfigMaps and Secrets give it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devenv.drafting.kubernetes.imported import Imported
from devenv.drafting.kubernetes.objects import Item, Values, at, rows, word
from devenv.manifest.source import as_text

_REFERENCE = re.compile(r"\$(?:\$|\((?P<name>[\w.-]+)\))")
_NAME = re.compile(r"[A-Za-z_]\w*")
_PORT = re.compile(r"_?PORT$", re.IGNORECASE)
_HOSTS = ("_HOST", "_HOSTNAME", "HOST", "_SERVICE", "_ADDR", "_SERVER")


@dataclass(slots=True)
class Variable:
    """`value` is written as in a Compose file; `private` is what a Secret holds."""

    value: str
    private: bool = False


def variables(imported: Imported, unit: str, container: Item) -> dict[str, Variable]:
    """Variable -> its value as the program gets it, but for addresses, which are those of the stack."""
    environment: dict[str, Variable] = {}
    for item in rows(container, "envFrom"):
        environment |= dict(_all(imported, unit, item))
    for item in rows(container, "env"):
        name = word(item, "name")
        if name and (variable := _one(imported, unit, name, item, environment)):
            environment[name] = variable
    for name, variable in environment.items():
        variable.value = imported.addresses.here(variable.value)
        variable.value = _port_here(imported, name, variable.value, environment)
    return environment


def _all(imported: Imported, unit: str, item: Item) -> Iterator[tuple[str, Variable]]:
    """All that a ConfigMap or a Secret holds."""
    for key, private in (("configMapRef", False), ("secretRef", True)):
        if not (name := word(item, key, "name")):
            continue
        values = (imported.objects.secrets if private else imported.objects.configs).get(name)
        if values is None:
            note = f"{_KINDS[private]} {name} is not among the objects: env: or secrets: has its variables"
            imported.say("by hand", f"{unit}.envFrom {name}", note)
            continue
        for variable, text in values.texts.items():
            if "\n" not in text or _NAME.fullmatch(variable):  # the others are files
                yield word(item, "prefix") + variable, Variable(literal(text), private)


_KINDS = {False: "the ConfigMap", True: "the Secret"}


def _one(
    imported: Imported, unit: str, name: str, item: Item, environment: Mapping[str, Variable]
) -> Variable | None:
    whence = at(item, "valueFrom")
    if not whence:
        return expanded(str(as_text(item.get("value")) or ""), environment)
    for key, private in (("configMapKeyRef", False), ("secretKeyRef", True)):
        if key in whence:
            sources = imported.objects.secrets if private else imported.objects.configs
            return _of(imported, unit, name, at(whence, key), sources, private=private)
    kind = next(iter(whence))
    note = f"{kind} says it in a cluster alone; write {name}: under env: where the program needs it"
    imported.say("by hand", f"{unit}.env.{name}", note)
    return None


def _of(
    imported: Imported, unit: str, name: str, ref: Any, sources: Mapping[str, Values], *, private: bool
) -> Variable | None:
    """The value of a key of a ConfigMap or a Secret; one that is not among the objects has yet to be set."""
    source, key = word(ref, "name"), word(ref, "key")
    values = sources.get(source)
    text = values.texts.get(key) if values else None
    if text is not None:
        return Variable(literal(text), private)
    if at(ref, "optional") is True:
        imported.say("dropped", f"{unit}.env.{name}", f"optional, and nothing here has {source}.{key}")
        return None
    if not private:
        note = f"{_KINDS[private]} {source} has no {key} among the objects: write {name}: under env:"
        imported.say("by hand", f"{unit}.env.{name}", note)
        return None
    return Variable(f"${{{imported.unknown(source, key)}}}", private)


def literal(text: str) -> str:
    """A text without variables, as a Compose file has it."""
    return text.replace("$", "$$")


def expanded(text: str, environment: Mapping[str, Variable]) -> Variable:
    """A text with `$(NAME)` filled in, as far as the variables before it are known."""
    result, position = Variable(""), 0
    for match in _REFERENCE.finditer(text):
        variable = environment.get(match["name"] or "")
        result.private |= variable is not None and variable.private
        shown = variable.value if variable else literal("$" if match[0] == "$$" else match[0])
        result.value += literal(text[position : match.start()]) + shown
        position = match.end()
    result.value += literal(text[position:])
    return result


def _port_here(imported: Imported, name: str, value: str, environment: Mapping[str, Variable]) -> str:
    """A port that stands alone beside the variable with its host, as `ORDERS_HOST` and `ORDERS_PORT`."""
    if not value.isdecimal() or not (match := _PORT.search(name)):
        return value
    stem = name[: match.start()]
    hosts = (environment[other].value for ending in _HOSTS if (other := f"{stem}{ending}") in environment)
    for host in hosts:
        if host in imported.addresses.units:
            return str(imported.addresses.ports[host].get(int(value), value))
    return value
