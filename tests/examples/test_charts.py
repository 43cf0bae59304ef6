"""Every example as a chart; the shop's is files that a person can read and `--update-examples` rewrites."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.engine.promotion import charts
from devenv.engine.project import Project
from devenv.memory import Memory
from devenv.workspace import Workspace
from devenv.writing import export_chart
from tests import documents, schemas
from tests.conftest import ROOT
from tests.helm import Helm

EXPECTED = Path(__file__).resolve().parent / "charts"


@pytest.fixture
def produced(tmp_path: Path) -> dict[str, str]:
    """The chart, in which what is in the sources is not shown: it changes with every edit of them."""
    of = Project(Workspace(ROOT / "examples/shop/devenv.yaml"), {}, Memory(tmp_path))
    files = charts.chart(of) | {"values-staging.yaml": charts.values_file(of, "staging")}
    tags = {unit.image.rpartition(":")[2] for unit in charts.promoted(of).stack.units if unit.build}
    for tag in tags:
        files = {name: text.replace(tag, "sources") for name, text in files.items()}
    return files


def test_the_shop_becomes_the_chart_that_it_did(
    produced: dict[str, str], request: pytest.FixtureRequest
) -> None:
    folder = EXPECTED / "shop"
    if request.config.getoption("--update-examples"):
        export_chart(produced, folder)
    kept = [file for file in folder.rglob("*") if file.is_file()]
    assert {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in kept} == produced


STACKS = [*ROOT.glob("examples/*/devenv.yaml"), *EXPECTED.parent.glob("*/devenv.yaml")]


@pytest.mark.parametrize("file", STACKS, ids=[file.parent.name for file in STACKS])
def test_every_example_becomes_a_chart_that_helm_has_nothing_against(
    file: Path, helm: Helm, tmp_path: Path
) -> None:
    export_chart(charts.chart(Project(Workspace(file), {}, Memory(tmp_path / "memory"))), tmp_path / "chart")
    assert "[WARNING]" not in helm("lint", "--strict", tmp_path / "chart")
    rendered = [*filter(None, documents.load_all(helm("template", "rel", tmp_path / "chart")))]
    assert rendered
    for item in rendered:
        schemas.validate(item, "1.33")
