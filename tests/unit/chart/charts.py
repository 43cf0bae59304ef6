"""Charts of manifests, as Helm renders them, and what a container of theirs sees."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from devenv import assets
from devenv.engine.project import Project
from devenv.engine.promotion import charts
from devenv.memory import Memory
from devenv.render.chart import Promoted
from devenv.workspace import Workspace
from devenv.writing import export_chart
from tests import documents
from tests.helm import Helm

Object = dict[str, Any]
Objects = dict[tuple[str, str], Object]


def project(folder: Path, manifest: str = "", **files: str) -> Project:
    """A project of a manifest; folders that it builds have a Dockerfile."""
    if manifest:
        (folder / "devenv.yaml").write_text(dedent(manifest), encoding="utf-8")
        for name in re.findall(r"build: (?:\{context: )?\./(\w+)", manifest):
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "Dockerfile").write_text("FROM scratch\nCOPY . /app\n", encoding="utf-8")
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content, encoding="utf-8")
    return Project(Workspace(folder / "devenv.yaml"), {}, Memory(folder / ".cache"))


def written(folder: Path, of: Project, *environments: str) -> Path:
    """The project's chart in a folder, with the values of some environments."""
    files = charts.chart(of) | {f"values-{name}.yaml": charts.values_file(of, name) for name in environments}
    export_chart(files, folder)
    return folder


def rendered(helm: Helm, chart: Path, *argv: str | Path) -> Objects:
    """What Helm makes of a chart."""
    return objects(helm("template", "rel", chart, "-n", "there", *argv))


def objects(text: str) -> Objects:
    """Objects by kind and name; a job without the digest in its name."""
    return {
        (item["kind"], item["metadata"].get("labels", {}).get("devenv.dev/unit", item["metadata"]["name"]))
        if item["kind"] == "Job"
        else (item["kind"], item["metadata"]["name"]): item
        for item in filter(None, documents.load_all(text))
    }


def pod(item: Object) -> Object:
    spec: Object = item["spec"]["template"]["spec"]
    return spec


def environment(container: Mapping[str, Any], secrets: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What a container sees of its variables, as Kubernetes expands them. `secrets`: Secret -> key -> value."""
    names = [entry["name"] for entry in container.get("env", ())]
    assert len(names) == len(set(names)), "a variable is there twice"
    seen: dict[str, str] = {}
    for entry in container.get("env", ()):
        if "value" in entry:
            value = _expanded(entry["value"], seen)
        else:
            reference = entry["valueFrom"]["secretKeyRef"]
            value = secrets[reference["name"]][reference["key"]]
        seen[entry["name"]] = value
    return seen


def _expanded(value: str, seen: Mapping[str, str]) -> str:
    def put(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else seen.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^)]+)\)", put, value)


def of_backend(bundle: Mapping[str, str]) -> tuple[Objects, dict[str, dict[str, str]]]:
    """The objects that the kube backend applies, and what is in its Secrets."""
    every = {
        key: item
        for name, text in bundle.items()
        if not name.startswith("manual/")
        for key, item in objects(text).items()
    }
    secrets = {
        name: {key: base64.b64decode(value).decode() for key, value in item["data"].items()}
        for (kind, name), item in every.items()
        if kind == "Secret"
    }
    return {key: item for key, item in every.items() if key[0] != "Secret"}, secrets


def secret_values(promoted: Promoted, values: Mapping[str, str]) -> dict[str, str]:
    """What is in the stack's Secret for these values of secrets."""
    from devenv.render.chart import keys

    return {key: secret.value(values) for key, secret in keys(promoted).items()}


def commands(container: Mapping[str, Any], seen: Mapping[str, str]) -> Iterator[list[str]]:
    for key in ("command", "args"):
        yield [_expanded(word, seen) for word in container.get(key, ())]


SKELETON = assets.chart
