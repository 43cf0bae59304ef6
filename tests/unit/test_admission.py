"""What a cluster is asked about objects before they are changed, and what people are told of its answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from devenv.backends.kube.refusals import refused
from devenv.engine.promotion.admission import Admission
from devenv.errors import DevenvError, UsageError
from devenv.plan.promotion.changes import Change, Target, Verb
from tests.unit.kubernetes.answering import Answering

SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {}}
POD: dict[str, Any] = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"serviceAccountName": "shop", "containers": []},
}
RESTRICTED = 'pods "web-x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
FULL = 'pods "web-x" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2'
NO_RIGHT = (
    'pods is forbidden: User "ci" cannot create resource "pods" in API group "" in the namespace "shop"'
)


class Cluster(Answering):
    """Has these objects, and answers dry runs of some paths with a refusal."""

    def __init__(
        self, *objects: dict[str, Any], refusing: Mapping[str, tuple[int, str]] | None = None
    ) -> None:
        super().__init__(objects={item["metadata"]["name"]: item for item in objects})
        self.refusing, self.sent = refusing or {}, list[tuple[str, dict[str, Any]]]()
        self.contents: list[str] = []

    def find(self, path: str) -> dict[str, Any] | None:
        return {} if path.endswith("/namespaces/shop") else self._objects.get(path.rpartition("/")[2])

    def look(self, path: str, **query: Any) -> dict[str, Any]:
        raise refused(self.place, "GET", path, 404, b"{}")

    def request(self, verb: str, path: str, **more: Any) -> dict[str, Any]:
        assert more["query"]["dryRun"] == "All"
        self.contents.append(str(more.get("content", "")))
        self.sent.append((path, more["body"]))
        for end, (status, message) in self.refusing.items():
            if path.endswith(end):
                raise refused(self.place, verb, path, status, json.dumps({"message": message}).encode())
        return {}

    @property
    def pods(self) -> list[dict[str, Any]]:
        return [body for path, body in self.sent if path.endswith("/pods")]


def workload(kind: str = "Deployment", *, hook: bool = False, **spec: Any) -> dict[str, Any]:
    version = "batch/v1" if kind == "Job" else "apps/v1"
    metadata = {"name": "web", "annotations": {"helm.sh/hook": "pre-upgrade"} if hook else {}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": {"template": POD, **spec}}


def ours(**more: Any) -> dict[str, Any]:
    """What is in the namespace already, as of the release."""
    notes = {"meta.helm.sh/release-name": more.get("release", "shop")}
    return {"kind": "Service", "metadata": {"name": "web", "annotations": notes if more else {}}}


def judge(cluster: Cluster, item: dict[str, Any], verb: Verb | None = None) -> None:
    changes = [Change(verb, item["kind"], "web")] if verb else []
    Admission(cluster, Target("staging", "gke", "shop", "shop")).judge([item], changes)


def test_an_object_of_somebody_else_is_refused_before_anything_is_changed() -> None:
    judge(Cluster(), SERVICE)
    judge(Cluster(ours(release="shop")), SERVICE)
    with pytest.raises(UsageError, match="Service web is there already and not of this release") as error:
        judge(Cluster(ours()), SERVICE)
    assert error.value.why == "somebody made it without Helm"
    with pytest.raises(UsageError) as error:
        judge(Cluster(ours(release="old")), SERVICE)
    assert error.value.why == "it is of the release old"


@pytest.mark.parametrize(
    "message", ["spec.clusterIPs[0]: Invalid value: may not change once set", "spec.x: field is immutable"]
)
def test_a_field_that_cannot_change_is_said_with_the_way_out(message: str) -> None:
    cluster = Cluster(refusing={"/services/web": (422, message)})
    with pytest.raises(DevenvError, match="the cluster refuses Service web; nothing was changed") as error:
        judge(cluster, SERVICE)
    assert error.value.hint.endswith("kubectl --context gke -n shop delete service/web")


def test_a_store_that_is_to_be_made_anew_keeps_its_pods_and_volumes() -> None:
    message = (
        'StatefulSet.apps "web" is invalid: spec: Forbidden: updates to statefulset spec for fields other'
    )
    with pytest.raises(DevenvError) as error:
        judge(Cluster(refusing={"/statefulsets/web": (422, message)}), workload("StatefulSet"), Verb.CHANGE)
    assert "kubectl --context gke -n shop delete statefulset/web --cascade=orphan" in error.value.hint
    assert "a volume keeps its size" in error.value.hint


@pytest.mark.parametrize(
    ("status", "message", "help"),
    [
        (
            403,
            "claim is forbidden: the storageclass that provisions the pvc must support resize",
            "no volume grow",
        ),
        (422, "storage: Forbidden: field can not be less than status.capacity", "cannot shrink"),
    ],
)
def test_a_volume_that_cannot_change_its_size(status: int, message: str, help: str) -> None:
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "web"}}
    with pytest.raises(DevenvError) as error:
        judge(Cluster(refusing={"/web": (status, message)}), claim, Verb.CHANGE)
    assert help in error.value.hint


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
def test_a_pod_of_what_changes_is_judged_as_its_controller_would_ask_for_it(kind: str) -> None:
    claim = {"metadata": {"name": "web-data"}}
    cluster = Cluster({"metadata": {"name": "shop"}})
    judge(cluster, workload(kind, volumeClaimTemplates=[claim]), Verb.CHANGE)
    (pod,) = cluster.pods
    assert pod["metadata"] == {"labels": {"a": "b"}, "generateName": "web-", "namespace": "shop"}
    claims = [{"name": "web-data", "persistentVolumeClaim": {"claimName": "web-data-web-0"}}]
    assert pod["spec"] == {**POD["spec"], "volumes": claims}


def test_what_makes_no_pods_is_judged_alone() -> None:
    cluster = Cluster()
    holder = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {}}
    judge(cluster, holder, Verb.CHANGE)
    assert [path for path, _ in cluster.sent] == ["/api/v1/namespaces/shop/configmaps/web"]


def test_pods_of_what_stays_as_it_is_are_not_judged_and_those_of_hooks_are() -> None:
    cluster = Cluster()
    judge(cluster, workload())
    assert cluster.pods == []
    judge(cluster, workload("Job", hook=True))
    (pod,) = cluster.pods
    assert "serviceAccountName" not in pod["spec"]  # it is not there before the first release
    assert [path for path, _ in cluster.sent] == ["/apis/apps/v1/namespaces/shop/deployments/web",
                                                  "/api/v1/namespaces/shop/pods"]  # fmt: skip


def test_a_pod_that_the_namespace_does_not_admit_is_refused_with_what_helps() -> None:
    with pytest.raises(DevenvError, match="refuses pods of Deployment web; nothing was changed") as error:
        judge(Cluster(refusing={"/pods": (403, RESTRICTED)}), workload(), Verb.CHANGE)
    assert error.value.why == RESTRICTED
    assert "the image's USER has to be a number" in error.value.hint


@pytest.mark.parametrize(
    ("item", "verb", "admitted"),
    [
        (workload(), Verb.CHANGE, False),
        (workload(strategy={"type": "Recreate"}), Verb.CHANGE, True),
        (workload("StatefulSet"), Verb.CHANGE, True),
        (workload("StatefulSet"), Verb.ADD, False),
        (workload("Job", hook=True), None, False),
    ],
)
def test_a_quota_needs_room_only_for_a_pod_that_comes_before_another_goes(
    item: dict[str, Any], verb: Verb | None, admitted: bool
) -> None:
    cluster = Cluster(refusing={"/pods": (403, FULL)})
    if admitted:
        judge(cluster, item, verb)
        return
    with pytest.raises(DevenvError, match="refuses pods of") as error:
        judge(cluster, item, verb)
    assert error.value.hint == "kubectl --context lab -n shop describe quota"


def test_who_may_not_make_pods_may_promote() -> None:
    judge(Cluster(refusing={"/pods": (403, NO_RIGHT)}), workload(), Verb.CHANGE)


def test_an_object_whose_operator_is_not_installed_is_named_before_anything_is_changed() -> None:
    maker = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "shop", "annotations": {"helm.sh/hook": "pre-install,pre-upgrade"}},
    }
    cluster = Cluster()
    with pytest.raises(UsageError, match="the cluster knows no ExternalSecret of external-secrets.io/v1"):
        judge(cluster, maker)
    assert cluster.sent == []


def claim(mode: str, **spec: Any) -> dict[str, Any]:
    metadata, kind = {"name": "web"}, "PersistentVolumeClaim"
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": {"accessModes": [mode], **spec}}


def storage(name: str, provisioner: str, *, default: bool = False) -> dict[str, Any]:
    notes = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": notes}, "provisioner": provisioner}


class WithClasses(Cluster):
    """Has these storage classes."""

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        assert path == "/apis/storage.k8s.io/v1/storageclasses"
        items = [
            storage("disks", "ebs.csi.aws.com", default=True),
            storage("rook", "rook-ceph.rbd.csi.ceph.com"),
            storage("files", "efs.csi.aws.com"),
        ]
        return {"items": items}


@pytest.mark.parametrize(
    ("spec", "made_by"),
    [({}, "disks (ebs.csi.aws.com)"), ({"storageClassName": "rook"}, "rook (rook-ceph.rbd.csi.ceph.com)")],
    ids=["default", "named"],
)
def test_a_volume_for_several_nodes_of_a_class_that_makes_disks_is_refused(
    spec: dict[str, Any], made_by: str
) -> None:
    with pytest.raises(DevenvError) as raised:
        judge(WithClasses(), claim("ReadWriteMany", **spec), Verb.ADD)
    assert raised.value.what == "the volume web cannot be on several nodes; nothing was changed"
    assert made_by in raised.value.why
    assert "values: {volumes: {web: {class: NAME}}}" in raised.value.hint


def test_a_volume_that_its_class_can_make_is_not_refused() -> None:
    judge(WithClasses(), claim("ReadWriteOnce"), Verb.ADD)
    judge(WithClasses(), claim("ReadWriteMany", storageClassName="files"), Verb.ADD)
    judge(WithClasses(), claim("ReadWriteMany", storageClassName="made by hand"), Verb.ADD)
    judge(WithClasses(), claim("ReadWriteMany"))  # it is there already
