"""What `.env` says of a Compose project, filled in where a manifest cannot leave it to a variable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from devenv.drafting.interpolation import Variable, everywhere, inlined, parts, plain, variables
from devenv.drafting.scene import unit_names

_LOGIN = re.compile(r"://[^/@\s:]*:[^/@\s$]+@")
_DECIDING = ("volumes", "env_file", "profiles", "restart", "read_only", "init", "network_mode", "privileged")
"""Keys whose values decide what is written, and not only what stands there."""
_FLAGS = frozenset(("read_only", "init", "privileged"))
_WORDS = {"true": True, "false": False, "": False}
_OF_A_BUILD = ("context", "dockerfile")
_OF_A_CHECK = ("interval", "timeout", "retries", "start_period", "disable")


@dataclass(frozen=True, slots=True)
class Definitions:
    """The variables of a project: each with its value, and the texts to write in the place of some."""

    values: Mapping[str, str]
    texts: Mapping[str, str]


def definitions(
    written: Mapping[str, str], environment: Mapping[str, str], services: Iterable[str]
) -> Definitions:
    """What the variables of `.env` mean to Compose, which fills in variables there too, and here.

    `written` are its values in Compose's form. One that has variables, or the name of a service that is
    called otherwise here, is written where it is used; not so a login, which stays in the file.
    """
    values: dict[str, str] = {}
    texts: dict[str, str] = {}
    renamed = [name for name, own in unit_names([*services]).items() if name != own]
    hosts = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, renamed)) or '(?!)'})(?![\w.-])")
    for name, text in written.items():
        values[name] = plain(text, {**values, **environment})
        if name not in environment and (any(variables(text)) or hosts.search(text)) and not has_login(text):
            texts[name] = inlined(text, texts)
    return Definitions({**values, **environment}, texts)


def has_login(text: str) -> bool:
    """Whether a text is an address with a password in plain text."""
    return bool(_LOGIN.search(text))


def filled(services: Mapping[str, Mapping[str, Any]], known: Definitions) -> dict[str, dict[str, Any]]:
    """The services with the values of variables where they decide what is written: paths, what is on."""
    return {name: _service(keys, known) for name, keys in services.items()}


def _service(keys: Mapping[str, Any], known: Definitions) -> dict[str, Any]:
    here = {**known.values, "PWD": ".", "HOME": "~"}

    def fill(value: Any) -> Any:
        return everywhere(lambda text: _fill(text, here), value)

    def fill_keys(value: Any, names: tuple[str, ...]) -> Any:
        if not isinstance(value, Mapping):
            return fill(value)
        return {key: fill(item) if key in names else item for key, item in value.items()}

    service: dict[str, Any] = fill_keys(keys, _DECIDING)
    for key in _FLAGS & {*service}:
        service[key] = _WORDS.get(service[key], service[key])
    for key, own in (("build", _OF_A_BUILD), ("healthcheck", _OF_A_CHECK)):
        if key in service:
            service[key] = fill_keys(service[key], own)
    if "volumes" in keys:  # a path without the value of its variable would be another one
        service["volumes"] = everywhere(lambda text: _fill_path(text, here), keys["volumes"])
    if "environment" in service:
        service["environment"] = _passed_on(service["environment"], known.texts)
    return {key: everywhere(lambda text: inlined(text, known.texts), value) for key, value in service.items()}


def _fill(text: str, values: Mapping[str, str]) -> str:
    return plain(text, values).replace("$", "$$") if any(variables(text)) else text


def _fill_path(text: str, values: Mapping[str, str]) -> str:
    """The text with the value of each variable, or its default; one that has neither stays."""
    return "".join(
        part.written
        if isinstance(part, Variable) and not (values.get(part.name) or part.default)
        else (part if isinstance(part, str) else plain(part.written, values)).replace("$", "$$")
        for part in parts(text)
    )


def _passed_on(environment: Any, texts: Mapping[str, str]) -> Any:
    """The variables of a service, where those without a value have the text that stands for it."""
    match environment:
        case Mapping():
            return {key: texts.get(key) if item is None else item for key, item in environment.items()}
        case list():
            return [f"{item}={texts[item]}" if item in texts else item for item in environment]
    return environment
