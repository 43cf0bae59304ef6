"""Charts of other people: which are due, whose releases they are, and what is said of a chart that is not there."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from devenv.backends.helm import Helm
from devenv.backends.helmcharts import unread
from devenv.backends.kube.config import Place
from devenv.cli.promotion import adopting
from devenv.engine.promotion.companions import Companions, companions
from devenv.engine.promotion.promote import Release
from devenv.errors import DevenvError, ManifestInvalid, UsageError
from devenv.plan.promotion.changes import Target
from devenv.plan.promotion.companions import Companion, Due
from tests.unit.chart.charts import project
from tests.unit.kubernetes.answering import Answering, Responding

KONG = Companion("kong", "oci://ghcr.io/acme/kong", "3.0.0", values="kong.yaml", digest="ab12cd34")
CNPG = Companion("cnpg", "cloudnative-pg", "0.26.1", repo="https://cnpg.example/charts/")
OBJECT = "{kind: ConfigMap, metadata: {name: kong}, data: {colour: red}}"

PROGRAM = """#!{python}
import json, sys
with open("{folder}/asked", "a") as asked:
    print(*sys.argv[1:], file=asked)
for words, answer in json.load(open("{folder}/answers")):
    if sys.argv[1:1 + len(words)] == words:
        sys.exit(print(answer))
sys.exit("Error: release: not found")
"""


class Here(Companions):
    """Companions at a Helm that answers from a table: the first words of a command -> what it prints."""

    folder: Path

    @property
    def asked(self) -> str:
        return (self.folder / "asked").read_text()


def row(number: int, status: str, description: str = "") -> dict[str, Any]:
    return {
        "revision": number,
        "status": status,
        "updated": "2026-11-26 10:00:00.5 +0200 CEST",
        "chart": "kong-2.0.0",
        "description": description,
    }


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/helm"
    program.write_text(PROGRAM.format(python=sys.executable, folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    release = Release(Target("staging", "gke", "shop", "shop"))
    release.place, release.helm = Place("gke", {}, {}), Helm("gke", "shop", 4)
    release.client = Answering(objects={"version": {"gitVersion": "v1.33.1"}})
    made = Here(release, "shop", tmp_path, [KONG])
    made.folder = tmp_path
    return made


def answers(
    here: Here,
    *,
    installed: Sequence[str] = (),
    history: Sequence[Mapping[str, Any]] = (),
    template: str = "",
) -> None:
    listed = [{**row(1, "deployed"), "name": name, "namespace": "shop"} for name in installed]
    table = [
        (["list"], json.dumps(listed)),
        (["get", "all"], f"\n{OBJECT}"),
        *([(["history"], json.dumps(history))] if history else []),
        *([(["template"], template)] if template else []),
    ]
    (here.folder / "answers").write_text(json.dumps(table))


@pytest.mark.programs
def test_one_that_is_not_there_is_due_with_all_that_it_brings(here: Here) -> None:
    answers(here, template=OBJECT)
    (due,) = here.due()
    assert ([change.verb for change in due.changes], due.adopts) == (["add"], "")
    line = next(line for line in here.asked.splitlines() if line.startswith("template"))
    assert line.startswith("template kong oci://ghcr.io/acme/kong --version 3.0.0 --kube-version v1.33.1")
    assert f"--values {here.root}/kong.yaml" in line
    assert "list -o json --selector devenv.dev/companion=shop" in here.asked


@pytest.mark.programs
def test_the_same_chart_with_the_same_values_is_not_due_and_not_even_fetched(here: Here) -> None:
    answers(here, installed=["kong"], history=[row(1, "deployed", f"{KONG.mark}, by ann")])
    assert here.due() == []
    assert "template" not in here.asked
    for other in ("values ffffffff, by ann", "", f"{KONG.mark}0, by ann"):
        answers(here, installed=["kong"], history=[row(1, "deployed", other)], template=OBJECT)
        (due,) = here.due()
        assert (due.changes, due.adopts) == ((), "")


@pytest.mark.programs
def test_a_release_of_another_hand_is_adopted_even_if_nothing_differs(here: Here) -> None:
    answers(here, history=[row(1, "deployed", f"{KONG.mark}, by ann")], template=OBJECT)
    assert here.due() == [Due(KONG, (), "kong-2.0.0")]


@pytest.mark.programs
@pytest.mark.parametrize(
    ("history", "heal"),
    [
        ([row(1, "deployed"), row(2, "pending-upgrade")], "rollback kong 1"),
        ([row(1, "pending-install")], "uninstall kong"),
    ],
)
def test_one_that_was_begun_is_explained(here: Here, history: list[dict[str, Any]], heal: str) -> None:
    answers(here, installed=["kong"], history=history)
    with pytest.raises(DevenvError, match="of kong was begun and not ended") as error:
        here.due()
    assert (error.value.where or "").endswith("since 2026-11-26 08:00:00 UTC")
    assert error.value.hint.endswith(f"helm --kube-context gke -n shop {heal}")


@pytest.mark.programs
@pytest.mark.parametrize(
    ("template", "beyond"),
    [
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: kong}}", []),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: kong, namespace: shop}}", []),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: kube-system}}", ["ConfigMap a"]),
        ("{apiVersion: v1, kind: Namespace, metadata: {name: kong}}", ["Namespace kong"]),
        ("{apiVersion: rbac/v1, kind: ClusterRole, metadata: {name: kong}}", ["ClusterRole kong"]),
        ("{apiVersion: rbac/v1, kind: Role, metadata: {name: kong}}", []),
        ("{apiVersion: rbac/v1, kind: Unheard, metadata: {name: kong}}", ["Unheard kong"]),
    ],
)
def test_what_would_outlive_its_namespace_is_no_part_of_a_rehearsal(
    here: Here, template: str, beyond: list[str]
) -> None:
    def respond(path: str, **_: Any) -> dict[str, Any]:
        kinds = {"ClusterRole": ("clusterroles", False), "Role": ("roles", True)}
        resources = [{"kind": kind, "name": name, "namespaced": own} for kind, (name, own) in kinds.items()]
        return {"resources": resources, "gitVersion": "v1.33.1"}

    here.release.client = Responding(respond)
    answers(here, template=template)
    assert here.beyond_namespace(KONG) == beyond
    assert "--include-crds" in here.asked


@pytest.mark.programs
def test_one_that_the_manifest_names_no_more_stays_and_is_known(here: Here) -> None:
    answers(here, installed=["kong", "old"])
    assert here.left() == ["old"]


@pytest.mark.programs
def test_all_go_when_the_stack_is_retired_the_last_first(here: Here) -> None:
    answers(here, installed=["cnpg", "kong", "old"])
    here.wanted = [KONG, CNPG]
    answered = json.loads((here.folder / "answers").read_text())
    (here.folder / "answers").write_text(json.dumps([*answered, (["uninstall"], "")]))
    assert here.retire() == ["cnpg", "kong", "old"]
    assert [line.split()[1] for line in here.asked.splitlines() if line.startswith("uninstall")] == [
        "cnpg", "kong", "old",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("companion", "why", "hint"),
    [
        (KONG, "basic credential not found", "helm registry login ghcr.io   then again"),
        (KONG, "dial tcp: lookup ghcr.io: no such host", "again once ghcr.io answers"),
        (
            KONG,
            "acme/kong:3.0.0: not found",
            "helm show chart oci://ghcr.io/acme/kong --version 3.0.0   must find it",
        ),
        (
            CNPG,
            'chart "cloudnative-pg" version "0.26.1" not found in repository',
            "helm show chart cloudnative-pg --repo https://cnpg.example/charts/ --version 0.26.1   must find it",
        ),
        (KONG, "execution error at (kong/templates/x.yaml:1:3): set a port", "look at kong.yaml"),
        (CNPG, "values don't meet the specifications of the schema", "give it values:"),
    ],
)
def test_a_chart_that_cannot_be_read_says_what_to_type(companion: Companion, why: str, hint: str) -> None:
    error = unread(companion, why)
    assert (error.what, error.hint) == (f"the chart of {companion.name} cannot be read", hint)


MANIFEST = """
    name: shop
    services: {web: {image: "web:1"}}
    environments:
      staging:
        context: gke
        charts:
          kong: {chart: "oci://ghcr.io/acme/kong", version: 3.0.0, values: ./kong.yaml}
