"""Whether a cluster's storage classes can make the volumes that a release asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]

DISKS = (
    "rancher.io/local-path", "openebs.io/local", "local.csi.openebs.io", "topolvm.io",
    "ebs.csi.aws.com", "kubernetes.io/aws-ebs", "pd.csi.storage.gke.io", "kubernetes.io/gce-pd",
    "disk.csi.azure.com", "kubernetes.io/azure-disk", "dobs.csi.digitalocean.com", "csi.hetzner.cloud",
    "cinder.csi.openstack.org", "kubernetes.io/cinder", "linodebs.csi.linode.com", "block.csi.vultr.com",
    "diskplugin.csi.alibabacloud.com", "rbd.csi.ceph.com",
)  # fmt: skip
"""What makes disks, which one node has at a time. Rook writes a namespace before the name."""
DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def class_of(claim: Object, classes: Sequence[Object]) -> Object | None:
    """The storage class that makes the volume of a claim; None where the cluster has no such class."""
    name = claim["spec"].get("storageClassName")
    if name is not None:
        return next((each for each in classes if each["metadata"]["name"] == name), None)
    return next((each for each in classes if _is_default(each)), None)


def _is_default(storage: Object) -> bool:
    annotations = storage["metadata"].get("annotations") or {}
    return any(annotations.get(name) == "true" for name in DEFAULT)


def disk(claim: Object, classes: Sequence[Object]) -> Object | None:
    """The class by which a claim for several nodes would wait for ever; None where none is known to."""
    if "ReadWriteMany" not in claim["spec"].get("accessModes", ()):
        return None
    storage = class_of(claim, classes)
    makes_disks = storage is not None and any(
        storage["provisioner"] == each or storage["provisioner"].endswith(f".{each}") for each in DISKS
    )
    return storage if makes_disks else None
