"""What of an environment's values a cluster for rehearsals cannot have, and what stands in for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]

SUFFIXES = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12} | {
    f"{letter}i": 1024.0**power for power, letter in enumerate("KMGT", 1)
}
SECTIONS = ("services", "jobs", "infra")


@dataclass(frozen=True, slots=True)
class Node:
    """A node that takes pods: its labels, and what of each resource is free there, in its base unit."""

    labels: Mapping[str, str]
    free: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ground:
    """What a cluster has. Classes are those of volumes and of Ingresses."""

    nodes: tuple[Node, ...]
    storage_classes: frozenset[str] = frozenset()
    ingress_classes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Replacement:
    """A value that stands in for another in a rehearsal: where, which, and a line that says so."""

    path: tuple[str, ...]
    value: Any
    about: str
    line: str


def replacements(values: Values, ground: Ground, namespace: str) -> list[Replacement]:
    """What has to stand in, given all of a chart's values, defaults included."""
    stand_ins = [*_common(values, ground, namespace)]
    for section in SECTIONS:
        for name, unit in (values.get(section) or {}).items():
            stand_ins += _of_unit((section, name), unit, ground)
    return [*stand_ins, *_requests(replaced(values, stand_ins), ground)]


def replaced(values: Values, stand_ins: Iterable[Replacement]) -> dict[str, Any]:
    """Values with these in their places. A value of None takes away the chart's default, as Helm has it."""
    for each in stand_ins:
        values = _with(values, each.path, each.value)
    return dict(values)


def _with(values: Values, path: Sequence[str], value: Any) -> Values:
    first, *rest = path
    return {**values, first: _with(values.get(first) or {}, rest, value) if rest else value}


def _common(values: Values, ground: Ground, namespace: str) -> Iterator[Replacement]:
    ingress = values.get("ingress") or {}
    if host := ingress.get("host"):
        line = f"a host that nobody asks for, not {host}"
        yield Replacement(("ingress", "host"), f"{namespace}.invalid", "ingress", line)
        if hosts := ingress.get("hosts"):
            yield Replacement(("ingress", "hosts"), [], "ingress", f"without {', '.join(hosts)}")
        if tls := ingress.get("tls"):
            yield Replacement(("ingress", "tls"), "", "ingress", f"without the certificate {tls}")
        if (name := ingress.get("class")) and name not in ground.ingress_classes:
            yield Replacement(("ingress", "class"), "", "ingress", f"the class {name} is not here")
    way = (values.get("gateway") or {}).get("kind", "deploy")
    if way != "deploy":
        own = "the stack's own gateway serves the routes here"
        line = (
            f"{own}, without a load balancer"
            if way == "loadbalancer"
            else f"{own}, not the cluster's ({way})"
        )
        yield Replacement(("gateway", "kind"), "deploy", "gateway", line)
    if store := (values.get("externalSecret") or {}).get("store"):
        line = f"made here, not from the store {store}"
        yield Replacement(("externalSecret", "store"), "", "secrets", line)
    if (values.get("sealedSecret") or {}).get("encryptedData"):
        line = "made here, as only the environment's cluster opens what is sealed"
        yield Replacement(("sealedSecret", "encryptedData"), None, "secrets", line)
    for name, own in (values.get("volumes") or {}).items():
        if claim := own.get("claim"):
            line = f"a volume of this rehearsal's, not the claim {claim}"
            yield Replacement(("volumes", name, "claim"), "", name, line)
        if own.get("mode") != "ReadWriteOnce":
            yield Replacement(("volumes", name, "mode"), "ReadWriteOnce", name, "its pods are on one node")
        yield from _class(("volumes", name), own, ground)
    if not values["serviceAccount"]["create"]:
        name = values["serviceAccount"]["name"]
        yield Replacement(("serviceAccount", "create"), True, "account", f"{name} is made here")
    if values["imagePullSecrets"]:
        yield Replacement(
            ("imagePullSecrets",), [], "images", "brought to the nodes, not pulled with a login"
        )


def _of_unit(path: tuple[str, str], unit: Values, ground: Ground) -> Iterator[Replacement]:
    name, most = path[1], max(len(ground.nodes), 1)
    external = unit.get("external") or {}
    if elsewhere := external.get("secret") or external.get("host"):
        line = f"runs here, with a password of its own, not what {elsewhere} leads to"
        yield Replacement((*path, "external"), {"secret": "", "host": ""}, name, line)
    scaling = unit.get("autoscale") or {}
    key, count = (("autoscale", "min"), scaling.get("min", 1)) if scaling else (("replicas",), None)
    count = unit.get("replicas", 1) if count is None else count
    if count > most:
        line = f"{most} of {count} replicas, as many as there are nodes"
        yield Replacement((*path, *key), most, name, line)
    wanted = (unit.get("nodeSelector") or {}).items()
    if wanted and not any(wanted <= node.labels.items() for node in ground.nodes):
        labels = ", ".join(f"{key}={value}" for key, value in sorted(wanted))
        yield Replacement((*path, "nodeSelector"), None, name, f"on any node: none has {labels}")
    if unit.get("affinity"):
        yield Replacement((*path, "affinity"), None, name, "wherever there is room: its affinity is left out")
    for volume, own in (unit.get("volumes") or {}).items():
        yield from _class((*path, "volumes", volume), own, ground)


def _class(path: tuple[str, ...], volume: Values, ground: Ground) -> Iterator[Replacement]:
    if (storage := volume.get("class")) and storage not in ground.storage_classes:
        line = f"the storage class {storage} is not here, so {path[-1]} has the default one"
        yield Replacement((*path, "class"), "", path[1], line)


def _requests(values: Values, ground: Ground) -> Iterator[Replacement]:
    """No unit asks for CPU or memory where all of them together ask for more than there is.

    What asks for nothing but has a limit asks for that, as Kubernetes reads it.
    """
    units = {
        (section, name): unit for section in SECTIONS for name, unit in (values.get(section) or {}).items()
    }
    for resource in ("cpu", "memory"):
        asked = {path: _asked(unit, resource) for path, unit in units.items()}
        total = sum(amount * _count(units[path]) for path, amount in asked.items())
        free = [node.free.get(resource, 0.0) for node in ground.nodes]
        if total <= sum(free) and max(asked.values(), default=0.0) <= max(free, default=0.0):
            continue
        for path, amount in asked.items():
            if amount:
                line = f"asks for no {resource}: all together ask for more than is free"
                yield Replacement((*path, "resources", "requests", resource), "0", path[1], line)


def _asked(unit: Values, resource: str) -> float:
    resources = unit.get("resources") or {}
    for part in ("requests", "limits"):
        if resource in (resources.get(part) or {}):
            return number(resources[part][resource])
    return 0.0


def _count(unit: Values) -> int:
    scaling = unit.get("autoscale") or {}
    return int(scaling.get("min", 1) if scaling else unit.get("replicas", 1))


def number(quantity: str | float) -> float:
    """A quantity of Kubernetes in its base unit: `500m` is 0.5. What is none counts as nothing."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?(?:[eE]\d+)?)(m|[KMGT]i|[kMGT])?", str(quantity))
    return float(match[1]) * SUFFIXES[match[2] or ""] if match else 0.0
