"""What became of the objects that are no workload, and of those that nothing is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from devenv.drafting.kubernetes.imported import Imported
from devenv.drafting.kubernetes.objects import PROGRAMS, Item, is_test, name_of, word

READ = frozenset(
    (
        *PROGRAMS, "Service", "ConfigMap", "Secret", "PersistentVolumeClaim", "Namespace",
        "Ingress", "HTTPRoute", "IngressRoute", "Middleware", "KongPlugin", "KongClusterPlugin",
    )
)  # fmt: skip
"""Kinds that are read; what of them becomes nothing is said where they are read."""

DROPPED: Mapping[str, str] = {
    **dict.fromkeys(
        ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
        "rights in a cluster, which programs of a stack have none of",
    ),
    **dict.fromkeys(
        ("NetworkPolicy", "PodDisruptionBudget", "HorizontalPodAutoscaler", "VerticalPodAutoscaler",
         "LimitRange", "ResourceQuota", "PriorityClass"),
        "it is about a cluster: a chart of yours beside the stack's keeps it",
    ),
    **dict.fromkeys(("StorageClass", "PersistentVolume"), "the stack's volumes are the backend's own"),
    **dict.fromkeys(("IngressClass", "GatewayClass", "Gateway"), "the stack has a gateway of its own"),
    "DaemonSet": "it serves the nodes of a cluster, not the stack",
    **dict.fromkeys(("ServiceMonitor", "PodMonitor"), "metrics of the service says it"),
}  # fmt: skip
"""Kind -> why nothing is made of its objects."""


OF_EVERY_NAMESPACE = "kube-root-ca.crt"  # a ConfigMap that the cluster makes
_REFERENCES = {
    "ConfigMap": ("configMap", "configMapRef", "configMapKeyRef"),
    "Secret": ("secret", "secretRef", "secretKeyRef"),
}
"""Kind -> the keys of a pod that name one."""


def unread(result: Imported) -> None:
    """Say what became of the objects that are no workload."""
    for item in result.objects.items:
        kind, name = str(item.get("kind")), name_of(item)
        if kind in DROPPED:
            result.say("dropped", f"{kind} {name}", DROPPED[kind])
        elif is_test(item):
            result.say("dropped", f"{kind} {name}", "only `helm test` runs it: smoke: has requests to try")
        elif kind == "Service" and name not in result.addresses.units:
            _alone(result, item, name)
        elif kind not in READ:
            note = "nothing here knows this kind; a chart beside the stack's may keep it"
            result.say("by hand", f"{kind} {name}", note)
    for kind, held in (("ConfigMap", result.objects.configs), ("Secret", result.objects.secrets)):
        named = {
            name for workload in result.objects.workloads for name in _named(workload.pod, _REFERENCES[kind])
        }
        for name in held:
            if name not in named and name != OF_EVERY_NAMESPACE:
                result.say("dropped", f"{kind} {name}", "no workload has it")


def _alone(result: Imported, item: Item, name: str) -> None:
    """Say what a Service is without a workload behind it."""
    if host := word(item, "spec", "externalName"):
        result.say("by hand", f"Service {name}", f"it stands for {host}: write that where {name} is named")
    else:
        result.say("dropped", f"Service {name}", "no workload is behind it")


def _named(value: Any, keys: tuple[str, ...]) -> Iterator[str]:
    """The names that stand behind some keys, anywhere in a value."""
    if isinstance(value, list):
        for inner in value:
            yield from _named(inner, keys)
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        if key in keys:
            yield from (word(inner, "name"), word(inner, "secretName"))
        yield from _named(inner, keys)
