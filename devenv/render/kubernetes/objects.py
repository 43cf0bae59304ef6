"""The objects of a unit: workload, Service, Secret, ConfigMap and claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devenv.errors import UsageError
from devenv.manifest.versions import matches
from devenv.render.bundle import Source
from devenv.render.kubernetes.content import Content, content
from devenv.render.kubernetes.overlay import overlay
from devenv.render.kubernetes.pod import template
from devenv.stack import labels as tags
from devenv.stack.labels import LABEL
from devenv.stack.model import Stack, Unit

Object = dict[str, Any]

SIZE = "1Gi"  # of a volume; provisioners for local clusters do not enforce it
RETRIES = 6  # of a job: `kubectl apply` starts everything at once, and a job fails before its needs are ready
API = {
    "Namespace": "v1", "ServiceAccount": "v1", "Secret": "v1", "ConfigMap": "v1", "Service": "v1",
    "PersistentVolumeClaim": "v1", "Deployment": "apps/v1", "StatefulSet": "apps/v1", "Job": "batch/v1",
}  # fmt: skip


def of_stack(stack: Stack) -> list[Object]:
    """The objects that belong to no unit: the namespace, the ServiceAccount of all pods, shared claims."""
    account = _object("ServiceAccount", stack, stack.name, owner(stack))
    account["automountServiceAccountToken"] = False
    claims = [
        _object("PersistentVolumeClaim", stack, volume.name, owner(stack)) | {"spec": _claim(volume.size)}
        for volume in stack.shared_volumes
        if not volume.external
    ]
    if stack.namespace == "default":  # it exists in every cluster
        return [account, *claims]
    namespace = _object("Namespace", stack, stack.namespace, owner(stack))
    del namespace["metadata"]["namespace"]
    return [namespace, account, *claims]


def of_unit(stack: Stack, unit: Unit, source: Source) -> list[Object]:
    """The unit's objects in the order in which they have to be applied; the last is the workload."""
    contents = content(stack, unit, source.secrets, source.files)
    objects = [*_holders(stack, unit, contents), *_claims(stack, unit)]
    if unit.ports:  # its own comes last: a fragment for the Service is for that
        objects += [_service(stack, unit, name) for name in (*unit.aliases, unit.name)]
    objects.append(_workload(stack, unit, contents, source))
    return _with_fragments(stack, unit, objects, source)


def owner(stack: Stack) -> dict[str, str]:
    """Labels of an object's owner."""
    return {
        "app.kubernetes.io/managed-by": "devenv",
        "app.kubernetes.io/part-of": stack.name,
        **tags.owner(stack),
    }


def labels(stack: Stack, unit: Unit) -> dict[str, str]:
    """Labels of a unit's objects."""
    return {"app.kubernetes.io/name": unit.name, **owner(stack), **tags.identity(stack, unit)}


def selector(stack: Stack, unit: Unit) -> dict[str, str]:
    """Labels that select a unit's pods; a selector is immutable."""
    return {LABEL + "stack": stack.id, LABEL + "unit": unit.name}


def kind(unit: Unit) -> str:
    """The kind of a unit's workload."""
    if unit.one_shot:
        return "Job"
    return "StatefulSet" if unit.own_volumes else "Deployment"


def _object(kind: str, stack: Stack, name: str, labels: Mapping[str, str]) -> Object:
    metadata = {"name": name, "namespace": stack.namespace, "labels": dict(labels)}
    return {"apiVersion": API[kind], "kind": kind, "metadata": metadata}


def _holders(stack: Stack, unit: Unit, contents: Content) -> list[Object]:
    objects = []
    if contents.secret:
        resource = _object("Secret", stack, unit.name, labels(stack, unit))
        objects.append({**resource, "type": "Opaque", "data": dict(sorted(contents.secret.items()))})
    if contents.text or contents.binary:
        resource = _object("ConfigMap", stack, unit.name, labels(stack, unit))
        objects.append(
            {
                **resource,
                **({"data": dict(contents.text)} if contents.text else {}),
                **({"binaryData": dict(contents.binary)} if contents.binary else {}),
            }
        )
    return objects


def _claims(stack: Stack, unit: Unit) -> list[Object]:
    """Claims of a one-shot; a StatefulSet creates its own."""
    if not unit.one_shot:
        return []
    return [
        _object("PersistentVolumeClaim", stack, volume.name, labels(stack, unit)) | {"spec": _claim()}
        for volume in unit.own_volumes
    ]


