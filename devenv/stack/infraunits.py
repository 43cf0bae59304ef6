"""The units of an infra: one for each service of its kind that has something to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, TypeVar

from pydantic_core import PydanticCustomError

from devenv.errors import UsageError
from devenv.manifest.fields import cores, seconds, size
from devenv.manifest.models import Infra
from devenv.stack import shell, text, volumecopy
from devenv.stack.data import data_of, guarded
from devenv.stack.infra import Instance, LookUp, filled
from devenv.stack.kinds import service as kindservice
from devenv.stack.kinds.file import Command
from devenv.stack.kinds.service import Healthcheck
from devenv.stack.model import File, Link, Need, Port, Probe, Process, Unit, Volume, port_of
from devenv.stack.text import Text
from devenv.stack.view import View
from devenv.stack.world import Files, text_file

T = TypeVar("T")

Words = tuple[str, ...]


def units(instance: Instance, *, view: View, files: Files) -> list[Unit]:
    """The units of an instance, as seen from this view; none if something else runs it."""
    return InfraUnits(instance, view, files).units()


class InfraUnits:
    """An instance, seen from a view, with the project's files that its options name."""

    def __init__(self, instance: Instance, view: View, files: Files) -> None:
        self.instance, self.view, self._files = instance, view, files
        self._look_up = instance.look_up(view)

    def units(self) -> list[Unit]:
        """The units of its services."""
        return [self._unit(name) for name in self._running]

    def setups(self) -> list[str]:
        """Names of its one-shots."""
        services = self.instance.file.services
        return [self.instance.unit(name) for name in self._running if services[name].once is not None]

    @cached_property
    def _running(self) -> list[str]:
        """Names of its services, without idle one-shots; none if something else runs it."""
        if self.instance.elsewhere:
            return []
        services = self.instance.file.services
        return [name for name, service in services.items() if self._has_work(service)]

    def _has_work(self, service: kindservice.Service) -> bool:
        if service.once is None:
            return True
        condition = text.fill(service.once, self._look_up)
        return not isinstance(condition, str) or bool(condition.strip())

    def _unit(self, key: str) -> Unit:
        of, service, main = self.instance, self.instance.file.services[key], key == self.instance.kind.name
        declared, block = of.declared if main else Infra(), of.kind.block
        of_main = main or service.image in (of.main.image, "${image}")
        mounted = (*self._configs(service), *self._project_files(service), *(of.files if main else ()))
        unit = Unit(
            name=of.unit(key),
            role="infra" if service.once is None else "setup",
            image=of.image if main else self._public(service.image, "image"),
            engine=of.kind.name,
            version=of.version if of_main or "${version}" in service.image else "",
            gateway=main and block.gateway is not None,
            ports=tuple(self._ports(key)),
            restart=of.declared.restart if service.once is None else None,
            needs=tuple(self._needs(key)),
            volumes=tuple(Volume(f"{of.name}-{volume.source}", volume.target) for volume in service.volumes),
            files=mounted,
            data=data_of(block.data, service, of.options, of.env, mounted) if main else None,
            logs=service.logs or "",
            tmpfs=tuple(self._public(entry, "tmpfs") for entry in service.tmpfs),
            user=self._public(service.user, "user") if service.user else None,
            uid=block.uid if of_main and not of.declared.image else None,
            hostname=self._public(service.hostname, "hostname") if service.hostname else None,
            links=tuple(self._links(key)),
            process=tuple(self._ways(service, main=main)),
            hosts=tuple(declared.hosts.items()),
            platform=of.declared.platform if of_main and of.declared.platform else service.platform,
            extra=filled(service.extra, lambda name: text.public(self._look_up(name), f"infra.{of.name}")),
            compose=declared.compose,
            kubernetes=declared.kubernetes,
            **self._amounts(service, declared),
            **self._commands(service, main=main),
        )
        if not self.view.inside:
            return self._as_process(unit) if main else unit
        return guarded(unit, block.data.scripts) if main and block.data else unit

    def _amounts(self, service: kindservice.Service, declared: Infra) -> dict[str, Any]:
        """Its memory, processors and time to stop: the manifest's before the kind's."""
        memory = declared.resources.memory or declared.memory
        return {
            "memory": memory or self._amount(size, service.memory, "mem_limit"),
            "cpu": declared.resources.cpu or self._amount(cores, service.cpu, "cpus"),
            "grace": self._amount(seconds, service.stop_grace_period, "stop_grace_period") or 0.0,
        }

    def _commands(self, service: kindservice.Service, *, main: bool) -> dict[str, Any]:
        """What runs in its container, at its start and later, and the variables that it all reads."""
        of, block = self.instance, self.instance.kind.block
        words = _words(service.command, self._look_up)
        if main and of.args:
            words = (*(words or ()), *of.args)
        entrypoint = _words(service.entrypoint, self._look_up)
        command, entrypoint, variables = shell.container_command(words, entrypoint)
        probe, asking = _probe(service.healthcheck, self._look_up, f"infra.{of.name}.healthcheck")
        dump, load, carrying = self._carrying(service) if main else ((), (), {})
        env = {name: filled(value, self._look_up) for name, value in service.environment.items()}
        own = of.env if main else {}
        return {
            "command": command,
            "entrypoint": entrypoint,
            "probe": probe,
            "dump": dump,
            "load": load,
            "copied": main and block.dump == "volume",
            "env": tuple({**env, **own, **variables, **asking, **carrying}.items()),
        }

    def _carrying(self, service: kindservice.Service) -> tuple[Words, Words, dict[str, Text]]:
        """What writes its data and what reads it back, and the variables that they read."""
        block = self.instance.kind.block
        if block.dump == "volume":
            (folder,) = (volume.target for volume in service.volumes)
            return volumecopy.dump(folder), volumecopy.load(folder, block.uid), {}
        dump, dumping = _exec(block.dump, self._look_up)
        load, loading = _exec(block.load, self._look_up)
        return dump, load, {**dumping, **loading}

    def _as_process(self, unit: Unit) -> Unit:
        """The main unit where its own image is not there: the check and the carrying of another program."""
        unit = replace(unit, probe=self._plain_probe(unit))
        ways = self.instance.kind.block.process
        return unit if not ways or any(way.carries for way in ways) else replace(unit, dump=(), load=())

    def _plain_probe(self, unit: Unit) -> Probe | None:
        """The check of a plain process: the kind's own, or another where that needs other programs."""
        ways = self.instance.kind.block.process
        if not ways or unit.probe is None:
            return unit.probe
        if ways[0].check:
            return replace(unit.probe, command=("sh", "-ec", self._public(ways[0].check, "check")))
        if ways[0].ready == "check":
            return unit.probe
        return replace(unit.probe, kind="tcp", port=self.instance.port, command=())

    def _ways(self, service: kindservice.Service, *, main: bool) -> Iterator[Process]:
        """How a service runs as a plain process; what is not the main one has a command of its own."""
        if service.process is not None:
            yield Process(filled(service.process, self._look_up))
            return
        for way in self.instance.kind.block.process:
            package = (way.wheel.package, way.wheel.programs) if way.wheel else ("", "")
            asked = self._public(way.asked, "asked")
            if not main:
                yield Process("", way.program, *package, install=way.install, oldest=way.oldest, asked=asked)
                continue
            yield Process(
                filled(way.command, self._look_up),
                way.program,
                *package,
                packages=tuple(way.packages),
                new=filled(way.new, self._look_up),
                environment=tuple(filled(way.environment, self._look_up).items()),
                clients=tuple((name, self._public(script, name)) for name, script in way.clients.items()),
                stop=way.stop,
                rootless=way.rootless,
                stand_in=way.stand_in,
                note=way.note,
                install=way.install,
                oldest=way.oldest,
                asked=asked,
                carries=way.carries,
            )

    def _ports(self, key: str) -> Iterator[Port]:
        unit = self.instance.unit(key)
        claims = {claim.container: claim for claim in self.instance.claims() if claim.unit == unit}
        for port in self.instance.file.services[key].ports:
            yield port_of(claims[port.target], port.name, self.view.ports)

    def _needs(self, key: str) -> Iterator[Need]:
        """Its dependencies, and the kinds it uses; a one-shot without dependencies needs the main unit."""
        services = self.instance.file.services
        default = [self.instance.kind.name] if services[key].once is not None else []
        for dependency in [*services[key].depends_on] or default:
            if dependency in self._running:
                yield Need(self.instance.unit(dependency), done=services[dependency].once is not None)
        for instance, _ in self.instance.uses.values():
            if not instance.elsewhere:
                yield Need(instance.name)
            setups = InfraUnits(instance, self.view, self._files).setups()
            yield from (Need(setup, done=True) for setup in setups)

    def _configs(self, service: kindservice.Service) -> Iterator[File]:
        for mount in service.configs:
            content = filled(self.instance.file.configs[mount.source].content, self._look_up)
            yield text_file(mount.target, content)

    def _project_files(self, service: kindservice.Service) -> Iterator[File]:
        """Files of the project that an option names, in the order they were written in."""
        for folder, option in service.files.items():
            patterns = self.instance.patterns(option.removeprefix("${").removesuffix("}"))
            matched = [file for pattern in patterns for file in self._files.get(pattern, ())]
            for index, (path, digest) in enumerate(matched):
                yield File(f"{folder}/{100 + index}-{path.rsplit('/', 1)[-1]}", source=path, digest=digest)

    def _links(self, key: str) -> Iterator[Link]:
        of = self.instance
        for label, port in of.kind.block.links.items():
            service, _, name = port.rpartition(".")
            if (service or of.kind.name) == key and of.is_reached(of.port_of(key, name), self.view, key):
                yield Link(label, of.address_of(key, f"url.{name}", self.view.outside))

    def _public(self, template: str, key: str) -> str:
        return self.instance.public(template, self._look_up, key)

    def _amount(self, parse: Callable[[Any], T], template: str | None, key: str) -> T | None:
        if template is None:
            return None
        return _parsed(parse, self._public(template, key), f"infra.{self.instance.name}: {key}")


