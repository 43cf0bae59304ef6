"""Objects of Kubernetes by what they are to each other: workloads, their addresses, their values."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from devenv.manifest.source import as_text

PROGRAMS = ("Deployment", "StatefulSet", "ReplicaSet", "Pod", "Job", "CronJob")
"""Kinds whose containers run as a part of the stack."""

TOOLS = re.compile(r"skaffold/|kustomize\.config\.k8s\.io/|kind\.x-k8s\.io/|kubeadm\.k8s\.io/")
"""How `apiVersion` begins in files of tools, which are no objects."""
HOOK = "helm.sh/hook"
Item = Mapping[str, Any]


def at(value: Any, *keys: str) -> Any:
    """What is at a place; an empty mapping where nothing is."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return {} if value is None else value


def rows(value: Any, *keys: str) -> list[Any]:
    """The items of a list at a place; none where nothing is."""
    inner = at(value, *keys)
    return inner if isinstance(inner, list) else []


def word(value: Any, *keys: str) -> str:
    """The text at a place, "" where nothing is."""
    inner = at(value, *keys)
    return "" if inner == {} else str(as_text(inner))


def name_of(item: Item) -> str:
    """The name of an object."""
    return word(item, "metadata", "name")


@dataclass(frozen=True, slots=True)
class Workload:
    """What runs pods: the object, by `kind`, `namespace` and `name`, its pods' `labels` and their `pod`."""

    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    pod: Item
    spec: Item

    @property
    def identity(self) -> tuple[str, str, str]:
        """What no other workload has."""
        return self.kind, self.namespace, self.name

    @property
    def is_job(self) -> bool:
        """Whether it runs to its end."""
        return self.kind in ("Job", "CronJob") or (
            self.kind == "Pod" and word(self.pod, "restartPolicy") in ("Never", "OnFailure")
        )

    @property
    def containers(self) -> list[Item]:
        """Its containers, the one that does its work first: the one that is called as the object is."""
        return sorted(
            rows(self.pod, "containers"), key=lambda container: word(container, "name") != self.name
        )


@dataclass(frozen=True, slots=True)
class Address:
    """A Service: its name, and each of its ports -> the port of the pods, by number or by name."""

    name: str
    selector: Mapping[str, str]
    ports: Mapping[int, str]

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it leads to pods with these labels."""
        return bool(self.selector) and self.selector.items() <= labels.items()


@dataclass(frozen=True, slots=True)
class Values:
    """What a ConfigMap or a Secret holds: key -> text; `opaque` are the keys of what is no text."""

    texts: Mapping[str, str] = field(default_factory=dict)
    opaque: Sequence[str] = ()


class Objects:
    """All of them. The `namespaces` are those that they say."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = [*{_identity(item): item for item in _flat(items)}.values()]

    def of(self, *kinds: str) -> list[Item]:
        """The objects of some kinds."""
        return [item for item in self.items if item.get("kind") in kinds]

    @cached_property
    def namespaces(self) -> set[str]:
        """The namespaces that they are in."""
        own = {word(item, "metadata", "namespace") for item in self.items}
        return (own | {name_of(item) for item in self.of("Namespace")}) - {""}

    @cached_property
    def workloads(self) -> list[Workload]:
        """What runs pods, but for what runs on every node, and for a chart's tests."""
        programs = [item for item in self.of(*PROGRAMS) if name_of(item) and not is_test(item)]
        return [_workload(item) for item in programs]

    @cached_property
    def addresses(self) -> list[Address]:
        """The Services that have a selector."""
        return [_address(item) for item in self.of("Service") if at(item, "spec", "selector")]

    @cached_property
    def configs(self) -> Mapping[str, Values]:
        """ConfigMap -> what it holds."""
        return {name_of(item): _config(item) for item in self.of("ConfigMap")}

    @cached_property
    def secrets(self) -> Mapping[str, Values]:
        """Secret -> what it holds, decoded."""
        return {name_of(item): _secret(item) for item in self.of("Secret")}

    @cached_property
    def claims(self) -> Mapping[str, str]:
        """PersistentVolumeClaim -> its size, "" where it says none."""
        return {name_of(item): size_of(item) for item in self.of("PersistentVolumeClaim")}


def _identity(item: Item) -> tuple[str, ...]:
    """What two objects have in common of which a cluster would keep the later one."""
    return str(item.get("kind")), word(item, "metadata", "namespace"), name_of(item)


def is_test(item: Item) -> bool:
    """Whether it runs for `helm test` alone."""
    return word(item, "metadata", "annotations", HOOK).startswith("test")


def size_of(claim: Item) -> str:
    """What a claim asks for."""
    return word(claim, "spec", "resources", "requests", "storage")


def _flat(items: Iterable[Item]) -> Iterator[Item]:
    """The objects, also those in a List."""
    for item in items:
        if str(item.get("kind", "")).endswith("List") and isinstance(item.get("items"), list):
            yield from _flat(each for each in item["items"] if isinstance(each, Mapping))
        else:
            yield item


def _workload(item: Item) -> Workload:
    kind = str(item["kind"])
    spec = at(item, "spec", "jobTemplate", "spec") if kind == "CronJob" else at(item, "spec")
    template = item if kind == "Pod" else at(spec, "template")
    labels = {str(key): str(as_text(value)) for key, value in at(template, "metadata", "labels").items()}
    namespace = word(item, "metadata", "namespace")
    return Workload(kind, namespace, name_of(item), labels, at(template, "spec"), spec)


def _address(item: Item) -> Address:
    selector = {str(key): str(as_text(value)) for key, value in at(item, "spec", "selector").items()}
    ports = {
        int(number): word(port, "targetPort") or number
        for port in rows(item, "spec", "ports")
        if (number := word(port, "port")).isdecimal()
    }
    return Address(name_of(item), selector, ports)


def _config(item: Item) -> Values:
    texts = {str(key): str(as_text(value)) for key, value in at(item, "data").items() if value is not None}
    return Values(texts, [*map(str, at(item, "binaryData"))])


def _secret(item: Item) -> Values:
    texts: dict[str, str] = {}
    opaque: list[str] = []
    for key, value in at(item, "data").items():
        try:
            texts[str(key)] = base64.b64decode(str(value or ""), validate=True).decode()
        except ValueError:
            opaque.append(str(key))
    plain = {str(key): str(as_text(value)) for key, value in at(item, "stringData").items()}
    return Values(texts | plain, opaque)
