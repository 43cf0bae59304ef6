"""Rules about the names of the stack, its units and volumes, and about the lists that name units."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from devenv.errors import did_you_mean
from devenv.manifest.rules.scope import Scope, unit_name
from devenv.manifest.source import Finding, Path

NAME = 63  # characters of a host name's part
NAME_WITH_VOLUMES = 52
_EXTERNAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")  # as Docker has it
LABEL = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?\Z")


def as_label(text: str) -> str:
    """The text turned into a valid name, or ""."""
    label = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:63].rstrip("-")
    return label if LABEL.match(label) else ""


def names_are_labels(scope: Scope) -> Iterator[Finding]:
    """Names are RFC 1123 labels of at most 63 characters."""
    manifest = scope.manifest
    names: list[tuple[Path, str]] = [(("name",), manifest.name)]
    if manifest.namespace is not None:
        names.append((("namespace",), manifest.namespace))
    for section in ("services", "jobs", "infra", "profiles", "environments"):
        names += [((section, name), name) for name in getattr(manifest, section)]
    for path, name in names:
        if len(name) > NAME:
            yield path, f"a name has at most {NAME} characters, this one has {len(name)}", ""
        elif not LABEL.match(name):
            better = as_label(name)
            hint = f'write "{better}"' if better else "begin with a letter"
            yield path, "a name is lower-case letters, digits and hyphens (it becomes a host name)", hint


def names_are_unique(scope: Scope) -> Iterator[Finding]:
    """A service, a job and a store do not share a name, nor the name of a store's part."""
    sections: dict[str, str] = {}
    for section in ("services", "jobs", "infra"):
        for name in getattr(scope.manifest, section):
            if name in sections:
                yield (section, name), f"{sections[name]}.{name} has that name already", "rename one of them"
            sections.setdefault(name, section)
    parts: dict[str, str] = {}
    for name, kind in scope.infra.items():
        if kind not in scope.kinds:
            continue
        if name == kind and sections.get(name) in ("services", "jobs"):
            owner = "the gateway" if scope.kinds[kind].gateway else f"the {kind} that another kind uses"
            key = "gateway" if scope.kinds[kind].gateway else f"the-{kind}"
            hint = f"rename it, or {owner}: infra: {{{key}: {{kind: {kind}}}}}"
            yield (sections[name], name), f"{owner} has that name already", hint
        for service in scope.kinds[kind].services:
            part = unit_name(service, kind=kind, name=name)
            if part == name:
                continue
            if part in sections:
                yield (sections[part], part), f"{name} runs a unit of that name already", "rename it"
            elif other := parts.get(part) or (part if part in scope.infra else ""):
                hint = f"rename one: infra: {{other-name: {{kind: {kind}}}}}"
                yield ("infra", name), f"it runs a unit called {part}, as {other} does", hint
            parts.setdefault(part, name)


def aliases_are_free(scope: Scope) -> Iterator[Finding]:
    """A further name of a service is a host name that nothing else has."""
    units = dict(scope.names)
    for name, kind in scope.infra.items():
        services = scope.kinds[kind].services if kind in scope.kinds else ()
        units |= {unit_name(service, kind=kind, name=name): "infra" for service in services}
    taken = {unit: f"{section}.{unit}" for unit, section in units.items()}
    for name, service in scope.manifest.services.items():
        for index, alias in enumerate(service.aliases):
            path: Path = ("services", name, "aliases", index)
            if alias == name:
                yield path, f"{name} has that name anyway", "remove it"
            elif alias in taken:
                yield path, f"{taken[alias]} has that name already", "choose another one"
            elif len(alias) > NAME or not LABEL.match(alias):
                better = as_label(alias) if "." not in alias else ""
                hint = (
                    f'write "{better}"'
                    if better
                    else "one with dots is Compose's alone: compose: {networks: ...}"
                )
                yield path, "a name is lower-case letters, digits and hyphens (it becomes a host name)", hint
            taken.setdefault(alias, f"services.{name}")


@dataclass(frozen=True, slots=True)
class DeclaredVolume:
    """A volume: its path in the manifest, the unit that owns it ("" if it is shared), and its key there."""

    path: Path
    owner: str
    key: str

    @property
    def name(self) -> str:
        """Its name among the volumes of the stack."""
        return f"{self.owner}-{self.key}" if self.owner else self.key


