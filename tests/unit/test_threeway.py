"""What becomes of a live object: what two revisions differ in changes, what others set stays."""

from __future__ import annotations

from typing import Any

from devenv.engine.promotion.admission import Admission
from devenv.plan.promotion.changes import Target
from devenv.plan.promotion.threeway import change, merged
from tests.table import each_row
from tests.unit.test_admission import Cluster

HTTP = {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}
TCP = {"tcpSocket": {"port": 80}, "periodSeconds": 1}


def web(probe: dict[str, Any], **more: Any) -> dict[str, Any]:
    containers = [{"name": "web", "image": "web:1", "readinessProbe": probe}]
    return {"spec": {"template": {"spec": {"containers": containers, **more}}}}


def live(probe: dict[str, Any]) -> dict[str, Any]:
    """With what the cluster adds by itself."""
    defaults = {"failureThreshold": 3, "successThreshold": 1}
    return web({**probe, **defaults}, dnsPolicy="ClusterFirst")


@each_row(
    {
        "one kind of check for another": (web(HTTP), web(TCP), live(HTTP), live(TCP)),
        "nothing new": (web(HTTP), web(HTTP), live(HTTP), live(HTTP)),
        "a field that is gone": ({"a": 1, "b": 2}, {"a": 1}, {"a": 1, "b": 2, "c": 3}, {"a": 1, "c": 3}),
        "a list of words": ({"a": ["x"]}, {"a": ["y"]}, {"a": ["x"]}, {"a": ["y"]}),
        "a part of another": (
            {"a": [{"name": "x"}, {"name": "y"}]},
            {"a": [{"name": "x", "v": 1}]},
            {"a": [{"name": "x", "d": 0}, {"name": "y"}, {"name": "theirs"}]},
            {"a": [{"name": "x", "d": 0, "v": 1}, {"name": "theirs"}]},
        ),
        "nothing of it before": (None, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    }
)
def test_an_object_has_what_is_new_and_keeps_what_is_of_others(
    before: Any, after: Any, now: Any, wanted: Any
) -> None:
    assert merged(before, after, now) == wanted


def test_a_change_removes_with_null_and_says_nothing_of_what_stays() -> None:
    assert change({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 2, "e": 4}}) == {
        "a": None,
        "b": {"d": None, "e": 4},
    }
    assert change({"a": [1]}, {"a": [1]}) == {}


def deployment(probe: dict[str, Any], operation: str = "") -> dict[str, Any]:
    fields = [{"manager": "helm", "operation": operation}] if operation else []
    notes = {"meta.helm.sh/release-name": "shop"}
    head = {"apiVersion": "apps/v1", "kind": "Deployment"}
    metadata = {"name": "web", "annotations": notes, **({"managedFields": fields} if fields else {})}
    return {**head, "metadata": metadata, **web(probe)}


@each_row({"3": ("Update", "merge-patch"), "4": ("Apply", "apply-patch")})
def test_the_cluster_is_asked_as_the_helm_that_made_an_object_will_send_it(
    operation: str, content: str
) -> None:
    """Version 3 says which fields go; an apply beside its fields would leave two kinds of check."""
    cluster = Cluster(deployment(HTTP, operation))
    target = Target("staging", "gke", "shop", "shop")
    Admission(cluster, target, serving=[deployment(HTTP)]).judge([deployment(TCP)], [])
    ((_, body),) = cluster.sent
    (container,) = body["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"] == TCP
    assert content in cluster.contents[0]
