"""What a promotion changes, and where it may go back to: values in, values out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from devenv.console import Console
from devenv.console.changes import age, change_lines, history_lines
from devenv.engine.promotion.promote import Release
from devenv.errors import UsageError
from devenv.plan.promotion.changes import (
    Change,
    Origin,
    Revision,
    Target,
    Verb,
    changes,
    count,
    deployed,
    earlier,
    half_made,
    origins,
    pending,
    platforms,
    roots,
    secrets_needed,
)

ORIGIN = Origin("3f805a8c0ffee", "ab12cd34", "ann")


def deployment(name: str = "web", **container: Any) -> dict[str, Any]:
    spec = {"template": {"spec": {"containers": [{"name": name, "image": "web:1", **container}]}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def secret(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "data": data}


def row(number: int, status: str, description: str = "") -> Revision:
    return Revision(number, status, f"2026-11-2{number}T10:00:00.5Z", "shop-0.1.0", description)


def console() -> Console:
    return Console.of({}, colour=False, quiet=False, verbose=False)


def test_nothing_differs_between_the_same_objects_in_another_order() -> None:
    assert changes([deployment("a"), deployment("b")], [deployment("b"), deployment("a")]) == []
    assert count([]) == "nothing to change"


def test_objects_are_added_changed_and_removed() -> None:
    found = changes([deployment("a"), deployment("b")], [deployment("b", image="web:2"), deployment("c")])
    assert [(change.verb, change.name) for change in found] == [
        (Verb.REMOVE, "a"), (Verb.CHANGE, "b"), (Verb.ADD, "c"),
    ]  # fmt: skip
    assert [line[1:].strip() for line in found[1].lines if line[0] in "+-"] == [
        "- image: web:1",
        "- image: web:2",
    ]
    assert count(found) == "1 to add, 1 to change, 1 to remove"


def test_a_changed_secret_says_which_key_and_no_value() -> None:
    (change,) = changes([secret(A="b2xk", B="c2FtZQ==")], [secret(A="bmV3", B="c2FtZQ==")])
    text = "\n".join(change.lines)
    assert "A: ****** (another)" in text
    assert not any(value in text for value in ("b2xk", "bmV3", "c2FtZQ=="))
    assert changes([secret(A="b2xk")], [secret(A="b2xk")]) == []


def test_a_text_of_several_lines_differs_line_by_line() -> None:
    before, after = (
        {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"f": f"one\n{word}\n"}}
        for word in ("two", "too")
    )
    (change,) = changes([before], [after])
    assert [line.strip("+- ") for line in change.lines if line[0] in "+-"] == ["two", "too"]


def test_a_script_among_a_containers_arguments_differs_line_by_line() -> None:
    before, after = (deployment(args=["sh", "-c", f"set -e\n{word} --all\n"]) for word in ("one", "two"))
    (change,) = changes([before], [after])
    assert [line for line in change.lines if "--all" in line or "|" in line] == [
        "             - |",
        "-              one --all",
        "+              two --all",
    ]
    assert not any("\n" in line for line in change.lines)


def test_an_entry_that_is_empty_is_one_line() -> None:
    before, after = (
        {"kind": "NetworkPolicy", "metadata": {"name": "web"}, "spec": {"ingress": rules}}
        for rules in ([], [{}])
    )
    (change,) = changes([before], [after])
    assert [line for line in change.lines if line[0] in "+-"] == [
        "-  ingress: []",
        "+  ingress:",
        "+    - {}",
    ]


def test_secrets_that_pods_need_are_those_that_the_chart_does_not_make() -> None:
    env = [
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "STRIPE"}}},
        {"name": "OPT", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "OPT", "optional": True}}},
        {"name": "OWN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "A"}}},
    ]
    pod = deployment(env=env, envFrom=[{"secretRef": {"name": "all"}}])
    pod["spec"]["template"]["spec"]["volumes"] = [
        {"name": "v", "secret": {"secretName": "files", "items": [{"key": "tls", "path": "tls"}]}}
    ]
    assert secrets_needed([pod, secret(A="x")]) == {"shop": {"STRIPE"}, "all": set(), "files": {"tls"}}


def test_a_secret_that_an_operator_makes_is_not_needed_but_for_keys_that_it_lacks() -> None:
    env = [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": "shop", "key": key}}}
        for key in ("A", "B", "C.url")
    ]
    pod, metadata = deployment(env=env), {"name": "shop"}
    spec: dict[str, object] = {"data": [{"secretKey": "A"}, {"secretKey": "B"}]}
    external = {"kind": "ExternalSecret", "metadata": metadata, "spec": spec}
    assert secrets_needed([pod, external]) == {"shop": {"C.url"}}
    external["spec"] = {**spec, "target": {"template": {"data": dict.fromkeys(("A", "B", "C.url"), "x")}}}
    assert secrets_needed([pod, external]) == {}
    assert secrets_needed([pod, {**external, "spec": {"dataFrom": [{"find": {}}]}}]) == {}
    assert secrets_needed([pod, {**external, "spec": {"target": {"name": "other"}}}]) == {
        "shop": {"A", "B", "C.url"}
    }
    template = {"data": {"C.url": "x"}}
    sealed = {
        "kind": "SealedSecret",
        "metadata": metadata,
        "spec": {"encryptedData": {"A": "x"}, "template": template},
    }
    assert secrets_needed([pod, sealed]) == {"shop": {"B"}}


def test_an_origin_survives_in_a_revisions_description() -> None:
    assert str(ORIGIN) == "devenv: commit 3f805a8c0ffee, manifest ab12cd34, by ann"
    assert Origin.read(str(ORIGIN)) == ORIGIN
    assert Origin.read(str(Origin("", "ab12cd34", "ann"))) == Origin("", "ab12cd34", "ann")
    assert Origin.read("Install complete") == Origin()


def test_a_revision_that_was_gone_back_to_has_the_origin_of_the_first() -> None:
    rows = [row(1, "superseded", str(ORIGIN)), row(2, "failed", "boom"), row(3, "deployed", "Rollback to 1")]
    assert origins(rows) == {1: ORIGIN, 2: Origin(), 3: ORIGIN}


def test_what_serves_and_what_was_begun() -> None:
    rows = [row(1, "superseded"), row(2, "deployed"), row(3, "pending-upgrade")]
    assert deployed(rows) == rows[1]
    assert pending(rows) == rows[2]
    assert pending(rows[:2]) is None
    assert deployed([]) is None
    rows = [row(1, "superseded"), row(2, "superseded"), row(3, "failed")]
    assert (deployed(rows), half_made(rows)) == (rows[1], rows[2])
    assert half_made([*rows, row(4, "deployed", "Rollback to 2")]) is None


@pytest.mark.parametrize(
    ("statuses", "asked", "expected"),
    [
        (("superseded", "deployed"), 0, 1),
        (("superseded", "failed", "deployed"), 0, 1),
        (("superseded", "superseded", "deployed"), 1, 1),
        (("deployed", "pending-upgrade"), 0, 1),
        (("superseded", "deployed", "pending-upgrade"), 0, 2),
        (("superseded", "deployed", "failed"), 0, 2),
        (("superseded", "superseded", "failed"), 0, 2),
    ],
)
def test_which_revision_to_go_back_to(statuses: tuple[str, ...], asked: int, expected: int) -> None:
    assert release(*statuses).earlier(asked) == expected


@pytest.mark.parametrize(
    ("statuses", "asked"), [(("deployed",), 0), ((), 0), (("superseded", "deployed"), 7)]
)
def test_where_there_is_nothing_to_go_back_to(statuses: tuple[str, ...], asked: int) -> None:
    with pytest.raises(UsageError) as refused:
        release(*statuses).earlier(asked)
    assert refused.value.hint == "devenv history staging"


def release(*statuses: str) -> Release:
    made = Release(Target("staging", "gke", "shop", "shop"))
    made.history = [row(number, status) for number, status in enumerate(statuses, 1)]
    return made


@pytest.mark.parametrize("status", ["failed", "pending-upgrade"])
def test_a_revision_that_never_served_is_not_gone_back_to(status: str) -> None:
    with pytest.raises(UsageError, match="revision 2 never served") as refused:
        release("deployed", status).earlier(2)
    assert refused.value.why == f"it is {status}"


def test_a_first_promotion_that_was_killed_can_only_be_taken_away() -> None:
    with pytest.raises(UsageError) as refused:
        release("pending-install").earlier(0)
    assert refused.value.hint.startswith("devenv retire staging")


def test_going_back_twice_goes_to_other_objects() -> None:
    rows = [row(1, "superseded"), row(2, "superseded"), row(3, "failed"), row(4, "deployed", "Rollback to 2")]
    assert roots(rows) == {1: 1, 2: 2, 3: 3, 4: 2}
    assert earlier(rows) == rows[0]


def test_what_people_see_of_changes_and_history() -> None:
    shown = change_lines(console(), [Change(Verb.CHANGE, "Deployment", "web", ("-a", "+b"))])
    assert shown == ["~ Deployment web", "    -a", "    +b"]
    rows = [row(1, "superseded", str(ORIGIN)), row(2, "failed", "Upgrade failed: no\nmore")]
    first, *lines = history_lines(console(), rows, now=datetime(2026, 11, 22, 12, tzinfo=UTC))
    assert first.split() == ["REVISION", "STATUS", "WHEN", "COMMIT", "MANIFEST", "WHO"]
    assert lines[0].split() == ["2", "failed", "2", "h", "ago", "Upgrade", "failed:", "no"]
    assert lines[1].split() == ["1", "superseded", "1", "d", "ago", "3f805a8c0ffe", "ab12cd34", "ann"]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-22T11:59:30Z", "30 s ago"),
        ("2026-11-22T11:30:00.1Z", "30 min ago"),
        ("2026-11-22T12:00:09Z", "0 s ago"),
        ("someday", "someday"),
    ],
)
def test_how_long_ago(moment: str, expected: str) -> None:
    assert age(moment, now=datetime(2026, 11, 22, 12, tzinfo=UTC)) == expected


def node(architecture: str, **spec: Any) -> dict[str, Any]:
    info = {"operatingSystem": "linux", "architecture": architecture}
    return {"spec": spec, "status": {"nodeInfo": info}}


def test_images_are_built_for_the_nodes_that_take_pods() -> None:
    control = node("arm64", taints=[{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}])
    assert platforms([control, node("amd64"), node("amd64")]) == ["linux/amd64"]
    assert platforms([node("arm64", unschedulable=True), node("amd64")]) == ["linux/amd64"]
    assert platforms([control]) == ["linux/arm64"]
    preferring = node("arm64", taints=[{"key": "spot", "effect": "PreferNoSchedule"}])
    assert platforms([preferring, node("amd64")]) == ["linux/amd64", "linux/arm64"]
    assert platforms([]) == []


def test_what_people_type_about_a_target_names_its_cluster_and_namespace() -> None:
    target = Target("staging", "gke", "shop-staging", "shop")
    assert target.kubectl == "kubectl --context gke -n shop-staging"
    assert target.helm == "helm --kube-context gke -n shop-staging"
