"""What the user wrote arrives byte for byte through a chart, too: dumped by us, filled in by Helm, read by kubectl."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm import Helm
from tests.unit.test_values import TEXTS

from .charts import project, written

CONTROL = re.compile("[\x7f-\x9f\u2028\u2029]")
"""What Helm writes into no YAML; a word of a command is no value of Helm's, and may have it."""
VALUES = [text for text in TEXTS if not CONTROL.search(text)]


def chart(folder: Path, values: Sequence[str], words: Sequence[str]) -> Path:
    env = {f"V{index}": text.replace("${", "$${") for index, text in enumerate(values)}
    api = {"image": "x:1", "env": env, "command": [word.replace("${", "$${") for word in words]}
    manifest = yaml.safe_dump({"name": "a", "services": {"api": api}}, sort_keys=False)
    return written(folder / "chart", project(folder, manifest))


def container(folder: Path, objects: str) -> Any:
    """The container as kubectl reads it."""
    (folder / "objects.yaml").write_text(objects, encoding="utf-8")
    local = ["kubectl", "annotate", "--local", "-o", "json", "-f", str(folder / "objects.yaml"), "a=b"]
    ended = subprocess.run(local, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    read = [json.loads(part) for part in ended.stdout.replace("\n}\n{", "\n}\x00{").split("\x00")]
    (deployment,) = [item for item in read if item["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container


@pytest.mark.programs
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl")
def test_a_chart_brings_every_text_as_that_text(tmp_path: Path, helm: Helm) -> None:
    api = container(tmp_path, helm("template", "a", chart(tmp_path, VALUES, TEXTS)))
    values = {variable["name"]: variable["value"].replace("$$", "$") for variable in api["env"]}
    assert values == {f"V{index}": text for index, text in enumerate(VALUES)}
    assert [word.replace("$$", "$") for word in api["args"]] == TEXTS


@pytest.mark.programs
def test_what_helm_would_lose_is_refused_with_its_name(tmp_path: Path, helm: Helm) -> None:
    with pytest.raises(AssertionError, match="the variable V0 holds a control character"):
        helm("template", "a", chart(tmp_path, ["del\x7f"], ["sleep"]))
