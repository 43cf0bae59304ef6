"""The units of a manifest's services and jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from devenv.manifest import workloads
from devenv.manifest.contexts import is_folder
from devenv.manifest.fields import UdpPort
from devenv.manifest.rules.commands import NEEDS_SHELL
from devenv.manifest.rules.images import BUILD_SECRET
from devenv.manifest.workloads import Health, Job, Service
from devenv.stack import shell, text
from devenv.stack.instances import Instances
from devenv.stack.model import Build, HostPath, Link, Need, Port, Probe, Reload, Ulimit, Unit, Volume, port_of
from devenv.stack.ports import Claim, claim, is_web, scheme, wish
from devenv.stack.references import needs
from devenv.stack.text import Text


def service_claims(name: str, service: Service) -> dict[str, Claim]:
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


class Workloads:
    """The services and jobs of a manifest, beside the instances that they use.

    `setups`: instance -> its one-shots, which have to be done before anything uses it.
    """

    def __init__(self, of: Instances, setups: Mapping[str, Iterable[str]]) -> None:
        self.manifest, self.world, self.names = of.manifest, of.world, of.names
        self.instances, self._setups = of.instances, setups
        self._needed = needs(of.manifest, of.instances)

    def services(self) -> list[Unit]:
        """The units of all services."""
        return [self._service(name, service) for name, service in self.manifest.services.items()]

    def jobs(self) -> list[Unit]:
        """The units of all jobs."""
        return [self._job(name, job) for name, job in self.manifest.jobs.items()]

    def _service(self, name: str, service: Service) -> Unit:
        ports = service.named_ports
        main = next(iter(ports.values()), None)
        host = self.world.ports.get((name, main), 0) if main else 0
        own = {"PORT": str(host if name in self.world.hosted else main)} if main else {}
        fill = self.names.fill(name)
        probe, variables = _probe(service.health, service.tcp_port, fill, f"services.{name}.health")
        injected = own | self.names.of_workload(service.uses, self.world.view(name))
        opened = tuple(
            port_of(claim, key, self.world.ports) for key, claim in service_claims(name, service).items()
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
                "platform": job.platform or like.platform,
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
        fill = self.names.fill(name)
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
            "files": tuple(
                self.world.file(target, source, fill) for target, source in workload.files.items()
            ),
            "user": workload.user,
            "workdir": workload.workdir,
            "read_only": workload.read_only,
            "cap_add": tuple(workload.capabilities.add),
            "cap_drop": tuple(workload.capabilities.drop),
            "privileged": workload.privileged,
            "no_new_privileges": workload.no_new_privileges,
            "ulimits": tuple(_ulimits(workload)),
            "sysctls": tuple(workload.sysctls.items()),
            "hosts": tuple(workload.hosts.items()),
            "host_paths": tuple(
                HostPath(target, own.path, own.write) for target, own in workload.host_paths.items()
            ),
            "platform": workload.platform,
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
            build.network,
            remote=not is_folder(build.context),
        )

    def _build_secret(self, source: str) -> Text:
        """A file of the project, or a secret: `$NAME` is another way to write `${secret.NAME}`."""
        match = BUILD_SECRET.fullmatch(source)
        return source if match is None else text.secret(match["short"] or match["name"])

    def _image_name(self, workload: Service | Job) -> str:
        """The first unit with the same build: equal builds share an image."""
        everything: dict[str, Service | Job] = {**self.manifest.services, **self.manifest.jobs}
        return next(name for name, other in everything.items() if other.build == workload.build)

    def _needs(self, workload: str) -> Iterator[Need]:
        for name in self._needed[workload]:
            if name in self.instances and self.instances[name].elsewhere:
                continue
            yield Need(name, done=name in self.manifest.jobs)
            for setup in self._setups.get(name, ()):
                yield Need(setup, done=True)


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


def _ulimits(workload: Service | Job) -> Iterator[Ulimit]:
    for name, limit in workload.ulimits.items():
        yield Ulimit(name, limit.soft, limit.soft if limit.hard is None else limit.hard)


def _command(command: str | list[str] | None, fill: Callable[[str], Text]) -> tuple[Text, ...] | None:
    match command:
        case None:
            return None
        case str():
            line = fill(command)
            bare = text.rewrite(line, lambda secret: "")
            return ("sh", "-c", line) if NEEDS_SHELL.search(bare) else tuple(text.words(line))
    return tuple(map(fill, command))


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
