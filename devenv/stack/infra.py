"""An infra of a stack: a kind of the catalogue with its options, and its attributes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from devenv.manifest.models import Infra
from devenv.manifest.rules.scope import unit_name
from devenv.stack import text
from devenv.stack.external import External
from devenv.stack.kinds import service as kindservice
from devenv.stack.kinds.catalogue import Kind
from devenv.stack.kinds.file import KindFile
from devenv.stack.kinds.rules import TEMPLATE
from devenv.stack.model import File
from devenv.stack.ports import Claim, claim, wish
from devenv.stack.text import Sealed, Secret, Text
from devenv.stack.view import View

CLIENT = "${client}"
"""The name of the unit that uses a kind."""
T = TypeVar("T")
LookUp = Callable[[str], Text]


@dataclass(frozen=True)
class Instance:
    """A kind under a name, with every option resolved.

    `uses`: a kind that its texts may refer to -> the instance, and the used part of it; `joins`: one that it
    turns to as the stack has it, and does not wait for; `stack`: what the stack says of itself.
    `external`: something
    else runs it, and a Secret has its variables. `args` and `files` are those that the manifest adds.
    """

    name: str
    kind: Kind
    declared: Infra
    options: Mapping[str, Text | list[Text]]
    env: Mapping[str, Text] = field(default_factory=dict)
    uses: Mapping[str, tuple[Instance, str]] = field(default_factory=dict, repr=False)
    joins: Mapping[str, Instance] = field(default_factory=dict, repr=False)
    stack: Callable[[str], str] = field(default=lambda _: "", repr=False, compare=False)
    external: bool = False
    args: tuple[Text, ...] = ()
    files: tuple[File, ...] = ()
    address: External | None = None
    """The same on every backend, at an address that the manifest has."""

    @property
    def elsewhere(self) -> bool:
        """Whether something else runs it."""
        return self.external or self.address is not None

    # -- its definition

    @cached_property
    def file(self) -> KindFile:
        """The kind's file with the changes for this version."""
        return self.kind.of_version(self.version)

    @property
    def version(self) -> str:
        """Its version: as declared, as in its image's tag, or the kind's default; "" if unknown."""
        if self.declared.image and self.declared.version is None:
            return self.kind.supported.version_of(self.declared.image)
        version = self.options.get("version", "")
        return text.public(
            text.join(" ", version) if isinstance(version, list) else version, f"infra.{self.name}.version"
        )

    @property
    def main(self) -> kindservice.Service:
        """The service named after the kind."""
        return self.file.services[self.kind.name]

    def unit(self, service: str) -> str:
        """The unit name of one of its services."""
        return unit_name(service, kind=self.kind.name, name=self.name)

    def claims(self) -> Iterator[Claim]:
        """The ports it asks for on this machine."""
        if self.address is not None:
            return
        publish = self.declared.publish
        main = next((port.outside or port.name for port in self.main.ports), "")
        for key, service in self.file.services.items():
            for port in service.ports:
                asked = wish(publish, port.name, main=port.name == main)
                asked = 0 if port.outside else asked
                yield claim(self.unit(key), port.target, asked, default=port.published or port.target)

    # -- its attributes

    def attribute(self, name: str, *, view: View, part: str = "") -> Text:
        """`url`, `host`, `password`, `public_url`, `port.admin`, `kibana.url` ... as text.

        With the suffix `.json`: as JSON, a string or a list. Raises `KeyError` for an unknown attribute.
        """
        if name.endswith(".json"):
            return self._json(name.removesuffix(".json"), view, part)
        if name.startswith("public_"):
            return self.attribute(name.removeprefix("public_"), view=view.outside, part=part)
        if self.external and name not in ("name", "NAME"):
            return self._elsewhere(name, view, part)
        if self.address is not None and (value := self._at_address(name, view, part)) is not None:
            return value
        head, _, tail = name.partition(".")
        match head:
            case "name":
                return self.name
            case "client":
                return view.unit
            case "NAME":
                return variable(f"{self.name}_{part}" if part else self.name)
            case "image":
                return self.image
            case "secret":
                return text.secret(tail)
            case "stack":
                return self.stack(tail)
            case "url":
                return self._url(view, part)
            case "host" | "port" | "address":
                return self.address_of(self.kind.name, name, view)
        if head in self.file.services:
            return self.address_of(head, tail, view)
        if head in self.uses:
            instance, used = self.uses[head]
            return instance.attribute(tail, view=view, part=used)
        if head in self.joins:
            return self.joins[head].attribute(tail, view=view)
        if part and self.kind.block.part is not None and name == self.kind.block.part.option:
            return part
        return self._option(head, tail, self.look_up(view, part))

    def _at_address(self, name: str, view: View, part: str) -> Text | None:
        """An attribute that is part of its URL; None for others, which are the options of its kind."""
        assert self.address is not None
        block, address = self.kind.block, self.address
        of_part = block.part.option if block.part else ""
        in_path = bool(of_part) and f"/${{{of_part}}}" in block.url
        if name == "url" and "${user}" not in block.url and "${user}" in block.env.values():
            return address.attribute("origin", inside=view.inside)  # they are variables by themselves
        match name.partition("."):
            case ("url", "", _):
                return address.attribute("url", part=part if in_path else "", inside=view.inside)
            case ("host" | "port", "", _):
                return address.attribute(name, inside=view.inside)
            case ("user" | "password", "", _) if name in self.options:
                return address.attribute(name)
            case (head, "", _) if in_path and head == of_part:
                return address.attribute("database", part=part)
            case ("port", _, key):
                return str(self.port_of(self.kind.name, key))
            case ("url", _, key):
                host = address.attribute("host", inside=view.inside)
                return text.join("", ("http://", host, f":{self.port_of(self.kind.name, key)}"))
        return None

    def _elsewhere(self, name: str, view: View, part: str) -> Text:
        """An attribute as the variable that has just this value, else as one of its own: VALKEY_HOST."""
        for key, value in self.kind.block.env.items():
            if value == f"${{{name}}}":
                return self._variable(self.public(key, self.look_up(view, part), "env"))
        return self._variable(variable("_".join(filter(None, (self.name, part, name)))).replace(".", "_"))

    def _variable(self, key: str) -> Text:
        return Sealed((Secret(key, store=self.name),))

    def look_up(self, view: View, part: str = "") -> LookUp:
        """A function that gives its attributes, as seen from this view."""
        return lambda name: self.attribute(name, view=view, part=part)

    def _url(self, view: View, part: str) -> Text:
        def look_up(name: str) -> Text:
            value = self.attribute(name, view=view, part=part)
            return value if name in ("host", "port", "url") else text.quoted(value)

        return text.fill(self.kind.block.url, look_up)

    def address_of(self, service: str, attribute: str, view: View) -> str:
        """Host, port, both (`address`) or URL of one of its services."""
        if attribute.startswith("public_"):
            return self.address_of(service, attribute.removeprefix("public_"), view.outside)
        head, _, key = attribute.partition(".")
        port = self.port_of(service, key)
        host, port = view.address(self.unit(service), port if view.inside else self._outside(service, port))
        own = {"host": host, "port": str(port), "address": f"{host}:{port}"}
        return {**own, "url": f"http://{host}:{port}"}[head]

    def is_reached(self, port: int, view: View, service: str = "") -> bool:
        """Whether a port of a service, or of the main one, leads there from this machine."""
        service = service or self.kind.name
        unit, port = self.unit(service), self._outside(service, port)
        claims = {claim.key: claim for claim in self.claims()}
        return (unit, port) in view.ports or (unit, port) not in claims or claims[unit, port].published

    def port_of(self, service: str, key: str = "") -> int:
        """A port of a service by its name or number; the main one without a key."""
        gateway = self.kind.block.gateway
        if gateway is not None and service == self.kind.name and not key:
            return gateway.port
        ports = {port.name: port.target for port in self.file.services[service].ports}
        if not key:
            return next(iter(ports.values()), 0)
        return int(key) if key.isdecimal() else ports[key]

    def _option(self, name: str, key: str, look_up: LookUp) -> Text:
        value = self.options[name]
        if not isinstance(value, list):
            return text.fill(value, look_up)
        return text.join(" ", value[int(key) : int(key) + 1] if key else value)  # "" for an empty list

    def _json(self, name: str, view: View, part: str) -> Text:
        items = self.options.get(name)
        if isinstance(items, list):
            return text.join("", ("[", text.join(", ", map(_quoted, items)), "]"))
        return _quoted(self.attribute(name, view=view, part=part))

    def _outside(self, service: str, number: int) -> int:
        """The port that leads from this machine to where another one leads in the stack."""
        ports = {port.name: port for port in self.file.services[service].ports}
        name = next((port.outside for port in ports.values() if port.target == number), "")
        return ports[name].target if name else number

    @property
    def port(self) -> int:
        """Its main port, in the container."""
        return self.port_of(self.kind.name)

    @property
    def image(self) -> str:
        """The main unit's image."""
        if self.declared.image:
            return self.declared.image
        return self.public(self.main.image, self.look_up(View()), "image")

    def injected(self, *, view: View, part: str = "") -> dict[str, Text]:
        """The variables that its users get; those about a client only where there is one."""
        look_up = self.look_up(view, part)
        env = self.kind.block.env.items()
        keys = {self.public(key, look_up, "env"): value for key, value in env if view.unit or value != CLIENT}
        return {
            key: self._variable(key) if self.external and value != CLIENT else text.fill(value, look_up)
            for key, value in keys.items()
        }

    @property
    def names_client(self) -> bool:
        """Whether each of its users gets other variables."""
        return CLIENT in self.kind.block.env.values()

    @property
    def plugins(self) -> Mapping[str, Any]:
        """The plugins that a gateway has on every route by itself: name -> settings."""
        gateway, look_up = self.kind.block.gateway, self.look_up(View(unit=self.name))
        return {name: filled(config, look_up) for name, config in gateway.plugins.items()} if gateway else {}

    # -- its files

    def patterns(self, option: str) -> list[str]:
        """Files of the project, or patterns of them, that an option lists."""
        value = self.options[option]
        listed = value if isinstance(value, list) else [value]
        return [pattern for pattern in listed if isinstance(pattern, str)]

    def public(self, template: str, look_up: LookUp, key: str) -> str:
        """A filled-in text. Raises `UsageError` if it contains a secret."""
        return text.public(filled(template, look_up), f"infra.{self.name}.{key}")


def variable(name: str) -> str:
    """A name in the form of an environment variable."""
    return name.upper().replace("-", "_")


def filled(value: Any, look_up: LookUp) -> Any:
    """A value of the kind's file with every `${...}` in it filled in."""
    match value:
        case str():
            return text.fill(value, look_up, TEMPLATE, escaped="$")
        case dict():
            return {key: filled(item, look_up) for key, item in value.items()}
        case list():
            return [filled(item, look_up) for item in value]
    return value


def _quoted(value: Text) -> Text:
    """A text as a JSON string."""
    inside = (
        json.dumps(part)[1:-1] if isinstance(part, str) else replace(part, place="json")
        for part in text.parts(value)
    )
    return text.of_parts(('"', *inside, '"'))
