"""One infra thing of a stack: a kind of the catalogue with its options, and the units it becomes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from devenv.manifest.fields import seconds, size
from devenv.manifest.models import Infra
from devenv.manifest.source import Written
from devenv.stack import shell, text
from devenv.stack.catalogue import Kind
from devenv.stack.data import data_of
from devenv.stack.model import File, Link, Need, Port, Probe, Role, Unit, Volume
from devenv.stack.ports import Claim, Key
from devenv.stack.text import Text
from devenv.stack.world import Files


@dataclass(frozen=True)
class Instance:
    """A kind under a name, with every option decided."""

    name: str
    kind: Kind
    declared: Infra
    options: Mapping[str, Text | list[Text]]
    env: Mapping[str, Text] = field(default_factory=dict)

    def claims(self) -> list[Claim]:
        """The ports it would like to have on this machine."""
        found = []
        for service in self._services():
            for index, port in enumerate(service.get("ports", ())):
                wanted = _published(self.declared.publish, port["name"], first=index == 0)
                number = wanted or int(port.get("published", port["target"]))
                found.append(Claim(self._unit(service), port["target"], number, explicit=wanted is not None))
        return found

    def attribute(self, name: str, *, ports: Mapping[Key, int], part: str = "", public: bool = False) -> Text:
        """`url`, `host`, `password`, `public_url`, `public_port.9001` ... as text.

        Raises `KeyError` for what the kind does not have.
        """
        if name.startswith("public_"):
            return self.attribute(name.removeprefix("public_"), ports=ports, part=part, public=True)
        main = self.port
        match name:
            case "name":
                return self.name
            case "NAME":
                return variable(f"{self.name}_{part}" if part else self.name)
            case "image":
                return self.image(ports)
            case "host":
                return "localhost" if public else self.name
            case "port":
                return str(ports.get((self.name, main), main) if public else main)
            case "url":
                return text.fill(
                    self.kind.url,
                    lambda inner: self._in_url(
                        self.attribute(inner, ports=ports, part=part, public=public), inner
                    ),
                )
        if name.startswith("port."):
            number = int(name.removeprefix("port."))
            return str(ports.get((self.name, number), number) if public else number)
        if part and self.kind.part is not None and name == self.kind.part.option:
            return part
        option, _, index = name.partition(".")
        value = self.options[option]
        if isinstance(value, list):
            chosen = value[int(index) : int(index) + 1] if index else value  # an empty list has no first
            return text.join(" ", chosen)
        return text.fill(value, lambda inner: self.attribute(inner, ports=ports, part=part, public=public))

    @property
    def port(self) -> int:
        """Its main port, in the container."""
        if self.kind.gateway is not None:
            return self.kind.gateway.port
        ports = self.kind.services[self.kind.name].get("ports", ())
        return int(ports[0]["target"]) if ports else 0

    @property
    def version(self) -> str:
        """The version it runs: as written, as its image's tag says, or the kind's; empty when unknown."""
        if self.declared.image and self.declared.version is None:
            return self.kind.supported.version_of(self.declared.image)
        version = self.options.get("version", "")
        return "" if isinstance(version, list) else text.public(version, f"infra.{self.name}.version")

    def image(self, ports: Mapping[Key, int]) -> str:
        """The main unit's image."""
        own = text.fill(self._main()["image"], lambda inner: self.attribute(inner, ports=ports))
        return self.declared.image or text.public(own, f"infra.{self.name}.image")

    def injected(self, *, ports: Mapping[Key, int], part: str = "", public: bool = False) -> dict[str, Text]:
        """The variables that whoever uses it gets."""

        def look_up(inner: str) -> Text:
            return self.attribute(inner, ports=ports, part=part, public=public)

        where = f"infra.{self.name}"
        return {
            text.public(text.fill(key, look_up), where): text.fill(value, look_up)
            for key, value in self.kind.env.items()
        }

    def units(self, *, ports: Mapping[Key, int], files: Files) -> list[Unit]:
        """The units it becomes: the thing itself, then its one-shots."""
        found = []
        for service in self._services():

            def look_up(inner: str) -> Text:
                return self.attribute(inner, ports=ports)

            once = text.fill(service["x-once"], look_up) if "x-once" in service else None
            if isinstance(once, str) and not once.strip():
                continue
            filled = _filled(service, look_up)
            unit = self._from_compose(filled, ports, once=once is not None)
            if unit.name == self.name:
                dump, dumping = shell.read(_filled([*self.kind.dump], look_up))
                load, loading = shell.read(_filled([*self.kind.load], look_up))
                env = tuple({**dict(unit.env), **dumping, **loading}.items())
                unit = replace(unit, env=env, dump=dump, load=load)
            seeds = self._files(service.get("x-files", {}), files)
            unit = replace(unit, files=(*unit.files, *seeds))
            if unit.name == self.name:
                main = self.kind.of_version(self.version).services[self.kind.name]
                made = data_of(self.kind.block.data, main, self.options, self.env, unit.files)
                unit = replace(unit, data=made)
            found.append(unit)
        return found

    def _services(self) -> list[dict[str, Any]]:
        services = self.kind.services_of(self.version)
        return [{**service, "x-name": name} for name, service in services.items()]

    def _main(self) -> Mapping[str, Any]:
        return next(service for service in self._services() if service["x-name"] == self.kind.name)

    def _unit(self, service: Mapping[str, Any]) -> str:
        return self.name + str(service["x-name"]).removeprefix(self.kind.name)

    def _in_url(self, value: Text, attribute: str) -> Text:
        return value if attribute in ("host", "port", "url") else text.quoted(value)

    def _files(self, wanted: Mapping[str, str], files: Files) -> tuple[File, ...]:
        found = []
        for folder, option in wanted.items():
            patterns = self.options[option.removeprefix("${").removesuffix("}")]
            assert isinstance(patterns, list)
            shown = [text.public(pattern, f"infra.{self.name}.seed") for pattern in patterns]
            matched = [file for pattern in shown for file in files.get(pattern, ())]
            for index, (path, digest) in enumerate(matched):
                target = f"{folder}/{index:02d}-{path.rsplit('/', 1)[-1]}"  # the order they were written in
                found.append(File(target, source=path, digest=digest))
        return tuple(found)

    def _from_compose(self, said: dict[str, Any], ports: Mapping[Key, int], *, once: bool) -> Unit:
        name = self._unit(said)
        main = name == self.name
        said = {key: _public(value, f"infra.{name}.{key}") for key, value in said.items()}
        command, entrypoint, variables = shell.started(
            _words(said.get("command")), _words(said.get("entrypoint"))
        )
        probe, asking = _probe(said.get("healthcheck"))
        role: Role = "setup" if once else "infra"
        memory = said.get("mem_limit")
        wishes = {claim.container: claim.wanted for claim in self.claims() if claim.unit == name}
        declared = self.declared if main else Infra()
        return Unit(
            name=name,
            role=role,
            image=self.image(ports) if main else said["image"],
            engine=self.kind.name,
            version=self.version if main or not declared.image else "",
            command=command,
            entrypoint=entrypoint,
            env=tuple(
                {**said.get("environment", {}), **(self.env if main else {}), **variables, **asking}.items()
            ),
            ports=tuple(
                Port(port["name"], port["target"], ports.get((name, port["target"])), wishes[port["target"]])
                for port in said.get("ports", ())
            ),
            needs=(Need(self.name),) if once else (),
            probe=probe,
            volumes=tuple(
                Volume(f"{self.name}-{volume}", target)
                for volume, _, target in (entry.partition(":") for entry in said.get("volumes", ()))
            ),
            tmpfs=tuple(said.get("tmpfs", ())),
            memory=size(memory) if memory is not None else None,
            cpu=said.get("cpus"),
            grace=seconds(said.get("stop_grace_period", 10)),
            user=said.get("user"),
            uid=None if declared.image else self.kind.uid,
            hostname=said.get("hostname"),
            links=self._links(ports) if main else (),
            extra={key: value for key, value in said.items() if key not in _NEUTRAL},
            compose=declared.compose,
            kubernetes=declared.kubernetes,
        )

    def _links(self, ports: Mapping[Key, int]) -> tuple[Link, ...]:
        named = {port["name"]: port["target"] for port in self._main().get("ports", ())}
        return tuple(
            Link(label, f"http://localhost:{ports.get((self.name, named[port]), named[port])}")
            for label, port in self.kind.links.items()
        )


