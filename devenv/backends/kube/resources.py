"""API paths of objects, and our own objects by label."""

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
SERVICE = ("v1", "Service")
WORKLOADS = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("batch/v1", "Job"))
OURS = (*WORKLOADS, SERVICE, ("v1", "ConfigMap"), ("v1", "Secret"), ("v1", "ServiceAccount"))
"""Everything that rendering makes, besides claims and the namespace, in the order of removal."""

CORE = {"name": "", "versions": [{"groupVersion": "v1"}], "preferredVersion": {"groupVersion": "v1"}}
"""The API group that has no name, and that the list of groups leaves out."""

Kind = tuple[str, str]
"""apiVersion and kind."""


class Resources:
    """Paths of objects. Kinds that are not ours are looked up in the API once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._plurals = dict(PLURALS)
        self._of_cluster: set[Kind] = set()

    def path(self, kind: Kind, namespace: str = "", name: str = "") -> str:
        """Where an object, or with no name all of a kind, lives."""
        version = kind[0]
        parts = ["api" if version == "v1" else "apis", version]
        if namespace and kind != ("v1", "Namespace"):
            parts += ["namespaces", namespace]
        parts.append(self._plural(kind))
        return "/" + "/".join([*parts, *([name] if name else [])])

    def of(self, item: Mapping[str, Any]) -> str:
        """Where this object lives."""
        metadata = item["metadata"]
        return self.path(kind_of(item), metadata.get("namespace", ""), metadata["name"])

    def is_placed(self, kind: Kind) -> bool:
        """Whether objects of a kind are in namespaces. Raises `UsageError` for one that the cluster lacks."""
        if kind in PLURALS:
            return kind != ("v1", "Namespace")
        self._plural(kind)
        return kind not in self._of_cluster

    def _plural(self, kind: Kind) -> str:
        if kind not in self._plurals:
            version, name = kind
            try:
                resources = self._resources(version)
            except Refused as error:
                if error.status != 404:
                    raise
                resources = []
            self._plurals |= {(version, resource["kind"]): resource["name"] for resource in resources}
            self._of_cluster |= {(version, row["kind"]) for row in resources if not row["namespaced"]}
            if kind not in self._plurals:
                raise UsageError(
                    f"the cluster knows no {name} of {version}",
                    hint="install what brings it, or do without; kubectl api-resources   lists what there is",
                )
        return self._plurals[kind]

    def _resources(self, version: str) -> list[Mapping[str, Any]]:
        """What the API says of its resources in one version of a group, without their subresources."""
        answer = self._client.look(f"/apis/{version}" if "/" in version else f"/api/{version}")
        return [resource for resource in answer["resources"] if "/" not in resource["name"]]

    def all_in(self, namespace: str) -> Mapping[str, Kind]:
        """Where the lists are of everything that would go with a namespace, whoever made it: path -> kind.

        A resource that a group has in several versions is listed in one, the preferred if it is there.
        """
        groups = [CORE, *self._client.look("/apis")["groups"]]
        lists: dict[tuple[str, str], tuple[str, Kind]] = {}
        for group in groups:
            preferred = group["preferredVersion"]
            for version in (preferred, *(item for item in group["versions"] if item != preferred)):
                name = version["groupVersion"]
                root = f"/apis/{name}" if "/" in name else f"/api/{name}"
                for resource in self._resources(name):
                    if resource["namespaced"] and {"list", "delete"} <= set(resource["verbs"]):
                        path = f"{root}/namespaces/{namespace}/{resource['name']}"
                        lists.setdefault((group["name"], resource["name"]), (path, (name, resource["kind"])))
        return dict(lists.values())

    def ours(self, kind: Kind, namespace: str, **labels: str) -> Iterator[Object]:
        """Objects with all of our labels `devenv.dev/KEY=VALUE`; without a namespace, in every one."""
        selector = ",".join(f"{LABEL}{key}={value}" for key, value in labels.items())
        answer = self._client.get(self.path(kind, namespace), labelSelector=selector)
        for item in answer["items"]:  # items of a list have no apiVersion and kind
            yield {"apiVersion": kind[0], "kind": kind[1], **item}

    def ours_anywhere(self, kind: Kind, namespace: str, **labels: str) -> list[Object]:
        """The same in every namespace; without the right to list those, in this one."""
        try:
            return list(self.ours(kind, "", **labels))
        except Refused as error:
            if error.status != 403 or not namespace:
                raise
            return list(self.ours(kind, namespace, **labels))


def kind_of(item: Mapping[str, Any]) -> Kind:
    """API version and kind of an object."""
    return item["apiVersion"], item["kind"]


def label(item: Mapping[str, Any], key: str) -> str:
    """One of our labels, or nothing."""
    return str((item["metadata"].get("labels") or {}).get(LABEL + key, ""))


def annotated(item: Object, notes: Mapping[str, str]) -> Object:
    """An object with these annotations, too."""
    metadata = item["metadata"]
    return {
        **item,
        "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), **notes}},
    }


def note(item: Mapping[str, Any], key: str) -> str:
    """One of our annotations, or nothing."""
    return str((item["metadata"].get("annotations") or {}).get(LABEL + key, ""))
