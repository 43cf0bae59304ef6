"""Manifest + catalogue + what the world says = Stack.

Two steps, both pure: `outline` says what has to be read from the project and which host ports are
wished for, `resolve` puts it all together.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from devenv.manifest.models import Health, Infra, Job, Manifest, Service
from devenv.manifest.models import Plugin as PluginModel
from devenv.manifest.rules import Scope
from devenv.manifest.source import Path, Written
from devenv.stack import text
from devenv.stack.catalogue import Catalogue, Facts
from devenv.stack.infra import Instance, variable
from devenv.stack.model import (
    Build,
    Consumer,
    File,
    Gateway,
    Link,
    Need,
    Plugin,
    Port,
    Probe,
    Route,
    Stack,
    Unit,
    Volume,
)
from devenv.stack.ports import Claim
from devenv.stack.world import Outline, Want, World


def outline(manifest: Manifest, catalogue: Catalogue) -> Outline:
    """What has to be known of a manifest before the world is looked at."""
    return Outline(
        wants=tuple(_wants(manifest)),
        claims=tuple(_claims(manifest, catalogue)),
        profiles={name: tuple(members) for name, members in manifest.profiles.items()},
    )


def _wants(manifest: Manifest) -> Iterator[Want]:
    for section in ("services", "jobs"):
        for name, one in getattr(manifest, section).items():
            path: Path = (section, name)
            if one.build is not None:
                yield Want("build", one.build.context, (*path, "build"), one.build.dockerfile)
                for key, source in one.build.secrets.items():
                    if not source.startswith("$"):
                        yield Want("file", source, (*path, "build", "secrets", key))
            for target, source in one.files.items():
                if isinstance(source, str):
                    yield Want("file", source, (*path, "files", target))
    for name, infra in manifest.infra.items():
        for index, pattern in enumerate(infra.seed):
            yield Want("pattern", pattern, ("infra", name, "seed", index))
    if manifest.gateway.extra:
        yield Want("text", manifest.gateway.extra, ("gateway", "extra"))


def _claims(manifest: Manifest, catalogue: Catalogue) -> list[Claim]:
    """Host ports wished for: the gateway first, then infra, then services, as people would say them."""
    resolver = _Resolver(manifest, catalogue, World(""))
    infra = sorted(resolver.instances.values(), key=lambda one: one.kind.gateway is None)
    found = [claim for instance in infra for claim in instance.claims()]
    for name, service in manifest.services.items():
        for index, (key, port) in enumerate(_ports(service).items()):
            publish = service.publish
            wish = publish.get(key) if isinstance(publish, dict) else publish if index == 0 else None
            found.append(Claim(name, port, wish or port, explicit=wish is not None))
    return found


def resolve(manifest: Manifest, catalogue: Catalogue, world: World) -> Stack:
    """Fill in everything that the manifest leaves to defaults."""
    return _Resolver(manifest, catalogue, world).stack()


def host_environment(
    manifest: Manifest, catalogue: Catalogue, world: World, service: str = ""
) -> dict[str, str]:
    """The variables with which a program on this machine reaches the stack, or what one service reaches."""
    return _Resolver(manifest, catalogue, world).host_environment(service)


class _Resolver:
    def __init__(self, manifest: Manifest, catalogue: Catalogue, world: World) -> None:
        self.manifest, self.world = manifest, world
        self.namespace = manifest.namespace or manifest.name
        scope = Scope(manifest, Facts(catalogue))
        self.generated: set[str] = set()
        self.instances = {
            name: self._instance(name, catalogue, kind, scope) for name, kind in scope.infra.items()
        }
        self._setups: dict[str, list[str]] = {}

    def stack(self) -> Stack:
        found: list[Unit] = []
        for name, instance in self.instances.items():
            made = instance.units(ports=self.world.ports, files=self.world.files)
            self._setups[name] = [unit.name for unit in made if unit.one_shot]
            found += made
        services = [self._service(name, one) for name, one in self.manifest.services.items()]
        jobs = [self._job(name, one) for name, one in self.manifest.jobs.items()]
        gateway = self._gateway()
        units = tuple(self._with_gateway(unit, gateway) for unit in (*found, *jobs, *services))
        used = set().union(*(_secrets(unit) for unit in units), _secrets(gateway))
        return Stack(
            name=self.manifest.name,
            namespace=self.namespace,
            checkout=self.world.checkout,
            units=units,
            gateway=gateway,
            secrets=frozenset(used - self.generated),
            generated=frozenset(used & self.generated),
        )

    def host_environment(self, service: str) -> dict[str, str]:
        workloads: dict[str, Service | Job] = {**self.manifest.services, **self.manifest.jobs}
        if not service:
            routed = [name for name, one in self.manifest.services.items() if _ports(one)]
            return self._injected([*self.instances, *routed], public=True)
        one = workloads[service]
        secrets = {key: text.secret(key) for key in one.secrets}
        own = {key: text.fill(value, self._look_up_public) for key, value in one.env.items()}
        return {**self._injected(one.uses, public=True), **secrets, **own}

    def _look_up_public(self, reference: str) -> str:
        """What a text means on this machine: addresses are those that are published here."""
        name, _, attribute = reference.partition(".")
        if (
            name in ("secret", "stack")
            or attribute.startswith("public_")
            or attribute not in ("url", "host", "port")
        ):
            return self._look_up(reference)
        return self._look_up(f"{name}.public_{attribute}")

    # -- names and texts

    def text(self, value: str) -> str:
        return text.fill(value, self._look_up)

    def _look_up(self, reference: str) -> str:
        name, _, attribute = reference.partition(".")
        if name == "secret":
            return text.secret(attribute)
        if name == "stack":
            return self.manifest.name if attribute == "name" else self.namespace
        if name in self.manifest.services:
            return self._service_attribute(name, attribute)
        return self.instances[name].attribute(attribute, ports=self.world.ports)

    def _service_attribute(self, name: str, attribute: str) -> str:
        port = next(iter(_ports(self.manifest.services[name]).values()), 0)
        host = self.world.ports.get((name, port), port)
        return {
            "host": name,
            "port": str(port),
            "url": f"http://{name}:{port}",
            "public_host": "localhost",
            "public_port": str(host),
            "public_url": f"http://localhost:{host}",
        }[attribute]

    # -- infra

    def _instance(self, name: str, catalogue: Catalogue, kind_name: str, scope: Scope) -> Instance:
        kind = catalogue[kind_name]
        declared = self.manifest.infra.get(name, Infra())
        said = {key: value for key, value in _said(declared).items() if key in kind.options}
        options: dict[str, str | list[str]] = {}
        for option, default in kind.options.items():
            value = said.get(option, default)
            if value == {"secret": True}:
                secret = variable(f"{name}_{option}")
                self.generated.add(secret)
                options[option] = text.secret(secret)
            elif option not in said:
                options[option] = [*value] if isinstance(value, list) else _written(value)
            elif isinstance(value, list):
                options[option] = [self._option(item) for item in value]
            else:
                options[option] = self._option(value)
        if kind.part is not None and kind.part.collects:
            collected = options[kind.part.collects]
            assert isinstance(collected, list)
            for part in _parts(scope, name):
                if part not in collected and part != options[kind.part.option]:
                    collected.append(part)
        env = {key: self._option(value) for key, value in declared.env.items()}
        declared = declared.model_copy(update={"env": env})
        return Instance(name, kind, declared, options, self.namespace)

    def _option(self, value: Any) -> str:
        """An option's text; only secrets and the stack's own name may be referred to in it."""
        return text.fill(_written(value), self._look_up)

    # -- services and jobs

    def _service(self, name: str, one: Service) -> Unit:
        ports = _ports(one)
        main = next(iter(ports.values()), None)
        publish = one.publish if isinstance(one.publish, dict) else {}
        own = {"PORT": str(main)} if main else {}
        host = self.world.ports.get((name, main), 0) if main else 0
        return Unit(
            **self._workload(one, own | self._injected(one.uses), one.env),
            name=name,
            role="service",
            ports=tuple(
                Port(key, port, self.world.ports.get((name, port)), publish.get(key, port))
                if isinstance(one.publish, dict) or one.publish is None
                else Port(
                    key, port, self.world.ports.get((name, port)), one.publish if port == main else port
                )
                for key, port in ports.items()
            ),
            probe=_probe(one.health, main),
            replicas=one.replicas,
            volumes=tuple(Volume(f"{name}-{key}", target) for key, target in one.volumes.items()),
            links=(Link("", f"http://localhost:{host}"),) if host else (),
            routes=tuple(route.path for route in one.route),
        )

    def _job(self, name: str, one: Job) -> Unit:
        like = self.manifest.services[one.like] if one.like else None
        inherited = like.env if like else {}
        injected = self._injected(one.uses)
        if like is not None:
            said: dict[str, Any] = {
                "build": like.build,
                "image": like.image,
                "entrypoint": one.entrypoint or like.entrypoint,
            }
            said |= {"secrets": [*like.secrets, *one.secrets], "files": {**like.files, **one.files}}
            one = one.model_copy(update=said)
        return Unit(
            **self._workload(one, injected, {**inherited, **one.env}),
            name=name,
            role="job",
            volumes=tuple(Volume(f"{name}-{key}", target) for key, target in one.volumes.items()),
            manual=one.manual,
            within=one.within,
        )

    def _workload(self, one: Service | Job, injected: dict[str, str], env: dict[str, str]) -> dict[str, Any]:
        own = {key: self.text(value) for key, value in env.items()}
        secrets = {key: text.secret(key) for key in one.secrets}
        build = self._build(one)
        return {
            "image": f"{self.manifest.name}-{self._image_name(one)}:{build.digest}"
            if build
            else self.text(one.image or ""),
            "build": build,
            "command": self._command(one.command),
            "entrypoint": self._command(one.entrypoint),
            "env": tuple({**injected, **secrets, **own}.items()),
            "needs": tuple(self._needs(one.uses)),
            "files": tuple(self._file(target, source) for target, source in one.files.items()),
            "memory": one.resources.memory,
            "cpu": one.resources.cpu,
            "grace": one.grace,
            "compose": one.compose,
            "kubernetes": one.kubernetes,
        }

    def _build(self, one: Service | Job) -> Build | None:
        said = one.build
        if said is None:
            return None
        args = tuple((key, self.text(value)) for key, value in said.args.items())
        content = self.world.builds.get((said.context, said.dockerfile), "")
        secrets = tuple((key, self.text(value)) for key, value in said.secrets.items())
        digest = text.digest(content, said.dockerfile, said.target or "", repr(args))
        return Build(said.context, said.dockerfile, said.target, args, secrets, said.ssh, digest)

    def _image_name(self, one: Service | Job) -> str:
        """The first unit that builds the same thing: what is built alike is built once."""
        everything: dict[str, Service | Job] = {**self.manifest.services, **self.manifest.jobs}
        return next(name for name, other in everything.items() if other.build == one.build)

    def _command(self, command: str | list[str] | None) -> tuple[str, ...] | None:
        match command:
            case None:
                return None
            case str():
                line = self.text(command)
                return (
                    ("sh", "-c", line)
                    if re.search(r"[$|&;<>()`*?~#\n\\]", line)
                    else tuple(shlex.split(line))
                )
        return tuple(self.text(word) for word in command)

    def _file(self, target: str, source: Any) -> File:
        if not isinstance(source, str):
            return File(target, secret=source.secret)
        (path, digest), *_ = self.world.files.get(source) or ((source, ""),)
        return File(target, source=path, digest=digest)

    def _needs(self, uses: list[str]) -> Iterator[Need]:
        for name in dict.fromkeys(use.partition("/")[0] for use in uses):
            yield Need(name, done=name in self.manifest.jobs)
            for setup in self._setups.get(name, ()):
                yield Need(setup, done=True)

    def _injected(self, uses: list[str], *, public: bool = False) -> dict[str, str]:
        """Addresses of what is used. A variable that two would set differently is set by neither."""
        offers: list[tuple[str, str]] = []
        for use in uses:
            used, _, part = use.partition("/")
            if used in self.instances:
                instance = self.instances[used]
                for prefix in [part] if used in uses else dict.fromkeys(["", part]):
                    offers += self._offered(instance, part, prefix, public=public)
            elif used in self.manifest.services and _ports(self.manifest.services[used]):
                url = self._service_attribute(used, "public_url" if public else "url")
                offers.append((f"{variable(used)}_URL", url))
        different = Counter(key for key, _ in dict.fromkeys(offers))
        return {key: value for key, value in offers if different[key] == 1}

    def _offered(self, instance: Instance, part: str, prefix: str, *, public: bool) -> list[tuple[str, str]]:
        injected = instance.injected(ports=self.world.ports, part=part, public=public)
        if part and not prefix:  # POSTGRES_URL beside POSTGRES_BILLING_URL
            long, short = variable(f"{instance.name}_{part}"), variable(instance.name)
            return [(key.replace(long, short), value) for key, value in injected.items()]
        return list(injected.items())

    # -- gateway

    def _gateway(self) -> Gateway | None:
        unit = next((name for name, one in self.instances.items() if one.kind.gateway is not None), None)
        if unit is None:
            return None
        said = self.manifest.gateway
        return Gateway(
            unit=unit,
            routes=tuple(
                Route(
                    path=route.path,
                    service=name,
                    port=next(iter(_ports(service).values())),
                    hosts=tuple(route.host),
                    methods=tuple(method.upper() for method in route.methods),
                    strip=route.strip,
                    plugins=self._plugins(route.plugins),
                )
                for name, service in self.manifest.services.items()
                for route in service.route
            ),
            plugins=self._plugins(said.plugins),
            consumers=tuple(
                Consumer(
                    name=name,
                    keys=tuple(self.text(key) for key in one.key),
                    basic=tuple((user, self.text(password)) for user, password in one.basic.items()),
                    jwt=tuple({key: self.text(value) for key, value in entry.items()} for entry in one.jwt),
                    groups=tuple(one.groups),
                    custom_id=one.custom_id,
                    plugins=self._plugins(one.plugins),
                )
                for name, one in said.consumers.items()
            ),
            extra=self.world.extra,
        )

    def _plugins(self, plugins: list[PluginModel]) -> tuple[Plugin, ...]:
        return tuple(Plugin(plugin.name, self._deep(plugin.config)) for plugin in plugins)

    def _deep(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case dict():
                return {key: self._deep(item) for key, item in value.items()}
            case list():
                return [self._deep(item) for item in value]
        return value

    def _with_gateway(self, unit: Unit, gateway: Gateway | None) -> Unit:
        if gateway is None or unit.name != gateway.unit:
            return unit
        kind = self.instances[unit.name].kind.gateway
        assert kind is not None
        file = File(kind.config, rendered="gateway", digest=gateway.digest)
        return replace(unit, files=(*unit.files, file))


def _ports(service: Service) -> dict[str, int]:
    return service.ports or ({"http": service.port} if service.port else {})


def _written(value: Any) -> str:
    return value.text if isinstance(value, Written) else str(value)


def _said(infra: Infra) -> dict[str, Any]:
    fields = {name: getattr(infra, name) for name in infra.model_fields_set if name in Infra.model_fields}
    return {**fields, **(infra.model_extra or {})}


def _parts(scope: Scope, name: str) -> list[str]:
    uses = [use.partition("/") for one in scope.workloads.values() for use in one.uses]
    return list(dict.fromkeys(part for used, _, part in uses if used == name and part))


def _probe(health: Health | None, port: int | None) -> Probe | None:
    if health is None:
        return Probe("tcp", port) if port else None
    timed = partial(Probe, every=health.every, timeout=health.timeout, within=health.within)
    if health.exec is not None:
        words = ("sh", "-c", health.exec) if isinstance(health.exec, str) else tuple(health.exec)
        return timed("exec", command=words)
    if health.http is not None:
        return timed("http", port or 0, health.http)
    if health.grpc is not None:
        return timed("grpc", health.grpc)
    return timed("tcp", health.tcp or 0)


def _secrets(value: Any) -> set[str]:
    """Names of the secrets anywhere in a value."""
    match value:
        case str():
            return text.secrets_in(value)
        case File():
            return {value.secret} if value.secret else set()
        case Unit() | Gateway() | Consumer() | Route() | Plugin() | Build():
            return set().union(*(_secrets(getattr(value, name)) for name in value.__slots__))
        case dict():
            return set().union(*(_secrets(item) for item in value.values())) if value else set()
        case tuple() | list():
            return set().union(*(_secrets(item) for item in value)) if value else set()
    return set()