_NEUTRAL = {
    "x-name", "x-once", "x-files", "image", "command", "entrypoint", "environment", "ports", "volumes",
    "tmpfs", "mem_limit", "cpus", "stop_grace_period", "healthcheck", "user", "hostname", "depends_on",
}  # fmt: skip


def variable(name: str) -> str:
    """A name as it appears in an environment variable."""
    return name.upper().replace("-", "_")


def _published(publish: int | dict[str, int] | None, name: str, *, first: bool) -> int | None:
    if isinstance(publish, dict):
        return publish.get(name)
    return publish if first else None


_TEMPLATE = re.compile(r"\$\$|\$\{([^}]*)\}")  # `$$` is Compose's way to write a dollar


def _filled(value: Any, look_up: Callable[[str], Text]) -> Any:
    match value:
        case str():
            return text.fill(value, look_up, _TEMPLATE, escaped="$")
        case Written():
            return value
        case dict():
            return {key: _filled(item, look_up) for key, item in value.items()}
        case list():
            return [_filled(item, look_up) for item in value]
    return value


def _public(value: Any, where: str) -> Any:
    """What a key of a service says, without secrets where they would be seen."""
    if where.rpartition(".")[2] not in ("command", "entrypoint", "environment", "healthcheck"):
        for name in sorted(text.secrets_in(value)):
            text.public(text.secret(name), where)
    return value


def _words(command: Any) -> tuple[Text, ...] | None:
    return (
        None
        if command is None
        else tuple(word if isinstance(word, text.Sealed) else str(word) for word in command)
    )


def _probe(check: Mapping[str, Any] | None) -> tuple[Probe | None, Mapping[str, Text]]:
    """The check as a probe, and the variables that it reads."""
    if check is None:
        return None, {}
    how, *words = check["test"]
    command, variables = shell.safe(("sh", "-c", words[0]) if how == "CMD-SHELL" else words)
    return Probe(
        "exec",
        command=command,
        every=seconds(check.get("start_interval", "500ms")),
        timeout=seconds(check.get("timeout", "3s")),
        within=seconds(check.get("start_period", "60s")),
    ), variables
