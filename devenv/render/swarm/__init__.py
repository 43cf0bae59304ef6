"""A stack as files for `docker stack deploy`: what Compose runs, as a swarm takes it.

They have no secrets. A file that holds some is completed by the swarm, from secrets of its own; a variable
that holds some gets its value from the environment of whoever deploys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devenv import urls
from devenv.manifest.fragments import named_volumes
from devenv.render.bundle import Source, to_yaml
from devenv.render.chart.variables import in_file, key_of
from devenv.render.compose import beside, described, escaped, of_this_machine
from devenv.render.compose.builds import build, build_secrets, from_bundle, recipes
from devenv.render.compose.hatch import laid_over
from devenv.render.kong import kong_template
from devenv.render.kubernetes.pod import image
from devenv.render.swarm.service import Deployed, Lack, deployed
from devenv.stack import text
from devenv.stack.graph import ordered
from devenv.stack.labels import LABEL
from devenv.stack.model import File, Stack, Unit
from devenv.stack.text import Place, Secret

OF_THIS_MACHINE = frozenset(("build", "ports", "volumes", "depends_on", "profiles", "labels"))
"""What Compose is told for one machine; a swarm has its own of each."""

KEEPER = "devenv.data"
"""The label of the node that keeps the volumes."""

FORMS: Mapping[Place, str] = {
    "plain": "",
    "url": "encoded for a URL",
    "json": "as in JSON",
    **{part: f"{part} of the URL" for part in urls.PARTS},
}

LONGEST = 50  # characters of the stack's name in that of a config, of which a swarm takes 64


@dataclass(frozen=True, slots=True)
class Swarm:
    """The files, and by unit what a swarm lacks of it."""

    files: Mapping[str, str]
    lacks: Mapping[str, tuple[Lack, ...]]


def render(stack: Stack, source: Source) -> Swarm:
    """The files of a stack that is of no checkout; its images are in the registry of the source."""
    mounted = _Mounted(stack, source)
    services = {unit.name: _service(stack, unit, source, mounted) for unit in ordered(stack)}
    volumes = {name for unit in stack.units for name in _volumes(unit)}
    external = {
        volume.name: {"external": True, "name": volume.external}
        for volume in stack.shared_volumes
        if volume.external
    }
    document: dict[str, Any] = {
        "version": "3.12",
        "services": {name: service.spec for name, service in services.items()},
        "networks": {"default": {"driver": "overlay"}},
        "volumes": {name: external.get(name, {}) for name in sorted(volumes)},
        "configs": mounted.configs,
        "secrets": mounted.secrets,
    }
    stack_file = to_yaml({key: value for key, value in document.items() if value})
    files = {"stack.yaml": _head(stack, source, mounted) + stack_file, **mounted.files}
    if _built(stack):
        files |= {"images.yaml": _images(stack, source), **recipes(stack, source)}
    return Swarm(files, {name: service.lacks for name, service in services.items() if service.lacks})


def _service(stack: Stack, unit: Unit, source: Source, mounted: _Mounted) -> Deployed:
    words = described(stack, unit, source)
    spec = {key: value for key, value in words.items() if key not in OF_THIS_MACHINE}
    by_itself = "no" if unit.manual else "on-failure"
    restart = by_itself if unit.one_shot else unit.restart or "always"
    spec |= {"image": image(unit, source.registry), "restart": restart}
    spec |= unit.extra
    if unit.role == "infra":  # a name leads to a task once it is healthy, and some stores ask for themselves
        spec.setdefault("hostname", unit.name)
    if unit.gateway:  # it leads to everything else
        port = unit.ports[0]
        spec["ports"] = [{"target": port.container, "published": port.wanted or port.container}]
    volumes = [f"{volume.name}:{volume.target}" for volume in unit.volumes]
    if mounts := [*volumes, *of_this_machine(unit, source.root)]:
        spec["volumes"] = mounts
    spec |= mounted.by(unit)
    spec |= {"deploy": _deploy(stack, unit), "labels": {}}
    return deployed(laid_over(escaped(spec, _required), unit.compose, source.root))


def _deploy(stack: Stack, unit: Unit) -> dict[str, Any]:
    """How a unit runs on the nodes."""
    deploy: dict[str, Any] = {"labels": {f"{LABEL}stack": stack.name, f"{LABEL}unit": unit.name}}
    volumes = list(_volumes(unit))
    if volumes:
        deploy["placement"] = {"constraints": [f"node.labels.{KEEPER} == true"]}
    if unit.manual:  # a service: of a swarm's job that begins with no task, none ever runs
        return {**deploy, "replicas": 0}
    if unit.one_shot:
        return {**deploy, "mode": "replicated-job", "replicas": 1}
    # Two at once on one volume would damage it.
    update = {"order": "stop-first" if volumes else "start-first", "failure_action": "rollback"}
    return {**deploy, "replicas": unit.replicas, "update_config": update}


def _volumes(unit: Unit) -> list[str]:
    return [*(volume.name for volume in unit.volumes), *named_volumes(unit.compose)]


def _required(secret: Secret) -> str:
    return f"${{{secret.variable}:?{' '.join(filter(None, (secret.name, FORMS[secret.place])))}}}"


# -- files


@dataclass
class _Mounted:
    """The configs and secrets of a stack, which its services mount."""

    stack: Stack
    source: Source
    configs: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def by(self, unit: Unit) -> dict[str, Any]:
        """What a unit mounts: its files, and the secrets that some of them are completed with."""
        configs = [
            self._config(unit, file) for mounted in unit.files for file in mounted.each if not file.secret
        ]
        secrets = [
            {**self._secret(Secret(file.secret)), "target": file.target} for file in unit.files if file.secret
        ]
        inside = {secret for file in unit.files if not file.secret for secret in in_file(file)}
        secrets += [self._secret(secret) for secret in sorted(inside, key=key_of)]
        return {key: value for key, value in (("configs", configs), ("secrets", secrets)) if value}

    def _config(self, unit: Unit, file: File) -> dict[str, Any]:
        # A swarm changes no config: another content is another one.
        digest = text.digest(self.stack.name, unit.name, file.target, file.digest)
        path = from_bundle(self.source.root, file.source) if file.source else f"./{beside(unit, file)}"
        config = {"name": f"{self.stack.name[:LONGEST]}-{digest}", "file": path}
        if not file.source:
            self.files[beside(unit, file)] = self._content(file)
        if in_file(file):
            config["template_driver"] = "golang"
        key = f"{unit.name}-{digest}"
        self.configs[key] = config
        mode = {"mode": 0o555} if file.executable else {}
        return {"source": key, "target": file.target, **mode}

    def _content(self, file: File) -> str:
        plain = _printed if in_file(file) else str
        if file.rendered:
            return kong_template(self.stack, _looked_up, plain)
        return text.rewrite(file.content, _looked_up, plain)

    def _secret(self, secret: Secret) -> dict[str, str]:
        key = key_of(secret)
        self.secrets[key] = {"external": True, "name": f"{self.stack.name}-{key}"}
        return {"source": key, "target": key}


def _looked_up(secret: Secret) -> str:
    return f"{{{{ secret `{key_of(secret)}` }}}}"


def _printed(plain: str) -> str:
    return plain.replace("{{", "{{ `{{` }}")


# -- images, and what is to be typed


def _built(stack: Stack) -> dict[str, Unit]:
    """Image -> a unit that it is built for."""
    units = sorted(stack.units, key=lambda unit: unit.role == "service")  # whose image a job shares
    return {unit.image: unit for unit in units if unit.build is not None}


def _images(stack: Stack, source: Source) -> str:
    """The images as a Compose file, as a swarm builds none."""
    units = sorted(_built(stack).values(), key=lambda unit: unit.name)
    document: dict[str, Any] = {
        "name": stack.name,
        "services": {
            unit.name: {
                "image": image(unit, source.registry),
                "build": escaped(build(unit, source), _required),
            }
            for unit in units
        },
    }
    if secrets := build_secrets(stack, source.root):
        document["secrets"] = secrets
    return f"# Rendered by devenv from {stack.name}'s devenv.yaml: change that, not this.\n" + to_yaml(
        document
    )


def _head(stack: Stack, source: Source, mounted: _Mounted) -> str:
    """What is to be typed before and when it is deployed, as comments."""
    lines = [f"Rendered by devenv from {stack.name}'s devenv.yaml: change that, not this. On a manager:"]
    if any(_volumes(unit) for unit in stack.units):
        lines.append(f"docker node update --label-add {KEEPER}=true NODE     # which keeps the volumes")
    lines += [
        f"docker secret create {entry['name']} -     # from stdin" for entry in mounted.secrets.values()
    ]
    for secret in _in_variables(stack):
        lines.append(f"export {secret.variable}=...     # {FORMS[secret.place]}".removesuffix("     # "))
    if _built(stack):
        lines.append(f"docker compose -f images.yaml build{' --push' if source.registry else ''}")
    lines.append(f"docker stack deploy --with-registry-auth -c stack.yaml {stack.name}")
    return "".join(f"# {line}\n" for line in lines)


def _in_variables(stack: Stack) -> list[Secret]:
    """The secrets that stand in variables, commands, checks and builds."""
    texts = [
        word
        for unit in stack.units
        for word in (
            *(value for _, value in unit.env),
            *(unit.entrypoint or ()),
            *(unit.command or ()),
            *(unit.probe.command if unit.probe else ()),
            *(value for _, value in (unit.build.args if unit.build else ())),
            *(value for _, value in (unit.build.secrets if unit.build else ())),
        )
    ]
    return sorted(text.secrets(texts), key=lambda secret: secret.variable)
