"""An infra of a stack: a kind of the catalogue with its options, and its units."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, TypeVar

from pydantic_core import PydanticCustomError

from devenv.errors import UsageError
from devenv.manifest.fields import cores, seconds, size
from devenv.manifest.models import Infra
from devenv.manifest.rules.scope import unit_name
from devenv.stack import kindfile, shell, text
from devenv.stack.catalogue import Kind
from devenv.stack.data import data_of, guarded
from devenv.stack.external import External
from devenv.stack.kindfile import Command, Healthcheck, KindFile
from devenv.stack.kindrules import TEMPLATE
from devenv.stack.model import File, Link, Need, Port, Probe, Process, Unit, Volume, port_of
from devenv.stack.ports import Claim, claim, wish
from devenv.stack.text import Sealed, Secret, Text
from devenv.stack.view import View
from devenv.stack.world import Files

CLIENT = "${client}"
"""The name of the unit that uses a kind."""
T = TypeVar("T")
LookUp = Callable[[str], Text]


@dataclass(frozen=True)
class Instance:
    """A kind under a name, with every option resolved.

    `uses`: a kind that its texts may refer to -> the instance, and the used part of it; `joins`: one that it
    turns to as the stack has it, and does not wait for. `external`: something
    else runs it, and a Secret has its variables. `args` and `files` are those that the manifest adds.
    """

    name: str
    kind: Kind
    declared: Infra
    options: Mapping[str, Text | list[Text]]
    env: Mapping[str, Text] = field(default_factory=dict)
    uses: Mapping[str, tuple[Instance, str]] = field(default_factory=dict, repr=False)
    joins: Mapping[str, Instance] = field(default_factory=dict, repr=False)
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
    def main(self) -> kindfile.Service:
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
            case "url":
                return self._url(view, part)
            case "host" | "port" | "address":
                return self._address(self.kind.name, name, view)
        if head in self.file.services:
            return self._address(head, tail, view)
        if head in self.uses:
            instance, used = self.uses[head]
            return instance.attribute(tail, view=view, part=used)
        if head in self.joins:
            return self.joins[head].attribute(tail, view=view)
        if part and self.kind.block.part is not None and name == self.kind.block.part.option:
            return part
        return self._option(head, tail, self._look_up(view, part))

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
                return str(self._port(self.kind.name, key))
            case ("url", _, key):
                host = address.attribute("host", inside=view.inside)
                return text.join("", ("http://", host, f":{self._port(self.kind.name, key)}"))
        return None

    def _elsewhere(self, name: str, view: View, part: str) -> Text:
        """An attribute as the variable that has just this value. Raises `UsageError` where there is none."""
        for key, value in self.kind.block.env.items():
            if value == f"${{{name}}}":
                return self._variable(self._public(key, self._look_up(view, part), "env"))
        raise UsageError(
            f"${{{self.name}.{name}}} has no value where something else runs {self.name}",
            why=f"its Secret has {', '.join(self.injected(view=view, part=part))}",
            hint="use one of these variables",
        )

    def _variable(self, key: str) -> Text:
        return Sealed((Secret(key, store=self.name),))

    def _look_up(self, view: View, part: str = "") -> LookUp:
        return lambda name: self.attribute(name, view=view, part=part)

    def _url(self, view: View, part: str) -> Text:
        def look_up(name: str) -> Text:
            value = self.attribute(name, view=view, part=part)
            return value if name in ("host", "port", "url") else text.quoted(value)

        return text.fill(self.kind.block.url, look_up)

    def _address(self, service: str, attribute: str, view: View) -> str:
        """Host, port, both (`address`) or URL of one of its services."""
        if attribute.startswith("public_"):
            return self._address(service, attribute.removeprefix("public_"), view.outside)
        head, _, key = attribute.partition(".")
        port = self._port(service, key)
        host, port = view.address(self.unit(service), port if view.inside else self._outside(service, port))
        own = {"host": host, "port": str(port), "address": f"{host}:{port}"}
        return {**own, "url": f"http://{host}:{port}"}[head]

    def is_reached(self, port: int, view: View, service: str = "") -> bool:
        """Whether a port of a service, or of the main one, leads there from this machine."""
        service = service or self.kind.name
        unit, port = self.unit(service), self._outside(service, port)
        claims = {claim.key: claim for claim in self.claims()}
        return (unit, port) in view.ports or (unit, port) not in claims or claims[unit, port].published

    def _port(self, service: str, key: str = "") -> int:
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
        return self._port(self.kind.name)

    @property
    def image(self) -> str:
        """The main unit's image."""
        if self.declared.image:
            return self.declared.image
        return self._public(self.main.image, self._look_up(View()), "image")

    def injected(self, *, view: View, part: str = "") -> dict[str, Text]:
        """The variables that its users get; those about a client only where there is one."""
        look_up = self._look_up(view, part)
        env = self.kind.block.env.items()
        keys = {
            self._public(key, look_up, "env"): value for key, value in env if view.unit or value != CLIENT
        }
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
        gateway, look_up = self.kind.block.gateway, self._look_up(View(unit=self.name))
        return {name: _filled(config, look_up) for name, config in gateway.plugins.items()} if gateway else {}

    # -- its units

    def units(self, *, view: View, files: Files) -> list[Unit]:
        """The units of its services."""
        return [self._unit(name, view, files) for name in self._running(view)]

    def setups(self, view: View) -> list[str]:
        """Names of its one-shots."""
        return [self.unit(name) for name in self._running(view) if self.file.services[name].once is not None]

    def _running(self, view: View) -> list[str]:
        """Names of its services, without idle one-shots; none if something else runs it."""
        if self.elsewhere:
            return []
        return [name for name, service in self.file.services.items() if self._has_work(service, view)]

    def _has_work(self, service: kindfile.Service, view: View) -> bool:
        if service.once is None:
            return True
        condition = text.fill(service.once, self._look_up(view))
        return not isinstance(condition, str) or bool(condition.strip())

    def _unit(self, key: str, view: View, files: Files) -> Unit:
        service, main, block = self.file.services[key], key == self.kind.name, self.kind.block
        look_up = self._look_up(view)
        declared = self.declared if main else Infra()
        words = _words(service.command, look_up)
        if main and self.args:
            words = (*(words or ()), *self.args)
        command, entrypoint, variables = shell.container_command(words, _words(service.entrypoint, look_up))
        probe, asking = _probe(service.healthcheck, look_up, f"infra.{self.name}.healthcheck")
        dump, dumping = _exec(block.dump if main else None, look_up)
        load, loading = _exec(block.load if main else None, look_up)
        env = {name: _filled(value, look_up) for name, value in service.environment.items()}
        own = self.env if main else {}
        of_main = main or service.image in (self.main.image, "${image}")
        own_files = self.files if main else ()
        mounted = (*self._configs(service, look_up), *self._project_files(service, files), *own_files)
        unit = Unit(
            name=self.unit(key),
            role="infra" if service.once is None else "setup",
            image=self.image if main else self._public(service.image, look_up, "image"),
            engine=self.kind.name,
            version=self.version if of_main or "${version}" in service.image else "",
            gateway=main and block.gateway is not None,
            command=command,
            entrypoint=entrypoint,
            env=tuple({**env, **own, **variables, **asking, **dumping, **loading}.items()),
            ports=tuple(self._ports(key, view)),
            restart=self.declared.restart if service.once is None else None,
            needs=tuple(self._needs(key, view)),
            probe=probe,
            volumes=tuple(
                Volume(f"{self.name}-{volume.source}", volume.target) for volume in service.volumes
            ),
            files=mounted,
            data=data_of(block.data, service, self.options, self.env, mounted) if main else None,
            tmpfs=tuple(self._public(entry, look_up, "tmpfs") for entry in service.tmpfs),
            memory=declared.resources.memory
            or declared.memory
            or self._amount(size, service.memory, look_up, "mem_limit"),
            cpu=declared.resources.cpu or self._amount(cores, service.cpu, look_up, "cpus"),
            grace=self._amount(seconds, service.stop_grace_period, look_up, "stop_grace_period") or 0.0,
            user=self._public(service.user, look_up, "user") if service.user else None,
            uid=block.uid if of_main and not self.declared.image else None,
            hostname=self._public(service.hostname, look_up, "hostname") if service.hostname else None,
            links=tuple(self._links(key, view)),
            dump=dump,
            load=load,
            process=tuple(self._ways(service, look_up, main=main)),
            extra=_filled(service.extra, lambda name: text.public(look_up(name), f"infra.{self.name}")),
            compose=declared.compose,
            kubernetes=declared.kubernetes,
        )
        if not view.inside:
            return replace(unit, probe=self._open_port(unit)) if main else unit
        return guarded(unit, block.data.scripts) if main and block.data else unit

    def _open_port(self, unit: Unit) -> Probe | None:
        """The check of a plain process: the kind's own, or the main port, where that needs other programs."""
        ways = self.kind.block.process
        if not ways or ways[0].ready == "check" or unit.probe is None:
            return unit.probe
        return replace(unit.probe, kind="tcp", port=self.port, command=())

    def _ways(self, service: kindfile.Service, look_up: LookUp, *, main: bool) -> Iterator[Process]:
        """How a service runs as a plain process; what is not the main one has a command of its own."""
        if service.process is not None:
            yield Process(_filled(service.process, look_up))
            return
        for way in self.kind.block.process:
            package = (way.wheel.package, way.wheel.programs) if way.wheel else ("", "")
            if not main:
                yield Process("", way.program, *package, install=way.install, oldest=way.oldest)
                continue
            yield Process(
                _filled(way.command, look_up),
                way.program,
                *package,
                packages=tuple(way.packages),
                new=_filled(way.new, look_up),
                environment=tuple(_filled(way.environment, look_up).items()),
                stop=way.stop,
                rootless=way.rootless,
                stand_in=way.stand_in,
                install=way.install,
                oldest=way.oldest,
            )

    def _ports(self, key: str, view: View) -> Iterator[Port]:
        unit = self.unit(key)
        claims = {claim.container: claim for claim in self.claims() if claim.unit == unit}
        for port in self.file.services[key].ports:
            yield port_of(claims[port.target], port.name, view.ports)

    def _needs(self, key: str, view: View) -> Iterator[Need]:
        """Its dependencies, and the kinds it uses; a one-shot without dependencies needs the main unit."""
        service = self.file.services[key]
        running = self._running(view)
        default = [self.kind.name] if service.once is not None else []
        for dependency in [*service.depends_on] or default:
            if dependency in running:
                yield Need(self.unit(dependency), done=self.file.services[dependency].once is not None)
        for instance, _ in self.uses.values():
            if not instance.elsewhere:
                yield Need(instance.name)
            yield from (Need(setup, done=True) for setup in instance.setups(view))

    def _configs(self, service: kindfile.Service, look_up: LookUp) -> Iterator[File]:
        for mount in service.configs:
            content = _filled(self.file.configs[mount.source].content, look_up)
            holds = tuple(sorted(text.secrets_in(content)))
            yield File(mount.target, content=content, digest=text.digest(repr(content)), holds=holds)

    def patterns(self, option: str) -> list[str]:
        """Files of the project, or patterns of them, that an option lists."""
        value = self.options[option]
        listed = value if isinstance(value, list) else [value]
        return [pattern for pattern in listed if isinstance(pattern, str)]

    def _project_files(self, service: kindfile.Service, files: Files) -> Iterator[File]:
        """Files of the project that an option names, in the order they were written in."""
        for folder, option in service.files.items():
            patterns = self.patterns(option.removeprefix("${").removesuffix("}"))
            matched = [file for pattern in patterns for file in files.get(pattern, ())]
            for index, (path, digest) in enumerate(matched):
                yield File(f"{folder}/{100 + index}-{path.rsplit('/', 1)[-1]}", source=path, digest=digest)

    def _links(self, key: str, view: View) -> Iterator[Link]:
        for label, port in self.kind.block.links.items():
            service, _, name = port.rpartition(".")
            if (service or self.kind.name) == key and self.is_reached(self._port(key, name), view, key):
                yield Link(label, self._address(key, f"url.{name}", view.outside))

    def _public(self, template: str, look_up: LookUp, key: str) -> str:
        """A filled-in text. Raises `UsageError` if it contains a secret."""
        return text.public(_filled(template, look_up), f"infra.{self.name}.{key}")

    def _amount(self, parse: Callable[[Any], T], template: str | None, look_up: LookUp, key: str) -> T | None:
        if template is None:
            return None
        value = self._public(template, look_up, key)
        try:
            return parse(int(value) if value.isdecimal() else value)
        except PydanticCustomError as error:
            message, _, hint = error.message().partition(" - ")
            raise UsageError(f'"{value}" {message}', where=f"infra.{self.name}: {key}", hint=hint) from None