def _volumes(scope: Scope) -> Iterator[DeclaredVolume]:
    for name, kind in scope.infra.items():
        keys = sorted(scope.kinds[kind].volumes) if kind in scope.kinds else ()
        yield from (DeclaredVolume(("infra", name), name, key) for key in keys)
    for path, workload in scope.workloads.items():
        own = [key for key in workload.volumes if key not in scope.manifest.volumes]
        yield from (DeclaredVolume((*path, "volumes", key), path[1], key) for key in own)
    yield from (DeclaredVolume(("volumes", key), "", key) for key in scope.manifest.volumes)


def volumes_are_called_apart(scope: Scope) -> Iterator[Finding]:
    """No two volumes have the same name: `OWNER-KEY` is ambiguous, as both may contain hyphens."""
    owners: dict[str, str] = {}
    for volume in _volumes(scope):
        owner = owners.setdefault(volume.name, volume.owner)
        if owner != volume.owner:
            message = f"the volume {volume.name} belongs to {owner} already"
            yield volume.path, message, "rename it, or both would share one volume"


def volumes_are_shared_on_purpose(scope: Scope) -> Iterator[Finding]:
    """Two services have a volume of one name only where the manifest says that it is the same."""
    first: dict[str, str] = {}
    for path, workload in scope.workloads.items():
        for key in workload.volumes:
            if key not in scope.manifest.volumes and first.setdefault(key, path[1]) != path[1]:
                shared = f"one for both: volumes: {{{key}: {{}}}} at the top level"
                hint = f"{shared}; one for each: another name here"
                yield (*path, "volumes", key), f"{first[key]} has a volume of that name", hint
    for key, volume in scope.manifest.volumes.items():
        if not LABEL.match(key) or len(key) > NAME:
            what = f"a volume's name is at most {NAME} lower-case letters, digits, hyphens"
            yield ("volumes", key), what, as_label(key) and f'write "{as_label(key)}"'
        if volume.external is not None and volume.size is not None:
            yield ("volumes", key, "size"), "says nothing of a volume that somebody else makes", "remove it"
        if volume.external is not None and not _EXTERNAL.match(volume.external):
            hint = "letters, digits, dots, hyphens and _"
            yield ("volumes", key, "external"), f'"{volume.external}" is not the name of a volume', hint


def names_fit_everywhere(scope: Scope) -> Iterator[Finding]:
    """Names fit in 63 characters, also after Kubernetes adds eleven to the name of a StatefulSet."""
    too_long: set[str] = set()
    for path, unit in _stores(scope):
        if len(unit) > NAME_WITH_VOLUMES:
            too_long.add(path[1])
            whose = "this one" if unit == path[1] else f"its unit {unit}"
            message = (
                f"with volumes a name has at most {NAME_WITH_VOLUMES} characters, {whose} has {len(unit)}"
            )
            yield path, message, "choose a shorter name, or Kubernetes cannot create its pod"
    for name, kind in scope.infra.items():
        for service in scope.kinds[kind].services if kind in scope.kinds else ():
            part = unit_name(service, kind=kind, name=name)
            if len(name) <= NAME < len(part) and name not in too_long:
                too_long.add(name)
                message = f"a name has at most {NAME} characters, its unit {part} has {len(part)}"
                yield ("infra", name), message, "choose a shorter name"
    for volume in _volumes(scope):
        if len(volume.owner) <= NAME < len(volume.name) and volume.owner not in too_long:
            message = f"its full name {volume.name} may have at most {NAME} characters"
            yield volume.path, f"{message}, this one has {len(volume.name)}", "choose a shorter name"


def _stores(scope: Scope) -> Iterator[tuple[tuple[str, str], str]]:
    """Every unit that becomes a StatefulSet, after its place in the manifest."""
    for name, service in scope.manifest.services.items():
        if service.volumes.keys() - scope.manifest.volumes.keys():
            yield ("services", name), name
    for name, kind in scope.infra.items():
        for store in sorted(scope.kinds[kind].stores) if kind in scope.kinds else ():
            yield ("infra", name), unit_name(store, kind=kind, name=name)


def other_names_exist(scope: Scope) -> Iterator[Finding]:
    """Profiles and environments name existing units."""
    manifest = scope.manifest
    for profile, members in manifest.profiles.items():
        for index, name in enumerate(members):
            if name not in scope.names and name not in scope.infra:
                yield (
                    ("profiles", profile, index),
                    f'no service, job or store "{name}"',
                    did_you_mean(name, scope.names),
                )
    for key, environment in manifest.environments.items():
        for section, names in (
            ("services", manifest.services),
            ("jobs", manifest.jobs),
            ("infra", scope.infra),
        ):
            for name in getattr(environment, section):
                if name not in names:
                    path: Path = ("environments", key, section, name)
                    yield path, f'no {section.removesuffix("s")} "{name}"', did_you_mean(name, names)