"""


def test_a_values_file_has_to_be_there_and_its_text_counts(tmp_path: Path) -> None:
    with pytest.raises(ManifestInvalid, match=r"charts\.kong\.values: no file"):
        made = project(tmp_path, MANIFEST)
        made.read(made.manifest.outline)
    (tmp_path / "kong.yaml").write_text("a: 1\n")
    (before,) = companions(project(tmp_path), "staging")
    (tmp_path / "kong.yaml").write_text("a: 2\n")
    (after,) = companions(project(tmp_path), "staging")
    assert (before.name, before.version, before.address) == ("kong", "3.0.0", "oci://ghcr.io/acme/kong")
    assert before.mark != after.mark


def test_without_a_terminal_a_release_of_another_hand_has_to_be_named() -> None:
    target, foreign = Target("staging", "gke", "shop", "shop"), {"shop": "old-1.0.0"}
    with pytest.raises(UsageError, match="the release shop is not this stack's") as error:
        adopting.require_adoptable(target, foreign, ["another"], here=lambda: False)
    assert "devenv promote staging --adopt shop" in error.value.hint
    adopting.require_adoptable(target, foreign, ["shop"], here=lambda: False)
    adopting.confirm_adoption(foreign, ["shop"])
    adopting.require_adoptable(target, foreign, [], here=lambda: True)
