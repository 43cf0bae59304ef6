from __future__ import annotations

from typing import Any

import pytest

from devenv.backends.kube import ground
from devenv.backends.kube.refusals import Refused
from devenv.backends.kube.resources import Resources
from devenv.errors import DevenvError
from devenv.plan.model import Observed
from devenv.plan.namespace import pick_namespace
from devenv.stack.world import Outline
from tests.unit.kubernetes.answering import Responding
from tests.unit.kubernetes.stacks import EVERYTHING, stack

HERE, THERE = "c0ffee123456", "beef00123456"


def outline(namespace: str = "") -> Outline:
    return Outline((), (), {}, name="shop", namespace=namespace)


def test_the_namespace_is_the_name_unless_the_manifest_says_another() -> None:
    assert pick_namespace(outline(), Observed(), HERE) == "shop"
    assert pick_namespace(outline("default"), Observed(namespaces={"default": THERE}), HERE) == "default"


def test_a_namespace_that_another_checkout_made_is_left_to_it() -> None:
    assert pick_namespace(outline(), Observed(namespaces={"shop": THERE}), HERE) == "shop-c0ffee"
    assert pick_namespace(outline(), Observed(namespaces={"shop": HERE}), HERE) == "shop"
    assert pick_namespace(outline(), Observed(namespaces={"shop": ""}), HERE) == "shop"


def test_a_stack_stays_where_its_data_is() -> None:
    assert pick_namespace(outline(), Observed(namespace="shop-c0ffee"), HERE) == "shop-c0ffee"
    assert pick_namespace(outline(), Observed(namespace="old-name"), HERE) == "shop"


def test_addresses_follow_it() -> None:
    assert stack(EVERYTHING, namespace="shop-c0ffee").domain == "shop-c0ffee.svc.cluster.local"


def test_one_that_does_not_go_away_names_who_holds_it() -> None:
    messages = {
        "NamespaceContentRemaining": "Some resources are remaining: configmaps. has 1 resource instances, "
        "widgets.example.com has 2 resource instances",
        "NamespaceFinalizersRemaining": "Some content in the namespace has finalizers remaining: "
        "example.com/hold in 1 resource instances, x/y in 2 resource instances",
    }
    conditions = [{"type": kind, "status": "True", "message": message} for kind, message in messages.items()]
    conditions.append({"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "fine"})
    going = {
        "metadata": {"name": "shop"},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Terminating", "conditions": conditions},
    }
    client = Responding(lambda path: going)
    lines: list[str] = []
    with pytest.raises(DevenvError) as raised:
        ground.ready_namespace(client, Resources(client), None, "shop", lines.append)
    assert raised.value.what == "the namespace shop does not go away: held by example.com/hold, x/y"
    assert raised.value.hint.startswith("kubectl -n shop get configmaps,widgets.example.com -o yaml ")
    assert "fine" not in raised.value.why
    assert client.clock.monotonic() > ground.PATIENCE
    assert lines == ["waiting for the namespace shop to be gone, held by example.com/hold, x/y"]


SPACE = "/api/v1/namespaces/shop"
BATCH = {"groupVersion": "batch/v1"}
OLD = {"groupVersion": "batch/v1beta1"}


def resource(name: str, kind: str, *verbs: str, namespaced: bool = True) -> dict[str, Any]:
    return {"name": name, "kind": kind, "namespaced": namespaced, "verbs": verbs or ("delete", "get", "list")}


def item(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": name, **metadata}}


def server() -> dict[str, dict[str, Any]]:
    """An API server's answers about a namespace in which there is nothing of anybody's."""
    ours = {"devenv.dev/checkout": HERE}
    set_of_ours = [{"apiVersion": "batch/v1", "kind": "Job", "name": "seed"}]
    return {
        SPACE: item("shop", labels=ours),
        "/api/v1": {
            "resources": [
                resource("bindings", "Binding", "create"),
                resource("configmaps", "ConfigMap"),
                resource("events", "Event"),
                resource("nodes", "Node", namespaced=False),
                resource("pods", "Pod"),
                resource("pods/log", "Pod", "get"),
            ]
        },
        "/apis": {"groups": [{"name": "batch", "versions": [OLD, BATCH], "preferredVersion": BATCH}]},
        "/apis/batch/v1": {"resources": [resource("jobs", "Job")]},
        "/apis/batch/v1beta1": {"resources": [resource("jobs", "Job"), resource("cronjobs", "CronJob")]},
        f"{SPACE}/configmaps": {"items": [item("kube-root-ca.crt"), item("web", labels=ours)]},
        f"{SPACE}/pods": {
            "items": [item("seed-x", ownerReferences=set_of_ours), item("run", deletionTimestamp="now")]
        },
        "/apis/batch/v1/namespaces/shop/jobs": {"items": []},
        "/apis/batch/v1beta1/namespaces/shop/cronjobs": {"items": []},
    }


def leave(answers: dict[str, dict[str, Any]]) -> tuple[list[str], list[str]]:
    """What was deleted, and what was printed; a path without an answer is a refusal."""
    lines: list[str] = []

    def get(path: str, **query: Any) -> dict[str, Any]:
        if path not in answers:
            raise Refused(f"no right to list {path}", status=403, reason="Forbidden")
        return answers[path]

    client = Responding(get)
    ground.leave_namespace(client, Resources(client), "shop", HERE, lines.append)
    return [path for path, _ in client.deleted], lines


def test_a_namespace_of_ours_goes_with_what_is_ours_and_what_the_cluster_puts_into_each() -> None:
    assert leave(server()) == ([SPACE], [])


@pytest.mark.parametrize(
    ("path", "theirs", "name"),
    [
        ("/apis/batch/v1beta1/namespaces/shop/cronjobs", item("nightly"), "CronJob nightly"),
        (f"{SPACE}/configmaps", item("web", labels={"devenv.dev/checkout": THERE}), "ConfigMap web"),
        (f"{SPACE}/configmaps", item("default"), "ConfigMap default"),
        (
            f"{SPACE}/pods",
            item("agent", ownerReferences=[{"apiVersion": "v1", "kind": "Node", "name": "n"}]),
            "Pod agent",
        ),
    ],
)
def test_a_namespace_in_which_somebody_has_made_something_is_kept(
    path: str, theirs: dict[str, Any], name: str
) -> None:
    answers = server()
    answers[path]["items"].append(theirs)
    deleted, (line,) = leave(answers)
    assert deleted == []
    assert line == (
        f"the namespace shop is kept, as this stack did not make {name}. "
        "To remove it all: kubectl --context lab delete namespace shop"
    )


@pytest.mark.parametrize("path", ["/apis", "/apis/batch/v1beta1", f"{SPACE}/pods"])
def test_a_namespace_of_which_not_everything_can_be_seen_is_kept(path: str) -> None:
    answers = server()
    del answers[path]
    deleted, (line,) = leave(answers)
    assert deleted == []
    assert line.startswith(f"the namespace shop is kept: no right to list {path}. To remove it: kubectl ")


def test_a_namespace_that_another_checkout_made_is_not_even_looked_into() -> None:
    labels = {"devenv.dev/checkout": THERE}
    assert leave({SPACE: item("shop", labels=labels)}) == ([], [])
