"""Manifest + catalogue + world = Stack.

Two steps, both pure: `outline` tells which files to read and which host ports to ask for; `resolve` builds
the stack from them. What changes with every edit of the sources is put in afterwards: see `builds`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from devenv.manifest import workloads
from devenv.manifest.contexts import is_folder
from devenv.manifest.fields import UdpPort
from devenv.manifest.models import Infra, Manifest
from devenv.manifest.rules.commands import NEEDS_SHELL
from devenv.manifest.rules.images import BUILD_SECRET
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Path, Written
from devenv.manifest.workloads import Health, Job, Service
from devenv.stack import shell, text
from devenv.stack.catalogue import Catalogue, Facts, Kind
from devenv.stack.external import External
from devenv.stack.gateway import gateway as gateway_of
from devenv.stack.infra import Instance, variable
from devenv.stack.kindfile import TAKEN, GeneratedSecret
from devenv.stack.model import (
    Build,
    File,
    Identity,
    Link,
    Need,
    Port,
    Probe,
    Reload,
    Stack,
    Unit,
    Volume,
    port_of,
)
from devenv.stack.names import Names
from devenv.stack.ports import Claim, claim, is_web, scheme, wish
from devenv.stack.references import needs
from devenv.stack.routing import Consumer, Gateway, Plugin, Route
from devenv.stack.text import Text
from devenv.stack.world import Outline, Want, World


def outline(manifest: Manifest, catalogue: Catalogue) -> Outline:
    """The parts of a manifest that decide what to read from the world."""
    resolver = _Resolver(manifest, catalogue, World(""))
    return Outline(
        wants=tuple(_wants(manifest, resolver.instances.values())),
        claims=tuple(_claims(manifest, resolver.instances.values())),
        profiles={name: tuple(members) for name, members in manifest.profiles.items()},
        backend=manifest.backend or "",
        name=manifest.name,
        namespace=manifest.namespace or "",
        promotes=bool(manifest.environments),
        units=tuple(resolver.all_units()),
        externals={name: store.kind.name for name, store in resolver.instances.items() if store.address},
    )


def _wants(manifest: Manifest, instances: Iterable[Instance]) -> Iterator[Want]:
    for section in ("services", "jobs"):
        for name, workload in getattr(manifest, section).items():
            path: Path = (section, name)
            if workload.build is not None:
                yield Want("build", workload.build.context, (*path, "build"), workload.build.dockerfile)
                for key, source in workload.build.additional_contexts.items():
                    if is_folder(source):
                        yield Want("context", source, (*path, "build", "additional_contexts", key))
                for key, source in workload.build.secrets.items():
                    if not source.startswith("$"):
                        yield Want("file", source, (*path, "build", "secrets", key))
            for source in _only_synced(workload):
                yield Want("tree", source, (*path, "reload", "sync", source))
            for index, source in enumerate(workload.env_file):
                yield Want("env", source, (*path, "env_file", index))
            for target, source in workload.files.items():
                if isinstance(source, str):
                    yield Want("mount", source, (*path, "files", target))
    for instance in instances:
        for option in sorted(instance.kind.facts.files):
            for index, pattern in enumerate(instance.patterns(option)):
                yield Want("pattern", pattern, ("infra", instance.name, option, index))
    for name, infra in manifest.infra.items():
        for target, source in infra.files.items():
            if isinstance(source, str):
                yield Want("mount", source, ("infra", name, "files", target))
    if manifest.gateway.extra:
        yield Want("text", manifest.gateway.extra, ("gateway", "extra"))
    for key, environment in manifest.environments.items():
        for name, chart in environment.charts.items():
            if chart.values is not None:
                yield Want("file", chart.values, ("environments", key, "charts", name, "values"))


def _only_synced(workload: Service | Job) -> Iterator[str]:
    """The folders of the project that a service is sent and that its build does not see."""
    reload = getattr(workload, "reload", None)
    for source in reload.sync if reload else ():
        context = posixpath.normpath(workload.build.context) if workload.build else None
        path = posixpath.normpath(source)
        if context is None or not (context == "." or path == context or path.startswith(f"{context}/")):
            yield source


def _claims(manifest: Manifest, instances: Iterable[Instance]) -> list[Claim]:
    """Wanted host ports, by priority: the gateway, then infra, then services."""
    infra = sorted(instances, key=lambda instance: instance.kind.block.gateway is None)
    claims = [claim for instance in infra for claim in instance.claims()]
    for name, service in manifest.services.items():
        claims += _claims_of(name, service).values()
    return claims


def _claims_of(name: str, service: Service) -> dict[str, Claim]:
    """Port name -> what it asks for on this machine."""
    return {
        key: claim(
            name,
            int(port),
            wish(service.publish, key, main=index == 0),
            default=int(port),
            udp=isinstance(port, UdpPort),
        )
        for index, (key, port) in enumerate(service.named_ports.items())
    }


def resolve(manifest: Manifest, catalogue: Catalogue, world: World) -> Stack:
    """Build the stack: the manifest with defaults, infra, addresses and digests filled in."""
    return _Resolver(manifest, catalogue, world).stack()


def host_environment(
    manifest: Manifest, catalogue: Catalogue, world: World, service: str = ""
) -> dict[str, Text]:
    """The variables with which a program on this machine reaches the stack, or the needs of one service."""
    return _Resolver(manifest, catalogue, world).names.on_host(service)


def secret_variables(manifest: Manifest, catalogue: Catalogue, store: str) -> frozenset[str]:
    """Those of the variables about a store that hold a secret, for all of its parts."""
    world = World("", {})
    instance, view = _Resolver(manifest, catalogue, world).instances[store], world.view(store)
    parts = ("", *Scope(manifest, Facts(catalogue)).parts(store))
    variables = [item for part in parts for item in instance.injected(view=view, part=part).items()]
    return frozenset(name for name, value in variables if text.secrets([value]))


class _Resolver:
    def __init__(self, manifest: Manifest, catalogue: Catalogue, world: World) -> None:
        self.manifest, self.world = manifest, world
        scope = Scope(manifest, Facts(catalogue))
        self.generated: set[str] = set()
        self.instances: dict[str, Instance] = {}
        self.takers = {what: name for what in scope.shipped if (name := scope.taker(what))}
        self.names = Names(manifest, self.instances, world, (*self.takers.values(),))
        for name in scope.infra:
            self._add_instance(name, catalogue, scope)
        self._setups: dict[str, list[str]] = {}
        self._needed = needs(manifest, self.instances)

    def stack(self) -> Stack:
        infra: list[Unit] = []
        for name, instance in self.instances.items():
            own = instance.units(view=self.world.view(name), files=self.world.files)
            self._setups[name] = [unit.name for unit in own if unit.one_shot]
            infra += own
        services = [self._service(name, service) for name, service in self.manifest.services.items()]
        jobs = [self._job(name, job) for name, job in self.manifest.jobs.items()]
        unit = next((name for name, instance in self.instances.items() if instance.kind.block.gateway), None)
        gateway = (
            gateway_of(
                self.manifest,
                unit=unit,
                fill=self._fill(unit),
                view=self.world.view(unit),
                extra=self.world.extra,
                plugins=self.instances[unit].plugins,
            )
            if unit is not None
            else None
        )
        units = tuple(self._with_gateway(unit, gateway) for unit in (*infra, *jobs, *services))
        externals = tuple(store.address for store in self.instances.values() if store.address is not None)
        addresses = (text.secrets_in(external.url) for external in externals)
        used = set().union(*(_secrets(unit) for unit in units), _secrets(gateway), *addresses)
        return Stack(
            name=self.manifest.name,
            namespace=self.names.namespace,
            identity=Identity.of_checkout(self.manifest.name, self.world.checkout),
            units=units,
            gateway=gateway,
            secrets=frozenset(used - self.generated),
            generated=frozenset(used & self.generated),
            registry=self.manifest.registry or "",
            externals=externals,
        )

    def all_units(self) -> Iterator[str]:
        """The names of all units that there can be."""
        yield from (*self.manifest.services, *self.manifest.jobs)
        for instance in self.instances.values():
            yield from map(instance.unit, instance.file.services)

    # -- infra

    def _add_instance(self, name: str, catalogue: Catalogue, scope: Scope) -> Instance:
        """Add an instance, after those that it uses."""
        if name not in self.instances:
            kind = catalogue[scope.word(name)]
            uses = {}
            for use in kind.block.uses:
                used, _, part = use.partition("/")
                uses[used] = self._add_instance(scope.provider(used), catalogue, scope), part
            joins = {
                joined: self._add_instance(other, catalogue, scope)
                for joined in kind.block.joins
                if (other := self._joined(joined, scope)) not in ("", name)
            }
            self.instances[name] = self._instance(name, kind, scope, uses, joins)
        return self.instances[name]

    def _joined(self, word: str, scope: Scope) -> str:
        """What a kind turns to by this word: what takes that of the stack, or a kind; "" if there is none."""
        if word in TAKEN:
            return self.takers.get(word, "")
        return scope.provider(word) if word in scope.infra.values() else ""

    def _instance(
        self,
        name: str,
        kind: Kind,
        scope: Scope,
        uses: Mapping[str, tuple[Instance, str]],
        joins: Mapping[str, Instance],
    ) -> Instance:
        declared = self.manifest.infra.get(name, Infra.model_construct())
        declared_values = {
            key: value for key, value in _declared_values(declared).items() if key in kind.options
        }
        kind = kind.given(
            {key: _written(value) for key, value in declared_values.items() if not isinstance(value, list)}
            | {joined: instance.name for joined, instance in joins.items()}
        )
        options: dict[str, Text | list[Text]] = {}
        for option, default in kind.options.items():
            value = declared_values.get(option, default)
            if isinstance(value, GeneratedSecret):
                secret = variable(f"{name}_{option}")
                self.generated.add(secret)
                options[option] = text.secret(secret)
            elif option not in declared_values:
                options[option] = [*value] if isinstance(value, list) else _written(value)
            elif isinstance(default, list):
                items = value if isinstance(value, list) else [value]
                options[option] = [self._option(name, item) for item in items]
            else:
                options[option] = text.literals(  # the filled-in value is literal
                    self._option(name, value), lambda literal: literal.replace("${", "$${")
                )
        if kind.block.part is not None and kind.block.part.collects:
            collected = options[kind.block.part.collects]
            assert isinstance(collected, list)
            for part in scope.parts(name):
                if part not in collected and part != options[kind.block.part.option]:
                    collected.append(part)
        env = {key: text.in_json(self._option(name, value)) for key, value in declared.env.items()}
        image = text.public(self._option(name, declared.image or ""), f"infra.{name}.image")
        declared = declared.model_copy(update={"image": image or None})
        return Instance(
            name,
            kind,
            declared,
            options,
            env,
            uses,
            joins,
            name in self.world.external,
            args=_arguments(declared.args, lambda value: self._option(name, value)),
            files=tuple(self._file(target, source) for target, source in declared.files.items()),
            address=self._address(name, kind, declared),
        )

    def _address(self, name: str, kind: Kind, declared: Infra) -> External | None:
        """Where something else runs a store, by the manifest's own word."""
        if declared.external is None:
            return None
        main = kind.file.services[kind.name].ports
        ignored = tuple(
            key
            for key in Infra.model_fields
            if key in declared.model_fields_set - {"kind", "external"} and getattr(declared, key)
        )
        url = self._option(name, declared.external)
        return External(name, kind.name, url, main[0].target if main else 0, ignored)

    def _option(self, name: str, value: Any) -> Text:
        """An option's text; it may refer to secrets, services and the stack, but not to stores."""
        view = self.world.view(name)
        return text.fill(_written(value), lambda reference: self.names.look_up(reference, view))

    def _fill(self, unit: str) -> Callable[[str], Text]:
        """A function that fills in texts as seen from a unit."""
        view = self.world.view(unit)
        return lambda value: self.names.text(value, view)

    # -- services and jobs

    def _service(self, name: str, service: Service) -> Unit:
        ports = service.named_ports
        main = next(iter(ports.values()), None)
        host = self.world.ports.get((name, main), 0) if main else 0
        own = {"PORT": str(host if name in self.world.hosted else main)} if main else {}
        fill = self._fill(name)
        probe, variables = _probe(service.health, service.tcp_port, fill, f"services.{name}.health")
        injected = own | self.names.of_workload(service.uses, self.world.view(name))
        opened = tuple(
            port_of(claim, key, self.world.ports) for key, claim in _claims_of(name, service).items()
        )
        return Unit(
            **self._workload(name, service, injected, service.env, variables),
            name=name,
            role="service",
            ports=opened,
            probe=probe,
            unchecked=service.health == "none",
            implied_check=service.health is None,
            replicas=service.replicas,
            restart=service.restart,
            manual=service.manual,
            aliases=tuple(service.aliases),
            volumes=tuple(self._volumes(name, service)),
            links=tuple(_links(opened)),
            routes=tuple(text.public(fill(route.path), f"services.{name}.route") for route in service.route),
            reload=_reload(service.reload, fill) if service.reload else None,
            host=self.names.text(service.host, self.world.view()) if service.host else None,
        )

    def _job(self, name: str, job: Job) -> Unit:
        like = self.manifest.services[job.like] if job.like else None
        inherited = like.env if like else {}
        injected = self.names.of_workload(job.uses, self.world.view(name))
        if like is not None:
            inherited_fields: dict[str, Any] = {
                "build": like.build,
                "image": like.image,
                "entrypoint": job.entrypoint or like.entrypoint,
                "user": job.user or like.user,
                "workdir": job.workdir or like.workdir,
            }
            inherited_fields |= {
                "env_file": [*like.env_file, *job.env_file],
                "secrets": [*like.secrets, *job.secrets],
                "files": {**like.files, **job.files},
            }
            job = job.model_copy(update=inherited_fields)
        return Unit(
            **self._workload(name, job, injected, {**inherited, **job.env}),
            name=name,
            role="job",
            volumes=tuple(self._volumes(name, job)),
            manual=job.manual,
            within=job.within,
        )

    def _workload(
        self,
        name: str,
        workload: Service | Job,
        injected: Mapping[str, Text],
        env: Mapping[str, str],
        probing: Mapping[str, Text] = MappingProxyType({}),
    ) -> dict[str, Any]:
        fill = self._fill(name)
        own = {key: fill(value) for key, value in env.items()}
        of_files = self.names.of_files(workload.env_file)
        secrets = {key: text.secret(key) for key in workload.secrets}
        build = self._build(workload, fill)
        command, entrypoint, variables = shell.container_command(
            _command(workload.command, fill), _command(workload.entrypoint, fill)
        )
        return {
            "image": f"{self.manifest.name}-{self._image_name(workload)}"
            if build
            else text.public(fill(workload.image or ""), "image"),
            "build": build,
            "command": command,
            "entrypoint": entrypoint,
            "shell_line": isinstance(workload.command, str) and shell.script_of(command or ()) == 2,
            "env": tuple({**injected, **of_files, **secrets, **own, **variables, **probing}.items()),
            "needs": tuple(self._needs(name)),
            "files": tuple(self._file(target, source) for target, source in workload.files.items()),
            "user": workload.user,
            "workdir": workload.workdir,
            "read_only": workload.read_only,
            "cap_add": tuple(workload.capabilities.add),
            "cap_drop": tuple(workload.capabilities.drop),
            "init": workload.init,
            "tmpfs": tuple(workload.tmpfs),
            "shm": workload.shm,
            "stop_signal": workload.stop_signal,
            "memory": workload.resources.memory,
            "cpu": workload.resources.cpu,
            "grace": workload.grace,
            "compose": workload.compose,
            "kubernetes": workload.kubernetes,
        }

    def _volumes(self, name: str, workload: Service | Job) -> Iterator[Volume]:
        for key, target in workload.volumes.items():
            if (shared := self.manifest.volumes.get(key)) is None:
                yield Volume(f"{name}-{key}", target)
            else:
                yield Volume(key, target, shared=True, size=shared.size, external=shared.external or "")

    def _build(self, workload: Service | Job, fill: Callable[[str], Text]) -> Build | None:
        build = workload.build
        if build is None:
            return None
        args = tuple((key, fill(value)) for key, value in build.args.items())
        secrets = tuple((key, self._build_secret(value)) for key, value in build.secrets.items())
        return Build(
            build.context,
            build.dockerfile,
            build.target,
            args,
            secrets,
            build.ssh,
            tuple(build.additional_contexts.items()),
            tuple(filter(is_folder, build.additional_contexts.values())),
            tuple(build.cache_from),
            build.platform,
        )

    def _build_secret(self, source: str) -> Text:
        """A file of the project, or a secret: `$NAME` is another way to write `${secret.NAME}`."""
        match = BUILD_SECRET.fullmatch(source)
        return source if match is None else text.secret(match["short"] or match["name"])

    def _image_name(self, workload: Service | Job) -> str:
        """The first unit with the same build: equal builds share an image."""
        everything: dict[str, Service | Job] = {**self.manifest.services, **self.manifest.jobs}
        return next(name for name, other in everything.items() if other.build == workload.build)

    def _file(self, target: str, source: Any) -> File:
        if not isinstance(source, str):
            return File(target, secret=source.secret)
        if (inside := self.world.folders.get(source)) is not None:
            names = tuple(name for name, _ in inside)
            return File(target, posixpath.normpath(source), digest=text.digest(repr(inside)), inside=names)
        (path, digest), *_ = self.world.files.get(source) or ((source, ""),)
        return File(target, source=path, digest=digest)

    def _needs(self, workload: str) -> Iterator[Need]:
        for name in self._needed[workload]:
            if name in self.instances and self.instances[name].elsewhere:
                continue
            yield Need(name, done=name in self.manifest.jobs)
            for setup in self._setups.get(name, ()):
                yield Need(setup, done=True)

    def _with_gateway(self, unit: Unit, gateway: Gateway | None) -> Unit:
        if gateway is None or unit.name != gateway.unit:
            return unit
        kind = self.instances[unit.name].kind.block.gateway
        assert kind is not None
        holds = tuple(sorted(_secrets(gateway)))
        file = File(kind.config, rendered="gateway", digest=gateway.digest, holds=holds)
        return replace(unit, files=(*unit.files, file))


