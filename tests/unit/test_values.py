"""What the user wrote arrives byte for byte: read by us, dumped by us, read by the programs that run it."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from devenv.manifest import source
from devenv.render.bundle import Source, to_yaml
from devenv.render.compose import render
from devenv.stack.model import Stack
from tests import documents
from tests.table import each_row

from .kubernetes.stacks import objects
from .stacks import fingerprints, problems, stack

UNQUOTED = """\
    +15005550006 -7 -0 +0 02142 08 09 0755 0x1F 0o17 0b11 1_000 22:30 2024-01-31 1e3 1e-3 5e10123 12345e8 .50
    1.10 +1.50 1. -.5 .inf -.inf .nan NaN yes no on off y n Y N 12345678901234567890123 000123 01 ~x <<x =
    true false True TRUE False FALSE 1.5e3 1.5e+3 190:20:30 2024-01-31T10:00:00Z 0x 0 00 -1 3.0 123e
""".split()  # noqa: SIM905  a table is read at a glance
"""Texts that need no quotes in a manifest and that one or another reader takes for something else."""

QUOTED = (
    "", " ", " lead", "trail ", "~", "null", "Null", "true", "False", "<<", "12345e8", "08", "a: b", "a #b",
    "#x", "- x", "-", "---", "...", "? x", "[a]", "{a: b}", "&a", "*a", "!x", "|", ">", "%x", "@x", "`x`",
    "'", '"', "it's", 'say "hi"', "\\", "\\n", "C:\\new", "$", "$$", "${A}", "$(A)", "$A", "a$", "$${A}",
    "two\nlines", "two\nlines\n", "two\n\n\nlines\n\n", "\nlead", "  lead\nlines", "a \nb", "a\n  b", "a\n---\nb",
    "cr\rlf", "crlf\r\nend", "\t", "tab\tin", "\ttab\nlines", "a\n\tb", "nel\x85x", "ls\u2028x", "nbsp\xa0x",
    "bell\x07", "del\x7f", "esc\x1b[0m", "\ufeffbom", "ünïcödé", "日本語", "🎉", "word " * 700, "x" * 3000,
    "../..", "-c", "--flag", "-y", "-n", "10s", "500ms", "1Gi", "long " * 300 + "\nline", '{"a": [1, "b"], "c": null}', "postgres://u:p@h:5/d?x=y&z=%20", "*/5 * * * *",
)  # fmt: skip


def random_texts(count: int) -> list[str]:
    """Texts of signs that mean something to YAML, Compose, shells or Kubernetes, always the same ones."""
    signs = random.Random(8)
    alphabet = "ab01eEx_.+-~: #'\"\\{}[]$()%@&*!|>?,\n\t\r\u2028é=/<"
    return ["".join(signs.choices(alphabet, k=signs.randint(1, 12))) for _ in range(count)]


TEXTS = [*dict.fromkeys([*UNQUOTED, *QUOTED, *random_texts(300)])]


def stack_with_values() -> Stack:
    """A service with every text in its variables and words."""
    texts = [text.replace("${", "$${") for text in TEXTS]
    api = {
        "image": "x",
        "env": {f"V{index}": text for index, text in enumerate(texts)},
        "command": texts,
        "entrypoint": texts,
        "health": {"exec": texts},
    }
    return stack(yaml.safe_dump({"name": "a", "services": {"api": api}}, sort_keys=False))


@each_row(UNQUOTED)
def test_a_value_without_quotes_stays_as_it_was_written(text: str) -> None:
    api = stack(
        f"name: a\nservices:\n  api: {{image: x, env: {{V: {text}}}, command: [{text}], entrypoint: [{text}]}}\n"
    ).unit("api")
    assert (dict(api.env)["V"], api.command, api.entrypoint) == (text, (text,), (text,))


def test_numbers_are_still_numbers() -> None:
    numbers = source.read("[+5, -0, 007, 1.50, 12]", file="x").value
    assert numbers == [5, 0, "007", 1.5, 12]
    assert to_yaml(numbers) == '- 5\n- 0\n- "007"\n- 1.5\n- 12\n'


def test_truth_values_in_every_spelling_are_truth_values_where_those_are_wanted() -> None:
    text = """\
        name: a
        services:
          api:
            image: x
            port: 80
            route: {path: /, strip: True, plugins: [{cors: {credentials: TRUE}}]}
            reload: {restart: True}
            compose: {privileged: True, environment: {A: True}}
            kubernetes: {Deployment: {spec: {template: {spec: {hostNetwork: True}}}}}
        jobs: {j: {image: x, manual: False}}
    """
    of = stack(dedent(text))
    api = of.unit("api")
    assert (of.unit("j").manual, api.reload and api.reload.restart) == (False, True)
    assert api.kubernetes["Deployment"]["spec"]["template"]["spec"]["hostNetwork"] is True
    bundle = render(of, Source())
    service = documents.load(bundle.files["compose.yaml"])["services"]["api"]
    assert service["privileged"] is True
    assert service["environment"]["A"] == "True"
    (kong,) = [
        content for name, content in bundle.files.items() if "kong" in name and "credentials" in content
    ]
    assert documents.load(kong)["services"][0]["routes"][0]["strip_path"] is True


def test_a_truth_value_is_no_duration_and_no_number() -> None:
    lines = problems("name: a\nservices: {api: {image: x, port: True, health: {tcp: 80, every: TRUE}}}\n")
    assert len(lines) == 2


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader])
def test_yaml_1_1_reads_every_text_as_that_text(loader: Any) -> None:
    document = {text: text for text in TEXTS if len(text) < 100} | {"list": TEXTS}
    assert yaml.load(to_yaml(document), Loader=loader) == document


def test_yaml_that_other_lines_follow_ends_no_document() -> None:
    for text in TEXTS:
        assert "..." not in to_yaml({"key": text}).splitlines(), text


def taken_by_compose(folder: Path, files: Mapping[str, str]) -> dict[str, Any]:
    """The file as Compose understands it, with dollars for dollars."""
    for name, content in files.items():
        (folder / name).write_text(content)
    config = ["docker", "compose", "-f", str(folder / "compose.yaml"), "config", "--format", "json"]
    process = subprocess.run(config, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")
    return dict(json.loads(process.stdout.replace("$$", "$"))["services"]["api"])


@pytest.mark.engine
def test_compose_reads_every_text_as_that_text(tmp_path: Path) -> None:
    app = stack_with_values()
    files = render(app, Source(fingerprints=fingerprints(app))).files
    api = taken_by_compose(tmp_path, files)
    assert api["environment"] == {f"V{index}": text for index, text in enumerate(TEXTS)}
    assert api["command"] == TEXTS
    assert api["entrypoint"] == TEXTS
    assert api["healthcheck"]["test"] == ["CMD", *TEXTS]


def test_a_kubelet_gives_every_text_as_that_text() -> None:
    """It makes one dollar of two, and expands no `$(NAME)` behind two."""
    (container,) = objects(stack_with_values())["Deployment", "api"]["spec"]["template"]["spec"]["containers"]
    env = [entry["value"] for entry in container["env"]]
    check = container["startupProbe"]["exec"]["command"]
    for texts in (env, container["command"], container["args"], check):
        assert [text.replace("$$", "$") for text in texts] == TEXTS
        assert not any(re.search(r"(?<!\$)(\$\$)*\$\(", text) for text in texts)


@pytest.mark.programs
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl")
def test_kubectl_reads_every_text_as_that_text(tmp_path: Path) -> None:
    app = stack_with_values()
    rendered = objects(app)["Deployment", "api"]
    (tmp_path / "api.yaml").write_text(to_yaml(rendered))
    local = ["kubectl", "annotate", "--local", "-o", "json", "-f", str(tmp_path / "api.yaml"), "a=b"]
    process = subprocess.run(local, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")
    (container,) = json.loads(process.stdout)["spec"]["template"]["spec"]["containers"]
    (expected,) = rendered["spec"]["template"]["spec"]["containers"]
    assert container == expected
    assert [variable["value"].replace("$$", "$") for variable in container["env"]] == TEXTS  # as kubelets do
    assert [word.replace("$$", "$") for word in container["args"]] == TEXTS
