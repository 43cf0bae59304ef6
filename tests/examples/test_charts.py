"""The shop's chart, as files that a person can read and `--update-examples` rewrites."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.engine.promotion import charts
from devenv.engine.project import Project
from devenv.memory import Memory
from devenv.workspace import Workspace
from devenv.writing import export_chart
from tests.conftest import ROOT

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