def _links(ports: tuple[Port, ...]) -> Iterator[Link]:
    """The URL of the main port on this machine; and of the first page, where the main one is none."""
    links = [
        Link(port.name, f"{scheme(port.name, udp=port.udp)}://localhost:{port.host}")
        for port in ports
        if port.host
    ]
    for index, link in enumerate(links):
        if index == 0:
            yield replace(link, label="")
        elif is_web(link.url):
            if not is_web(links[0].url):
                yield link
            return


def _written(value: Any) -> str:
    return value.text if isinstance(value, Written) else str(value)


def _declared_values(infra: Infra) -> dict[str, Any]:
    fields = {name: getattr(infra, name) for name in infra.model_fields_set if name in Infra.model_fields}
    fields.setdefault("memory", infra.resources.memory)
    values = {**fields, **(infra.model_extra or {})}
    return {name: value for name, value in values.items() if value is not None}


def _command(command: str | list[str] | None, fill: Callable[[str], Text]) -> tuple[Text, ...] | None:
    match command:
        case None:
            return None
        case str():
            line = fill(command)
            bare = text.rewrite(line, lambda secret: "")
            return ("sh", "-c", line) if NEEDS_SHELL.search(bare) else tuple(text.words(line))
    return tuple(map(fill, command))


def _arguments(args: str | list[str] | None, fill: Callable[[str], Text]) -> tuple[Text, ...]:
    """The words of a line, or those of a list; no shell reads them."""
    return tuple(text.words(fill(args))) if isinstance(args, str) else tuple(map(fill, args or ()))


