"""Texts of a gateway's configuration as a manifest has them, and the secrets among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devenv.drafting.scene import variable_of
from devenv.manifest.source import as_text
from devenv.stack.secretnames import is_secret

_DECK = re.compile(r"\$\{\{\s*env\s+[\"'](?P<name>\w+)[\"']\s*\}\}")
_VARIABLE = re.compile(r"\$(?:(?P<plain>[A-Z][A-Z0-9_]+)|\{(?P<braced>[A-Z][A-Z0-9_]+)\})")
"""A value that something else fills in, such as the script that starts Kong."""
_HEADER = re.compile(
    r"((?:proxy-)?authorization|[\w-]*(?:api-?key|token|secret))\s*:\s*(?=\S)", re.IGNORECASE
)
_SECRETS = frozenset(
    ("provision_key", "aws_key", "authorization", "proxy_authorization")
)  # settings and headers that are secrets though their names are no words of it
_PROTOCOLS = ({"http", "https"}, {"grpc", "grpcs", "http", "https"})
_OF_A_PLUGIN = frozenset(("name", "config", "enabled", "protocols", "tags", "id", "created_at", "updated_at"))


@dataclass(slots=True)
class Secrets:
    """Values that a manifest only names."""

    values: dict[str, str] = field(default_factory=dict)

    def move(self, name: str, value: Any) -> str:
        """The text that refers to a value; decK's variable is the secret that it names already."""
        text = str(as_text(value))
        if match := _DECK.search(text):
            return ours(text, "secret") if match else text
        if match := _VARIABLE.fullmatch(text):
            return f"${{secret.{match['plain'] or match['braced']}}}"
        number, own = 1, name
        while self.values.get(own, text) != text:
            number += 1
            own = f"{name}_{number}"
        self.values[own] = text
        return f"${{secret.{own}}}"


def ours(value: Any, kind: str = "env") -> str:
    """A text with decK's `${{ env "NAME" }}` as `${env.NAME}`, and other dollars as they are."""
    parts = _DECK.split(str(as_text(value)))
    texts = [part.replace("${", "$${") for part in parts[::2]]
    names = [f"${{{kind}.{name}}}" for name in parts[1::2]]
    return "".join(text for pair in zip(texts, [*names, ""], strict=True) for text in pair)


def unsayable_plugin(plugin: Mapping[str, Any]) -> str:
    """Why a plugin stays in Kong's words, or ""."""
    bound = [key for key in ("service", "route", "consumer", "consumer_group") if key in plugin]
    more = sorted(set(plugin) - _OF_A_PLUGIN - set(bound))
    protocols = set(map(str, plugin.get("protocols") or _PROTOCOLS[0]))
    if bound:
        return f"the plugin {plugin.get('name')} is bound to a {' and a '.join(bound)}"
    if more:
        return f"the plugin {plugin.get('name')} says {', '.join(more)}"
    return (
        ""
        if protocols in _PROTOCOLS
        else f"the plugin {plugin.get('name')} is for {', '.join(sorted(protocols))}"
    )


def plugin_value(plugin: Mapping[str, Any], secrets: Secrets, owner: str) -> Any:
    """A plugin as a manifest has it: its name, or its name and its settings."""
    name = str(plugin.get("name", ""))
    config = _settings(plugin.get("config") or {}, secrets, f"{owner}_{name}")
    return {name: config} if config else name


def _settings(value: Any, secrets: Secrets, name: str, key: str = "") -> Any:
    match value:
        case Mapping():
            return {
                inner: _settings(item, secrets, f"{name}_{inner}", str(inner))
                for inner, item in value.items()
            }
        case list():
            return [_settings(item, secrets, name, key) for item in value]
        case str():
            header = _HEADER.match(value)
            if header and "$" not in value:
                return header[0] + secrets.move(variable_of(f"{name}_{header[1]}"), value[header.end() :])
            hidden = key.lower().replace("-", "_") in _SECRETS or is_secret(key, value)
            return secrets.move(variable_of(name), value) if hidden else ours(value)
    return value
