"""What stands in a user's file while it becomes part of a chart, and of a pod."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from devenv.plan.promotion.changes import secrets_needed
from devenv.render.chart.files import FILL_IN, FILLED, TEMPLATES
from devenv.render.chart.page import Page
from tests.helm import Helm
from tests.unit.chart.charts import project, rendered, written

VALUES = {"A": "${B}", "B": "$(id) `id` \\ ' \" % ${A}"}
FILE = "a=${A} b=${B}${B}\nunset=${C} shell=$B $${B} ${ ${A B} ${} ${A\n\n"
FILLED_IN = FILE.replace("${B}", "\0").replace("${A}", VALUES["A"]).replace("\0", VALUES["B"])


@pytest.mark.programs
def test_a_value_is_put_into_a_file_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "filled").mkdir()
    (tmp_path / "templates/app.conf").write_text(FILE, encoding="utf-8")
    script = FILL_IN.replace(TEMPLATES, f"{tmp_path}/templates").replace(FILLED, f"{tmp_path}/filled")
    environment = {"FILES": "app.conf", "SECRETS": " ".join(VALUES), **VALUES}
    subprocess.run(["sh", "-c", script], env=environment, check=True)
    assert (tmp_path / "filled/app.conf").read_text(encoding="utf-8") == FILLED_IN


def test_a_line_of_a_file_is_no_place_that_helm_fills_in() -> None:
    page = Page()
    value = page.inline(".Values.host")
    assert page.text({"data": {"a": "HOLE0\nHOLE1\n"}, "host": value}) == (
        "data:\n  a: |\n    HOLE0\n    HOLE1\nhost: {{ .Values.host }}\n"
    )


@pytest.mark.programs
def test_a_secret_that_stands_in_a_file_alone_has_to_be_there(helm: Helm, tmp_path: Path) -> None:
    manifest = "name: shop\nservices: {web: {image: x, files: {/run/key: {secret: KEY}, /run/more: {secret: KEY}}}}\n"
    objects = rendered(helm, written(tmp_path / "chart", project(tmp_path, manifest)))
    assert secrets_needed(objects.values()) == {"shop-secrets": {"KEY"}}