def _reload(reload: workloads.Reload, fill: Callable[[str], Text]) -> Reload:
    return Reload(
        sync=tuple(reload.sync.items()),
        ignore=tuple(reload.ignore),
        run=tuple((pattern, _command(command, fill) or ()) for pattern, command in reload.run.items()),
        restart=tuple(reload.restart) if isinstance(reload.restart, list) else reload.restart,
        rebuild=tuple(reload.rebuild),
        pull=tuple(reload.pull),
    )


def _probe(
    health: Health | Literal["none"] | None, port: int | None, fill: Callable[[str], Text], where: str
) -> tuple[Probe | None, dict[str, Text]]:
    """The probe, and the variables that it reads."""
    if health is None or health == "none":
        return Probe("tcp", port) if port and health is None else None, {}
    timed = partial(Probe, every=health.every, timeout=health.timeout, within=health.within)
    if health.exec is not None:
        words = ["sh", "-c", health.exec] if isinstance(health.exec, str) else health.exec
        command, variables = shell.safe_command(tuple(map(fill, words)))
        return timed("exec", command=command), variables
    if health.http is not None:
        return timed("http", port or 0, text.public(fill(health.http), f"{where}.http")), {}
    if health.grpc is not None:
        return timed("grpc", health.grpc), {}
    return timed("tcp", health.tcp or 0), {}


def _secrets(value: Any) -> set[str]:
    """Names of the secrets anywhere in a value."""
    match value:
        case str() | int() | None:
            return set()
        case text.Sealed():
            return text.secrets_in(value)
        case File():
            return text.secrets_in(value.content) | ({value.secret} if value.secret else set())
        case Unit() | Probe() | Reload() | Gateway() | Consumer() | Route() | Plugin() | Build():
            return set().union(*(_secrets(getattr(value, name)) for name in value.__slots__))
        case dict():
            return set().union(*(_secrets(item) for item in value.values())) if value else set()
        case tuple() | list():
            return set().union(*(_secrets(item) for item in value)) if value else set()
    return set()