def _parsed(parse: Callable[[Any], T], value: str, where: str) -> T:
    """What a text means once its options are filled in. Raises `UsageError`."""
    try:
        return parse(int(value) if value.isdecimal() else value)
    except PydanticCustomError as error:
        message, _, hint = error.message().partition(" - ")
        raise UsageError(f'"{value}" {message}', where=where, hint=hint) from None


def _words(command: Sequence[str] | None, look_up: LookUp) -> tuple[Text, ...] | None:
    return None if command is None else tuple(filled(word, look_up) for word in command)


def _exec(command: Command | None, look_up: LookUp) -> tuple[tuple[str, ...], dict[str, Text]]:
    """The words of a command that `devenv` runs in a container, and the variables that it reads."""
    return shell.command_with_variables(_words(command.exec if command else [], look_up) or ())


def _probe(check: Healthcheck | None, look_up: LookUp, where: str) -> tuple[Probe | None, Mapping[str, Text]]:
    """The check as a probe, and the variables that it reads."""
    if check is None:
        return None, {}
    times = [
        _parsed(seconds, text.public(filled(time, look_up), where), where)
        for time in (check.start_interval, check.timeout, check.start_period)
    ]
    timed = partial(Probe, every=times[0], timeout=times[1], within=times[2])
    if check.http:
        port, slash, path = check.http.partition("/")
        return timed("http", int(port), slash + path), {}
    how, *words = check.test
    words = [filled(word, look_up) for word in words]
    command, variables = shell.safe_command(("sh", "-c", words[0]) if how == "CMD-SHELL" else words)
    return timed("exec", command=command), variables