def _claim(size: int | None = None) -> dict[str, Any]:
    storage = SIZE if size is None else quantity(size)
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}


def quantity(size: int) -> str:
    """Bytes as Kubernetes writes them."""
    for unit, factor in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def _service(stack: Stack, unit: Unit, name: str) -> Object:
    """The Service; its port equals the container's, so that addresses are the same on every backend."""
    ports = [
        {
            "name": port_name(port.name, port.container),
            "port": port.container,
            "targetPort": port.container,
            **({"protocol": "UDP"} if port.udp else {}),
        }
        for port in unit.ports
    ]
    resource = _object("Service", stack, name, labels(stack, unit))
    return {**resource, "spec": {"selector": selector(stack, unit), "ports": ports}}


def port_name(name: str, number: int) -> str:
    """The port's name if valid in Kubernetes (at most 15 letters, digits, hyphens), else `port-NUMBER`."""
    fits = len(name) <= 15 and name.replace("-", "").isalnum() and not name.isdecimal() and name.islower()
    return name if fits and name.isascii() and name[0] != "-" != name[-1] else f"port-{number}"


def _workload(stack: Stack, unit: Unit, contents: Content, source: Source) -> Object:
    pod = template(
        stack,
        unit,
        contents,
        account=stack.name,
        labels=labels(stack, unit),
        fingerprint=source.fingerprints.get(unit.name, ""),
        registry=source.registry,
    )
    resource = _object(kind(unit), stack, unit.name, labels(stack, unit))
    resource["metadata"]["annotations"] = pod["metadata"]["annotations"]
    if unit.one_shot:
        return {**resource, "spec": {"backoffLimit": RETRIES, "template": pod}}
    spec: dict[str, Any] = {
        "replicas": unit.replicas,
        "selector": {"matchLabels": selector(stack, unit)},
        "template": pod,
    }
    if unit.own_volumes:
        templates = [
            {"metadata": {"name": volume.name, "labels": labels(stack, unit)}, "spec": _claim()}
            for volume in unit.own_volumes
        ]
        # Without `Parallel`, a pod that never became ready would never be replaced by a fixed one.
        spec |= {
            "serviceName": unit.name,
            "podManagementPolicy": "Parallel",
            "volumeClaimTemplates": templates,
        }
    return {**resource, "spec": spec}


def _with_fragments(stack: Stack, unit: Unit, objects: list[Object], source: Source) -> list[Object]:
    """Apply the overrides for the infra kind, then the user's fragments. A new object needs an apiVersion."""
    by_kind = {resource["kind"]: resource for resource in objects}
    others = [resource for resource in objects if by_kind[resource["kind"]] is not resource]  # several claims
    for change in _overrides(unit, source):
        for kind_ in by_kind.keys() & change:
            by_kind[kind_] = overlay(by_kind[kind_], change[kind_])
    for kind_, change in unit.kubernetes.items():
        if kind_ in by_kind:
            by_kind[kind_] = _still_ours(overlay(by_kind[kind_], change), by_kind[kind_])
        elif "apiVersion" in change:
            metadata = {
                "name": unit.name, "namespace": stack.namespace, "labels": labels(stack, unit)
            }  # fmt: skip
            added = {"apiVersion": change["apiVersion"], "kind": kind_, "metadata": metadata}
            by_kind = {kind_: _still_ours(overlay(added, change), added), **by_kind}
        else:
            raise UsageError(
                f"{unit.name}: kubernetes.{kind_} changes nothing",
                why=f"{unit.name} becomes {', '.join(by_kind)}; any other kind needs an apiVersion",
            )
    *first, last = by_kind.values()
    return [*others, *first, last]


def _still_ours(changed: Object, original: Object) -> Object:
    """The changed object with its original name, labels and annotations, by which devenv finds it."""
    identity = {key: original[key] for key in ("apiVersion", "kind", "metadata")}
    if "template" in original.get("spec", {}):
        identity["spec"] = {"template": {"metadata": original["spec"]["template"]["metadata"]}}
    return dict(overlay(changed, identity))


def _overrides(unit: Unit, source: Source) -> list[Mapping[str, Any]]:
    """The fragments for the unit's kind, then those for its version."""
    overrides = source.overrides.get(unit.engine, {})
    versions = overrides.get("versions", {})
    return [
        overrides,
        *(change for condition, change in versions.items() if matches(unit.version, condition)),
    ]
