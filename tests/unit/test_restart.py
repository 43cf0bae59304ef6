"""`restart`: whether a program that ended is started again, on every backend."""

from __future__ import annotations

import pytest

from devenv.backends.kube.verdict import Expected, judge
from devenv.render.bundle import Source
from devenv.render.compose import described
from devenv.render.swarm import render as swarm
from devenv.stack.model import Unit
from tests import documents
from tests.table import each_row

from .kubernetes.test_verdict import ended, pod
from .stacks import fingerprints, problems, stack

ONE = "name: a\nservices:\n  api: {{image: x{}}}\n"
SOURCE = Source(secrets={"POSTGRES_PASSWORD": "p"})


@each_row(
    {
        "nothing": ("", None),
        "no": (", restart: no", None),
        "false": (", restart: false", None),
        "in quotes": (', restart: "no"', None),
        "on failure": (", restart: on-failure", "on-failure"),
        "always": (", restart: always", "unless-stopped"),
    }
)
def test_compose_is_told_in_its_own_words(written: str, policy: str | None) -> None:
    app = stack(ONE.format(written))
    assert described(app, app.unit("api"), SOURCE).get("restart") == policy


def test_a_store_may_come_back_too_and_its_one_shot_does_not() -> None:
    text = "name: a\ninfra:\n  minio: {restart: always, buckets: [b]}\n"
    app = stack(text)
    policies = {unit.name: unit.restart for unit in app.units}
    assert policies == {"minio": "always", "minio-buckets": None}


@each_row(
    [
        ("unless-stopped", "cannot be 'unless-stopped' - write always: what was stopped stays down"),
        ("on-failure:3", "cannot be 'on-failure:3' - one of 'no', 'on-failure' or 'always'"),
        ("true", "cannot be 'true' - one of 'no', 'on-failure' or 'always'"),
    ]
)
def test_other_words_are_refused(written: str, why: str) -> None:
    assert problems(ONE.format(f", restart: {written}")) == [f"3:19: services.api.restart: {why}"]


def test_a_manifest_without_it_renders_and_compares_as_before() -> None:
    plain, other = (fingerprints(stack(ONE.format(text)))["api"] for text in ("", ", restart: always"))
    assert plain.partition("settings")[0] == other.partition("settings")[0]
    assert plain != other


@each_row(
    [
        ("", "any"),
        (", restart: no", "none"),
        (", restart: on-failure", "on-failure"),
        (", restart: always", "any"),
    ]
)
def test_a_swarm_is_told_too(written: str, condition: str) -> None:
    text = ONE.format(written)
    files = swarm(stack(text), SOURCE).files
    spec = documents.load(files["stack.yaml"])["services"]["api"]
    assert spec["deploy"]["restart_policy"]["condition"] == condition


@pytest.mark.parametrize("restart", [None, "on-failure", "always"])
def test_a_pod_that_may_end_again_is_given_some_tries(restart: str | None) -> None:
    unit = Unit("web", "service", "web:1", restart=restart)  # type: ignore[arg-type]

    def verdict(restarts: int, code: int = 3) -> str:
        one = pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, last=ended(code))
        one["status"]["containerStatuses"][0]["restartCount"] = restarts
        return judge(unit, [one], Expected("f1"), passed=1).failed

    assert verdict(4) == "ended with exit 3"
    assert verdict(0) == ("" if restart else "ended with exit 3")
    assert verdict(0, code=0) == ("" if restart == "always" else "ended with exit 0")