def variable(name: str) -> str:
    """A name in the form of an environment variable."""
    return name.upper().replace("-", "_")


def _filled(value: Any, look_up: LookUp) -> Any:
    """A value of the kind's file with every `${...}` in it filled in."""
    match value:
        case str():
            return text.fill(value, look_up, TEMPLATE, escaped="$")
        case dict():
            return {key: _filled(item, look_up) for key, item in value.items()}
        case list():
            return [_filled(item, look_up) for item in value]
    return value


def _words(command: Sequence[str] | None, look_up: LookUp) -> tuple[Text, ...] | None:
    return None if command is None else tuple(_filled(word, look_up) for word in command)


def _exec(command: Command | None, look_up: LookUp) -> tuple[tuple[str, ...], dict[str, Text]]:
    """The words of a command that `devenv` runs in a container, and the variables that it reads."""
    return shell.command_with_variables(_words(command.exec if command else [], look_up) or ())


def _quoted(value: Text) -> Text:
    """A text as a JSON string."""
    inside = (
        json.dumps(part)[1:-1] if isinstance(part, str) else replace(part, place="json")
        for part in text.parts(value)
    )
    return text.of_parts(('"', *inside, '"'))


def _probe(check: Healthcheck | None, look_up: LookUp, where: str) -> tuple[Probe | None, Mapping[str, Text]]:
    """The check as a probe, and the variables that it reads."""
    if check is None:
        return None, {}
    times = [
        seconds(text.public(_filled(time, look_up), where))
        for time in (check.start_interval, check.timeout, check.start_period)
    ]
    timed = partial(Probe, every=times[0], timeout=times[1], within=times[2])
    if check.http:
        port, slash, path = check.http.partition("/")
        return timed("http", int(port), slash + path), {}
    how, *words = check.test
    filled = [_filled(word, look_up) for word in words]
    command, variables = shell.safe_command(("sh", "-c", filled[0]) if how == "CMD-SHELL" else filled)
    return timed("exec", command=command), variables
