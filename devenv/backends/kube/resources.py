"""Where objects live in the API, and those of ours found by label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.refusals import Refused
from devenv.errors import UsageError
from devenv.stack.labels import LABEL

PLURALS: Mapping[tuple[str, str], str] = {
    ("v1", "Namespace"): "namespaces",
    ("v1", "ServiceAccount"): "serviceaccounts",
    ("v1", "Secret"): "secrets",
    ("v1", "ConfigMap"): "configmaps",
    ("v1", "Service"): "services",
    ("v1", "Pod"): "pods",
    ("v1", "PersistentVolumeClaim"): "persistentvolumeclaims",
    ("apps/v1", "Deployment"): "deployments",
    ("apps/v1", "StatefulSet"): "statefulsets",
    ("batch/v1", "Job"): "jobs",
}
CLAIM = ("v1", "PersistentVolumeClaim")
WORKLOADS = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("batch/v1", "Job"))
OURS = (*WORKLOADS, ("v1", "Service"), ("v1", "ConfigMap"), ("v1", "Secret"), ("v1", "ServiceAccount"))
"""Everything that rendering makes, besides claims and the namespace, in the order of removal."""

Kind = tuple[str, str]
"""apiVersion and kind."""


class Resources:
    """Paths of objects. Kinds that are not ours are looked up in the API once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known = dict(PLURALS)

    def path(self, kind: Kind, namespace: str = "", name: str = "") -> str:
        """Where an object, or with no name all of a kind, lives."""
        version = kind[0]
        parts = ["api" if version == "v1" else "apis", version]
        if namespace and kind != ("v1", "Namespace"):
            parts += ["namespaces", namespace]
        parts.append(self._plural(kind))
        return "/" + "/".join([*parts, *([name] if name else [])])

    def of(self, wanted: Mapping[str, Any]) -> str:
        """Where this object lives."""
        metadata = wanted["metadata"]
        return self.path(kind_of(wanted), metadata.get("namespace", ""), metadata["name"])

    def _plural(self, kind: Kind) -> str:
        if kind not in self._known:
            version, name = kind
            try:
                said = self._client.get(f"/apis/{version}" if "/" in version else f"/api/{version}")
            except Refused as error:
                if error.status != 404:
                    raise
                said = {}
            for one in said.get("resources", ()):
                if "/" not in one["name"]:
                    self._known[version, one["kind"]] = one["name"]
            if kind not in self._known:
                raise UsageError(f"the cluster knows no {name} of {version}", hint=f"kubectl explain {name}")
        return self._known[kind]

    def ours(self, kind: Kind, namespace: str, **labels: str) -> Iterator[Object]:
        """Objects with all of our labels `devenv.dev/KEY=VALUE`; without a namespace, in every one."""
        selector = ",".join(f"{LABEL}{key}={value}" for key, value in labels.items())
        said = self._client.get(self.path(kind, namespace), labelSelector=selector)
        for one in said["items"]:  # items of a list leave out what they are
            yield {"apiVersion": kind[0], "kind": kind[1], **one}


def kind_of(one: Mapping[str, Any]) -> Kind:
    """API version and kind of an object."""
    return one["apiVersion"], one["kind"]


def label(one: Mapping[str, Any], key: str) -> str:
    """One of our labels, or nothing."""
    return str((one["metadata"].get("labels") or {}).get(LABEL + key, ""))


def note(one: Mapping[str, Any], key: str) -> str:
    """One of our annotations, or nothing."""
    return str((one["metadata"].get("annotations") or {}).get(LABEL + key, ""))
