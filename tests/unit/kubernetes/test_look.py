"""What is on a cluster, as values: asked of an API server that answers from a table."""

from __future__ import annotations

from typing import Any

from devenv.backends import containers
from devenv.backends.kube import look
from devenv.plan.model import ObservedUnit
from tests.unit.kubernetes.answering import Responding

TAGS = {"devenv.dev/unit": "db", "devenv.dev/role": "infra", "devenv.dev/stack": "shop-c"}
NOTES = {"devenv.dev/fingerprint": "one", "devenv.dev/unfinished": "/data/.devenv-unfinished"}


def observed(
    answer: str, *, ready: bool = False, notes: dict[str, str] = NOTES, image_id: str = ""
) -> tuple[ObservedUnit, list[str]]:
    """The store, whose check got this last and whose pod has these annotations, and what was asked."""
    metadata = {"name": "db", "namespace": "shop", "uid": "u1", "labels": TAGS, "annotations": NOTES}
    containers = [{"image": "db:1", "readinessProbe": {}}]
    state = {"name": "db", "restartCount": 1, "imageID": image_id, "state": {"running": {}}}
    pod = {
        "metadata": {**metadata, "name": "db-0", "annotations": notes},
        "spec": {"containers": containers},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [state],
        },
    }
    table: dict[str, list[dict[str, Any]]] = {
        "pods": [pod],
        "statefulsets": [{"metadata": metadata, "spec": {"template": {"spec": {"containers": containers}}}}],
        "events": [{"involvedObject": {"name": "db-0"}, "message": f"Readiness probe failed: {answer}"}],
    }
    paths: list[str] = []

    def get(path: str, **query: str) -> dict[str, Any]:
        paths.append(path.rpartition("/")[2])
        return {"items": table.get(paths[-1], []), "status": {"phase": "Active"}}

    return look.observe(Responding(get), "shop", checkout="c").units["db"], paths


def test_half_made_data_is_known_from_what_the_check_says_of_it() -> None:
    store, _ = observed("the first start did not finish: the data is half made")
    assert (store.half_made, store.detail) == (True, "the first start did not finish")


def test_a_store_that_is_not_ready_for_another_reason_is_left_alone() -> None:
    store, _ = observed("connection refused")
    assert not store.half_made


def test_nothing_more_is_asked_of_a_store_that_is_ready() -> None:
    store, paths = observed("the first start did not finish: long ago", ready=True)
    assert not store.half_made
    assert "events" not in paths


def test_a_unit_is_edited_once_files_were_sent_to_one_of_its_pods() -> None:
    assert not observed("", ready=True)[0].edited
    assert observed("", ready=True, notes={**NOTES, "devenv.dev/edited": "true"})[0].edited


def test_an_image_that_was_brought_has_its_digest_alone_and_a_registry_s_is_not_compared() -> None:
    for image_id, expected in {
        "sha256:5fe2": "sha256:5fe2",
        "docker://sha256:5fe2": "sha256:5fe2",  # cri-dockerd
        "docker-pullable://web@sha256:81c0": "",
        "docker.io/library/web@sha256:81c0": "",
        "": "",
    }.items():
        assert observed("", ready=True, image_id=image_id)[0].image_id == expected
    local = containers.Local(ids={"web:1": "sha256:5fe2"}, made=frozenset({"web:1"}))
    assert local.has_other("docker.io/library/web:1", brought="", held="sha256:0000")
    assert not local.has_other("web:1", brought="", held="sha256:5fe2")
    assert not local.has_other("web:1", brought="")
    assert not local.has_other("other:1", brought="", held="sha256:0000")


def test_what_was_brought_is_compared_by_this_machine_s_ids_also_of_an_image_that_a_registry_has() -> None:
    local = containers.Local(ids={"me/tool:dev": "sha256:5fe2"})  # pushed, or in containerd's store
    assert local.has_other("me/tool:dev", brought="sha256:0000", held="sha256:5fe2")
    assert not local.has_other("me/tool:dev", brought="sha256:5fe2", held="sha256:81c0")
    assert not local.has_other("me/tool:dev", brought="", held="sha256:81c0")
    assert not local.has_other("gone:1", brought="sha256:5fe2")
    assert not containers.Local().has_other("me/tool:dev", brought="sha256:5fe2")  # no engine answers
