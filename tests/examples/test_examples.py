"""Every example, and what it becomes: files that a person can read and `--update-examples` rewrites."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests import documents, schemas
import pytest

from devenv import assets, sources
from devenv.gateway import config as gateway_config
from devenv.manifest.parse import parse
from devenv.plan.model import Observed
from devenv.plan.planner import Intent, Situation, plan_up
from devenv.render.bundle import Bundle, Source
from devenv.render.compose import render
from devenv.render.kubernetes import render as render_kubernetes
from devenv.stack import text
from devenv.stack.builds import with_sources
from devenv.stack.kinds.catalogue import Catalogue, Facts
from devenv.stack.model import Stack
from devenv.stack.fingerprints import fingerprint
from devenv.stack.ports import allot
from devenv.stack.resolve import resolve
from devenv.stack.outline import outline
from devenv.stack.world import World
from devenv.workspace import Workspace
from devenv.sources.digests import Digests
from tests.table import each_row

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXAMPLES = {
    file.parent.name: file for file in (*ROOT.glob("examples/*/devenv.yaml"), *HERE.glob("*/devenv.yaml"))
}
EXPECTED = HERE / "expected"
NASTY = 'it\'s "$secret" ${X} \\n \\" #1\\\n-----second line-----\n\ttab `x` ünï'


@cache
def resolved(file: Path) -> Stack:
    own = Workspace(file).kinds(file.read_text())
    texts = {name: text for name, (_, text) in own.items()}
    catalogue = Catalogue(assets.catalogue() | texts, {name: shown for name, (shown, _) in own.items()})
    kinds = Facts(catalogue)
    manifest, _ = parse(file.read_text(), file=file.name, kinds=kinds, folder=file.parent.name)
    needed = outline(manifest, catalogue)
    read = sources.read(file.parent, needed.wants, Digests({}))
    assert read.findings == []
    ports, _ = allot(needed.claims, taken={}, current={}, checkout="example", remap=False)
    builds = dict.fromkeys(read.builds, "sources")  # what is in the sources is not what is shown here
    files = {pattern: tuple((path, "file") for path, _ in matches) for pattern, matches in read.files.items()}
    stack = resolve(manifest, catalogue, World("example", ports, files, read.extra))
    return with_sources(stack, builds)


def kubernetes(stack: Stack, secrets: Mapping[str, str]) -> Bundle:
    prints = {unit.name: "fingerprint" for unit in stack.units}
    kinds = assets.overrides({unit.engine for unit in stack.units})
    files = {file.source for unit in stack.units for file in unit.files if file.source}
    contents = {name: f"what is in {name}\n".encode() for name in files}
    return render_kubernetes(
        stack, Source(fingerprints=prints, secrets=secrets, files=contents, overrides=kinds)
    )


def produced(stack: Stack) -> dict[str, str]:
    """The files to compare. Secrets are their own names, in lower case."""
    secrets = {name: name.lower().replace("_", "-") for name in stack.secrets | stack.generated}
    prints = {unit.name: "fingerprint" for unit in stack.units}
    bundle = render(stack, Source(fingerprints=prints, secrets=secrets))
    files = {"compose.yaml": bundle.files["compose.yaml"]}
    if stack.gateway is not None:
        files["kong.yml"] = bundle.files["files/kong/opt_kong_kong.yml"]
    kube = kubernetes(stack, secrets)
    later = sorted(kube.files.keys() - {"namespace.yaml"})
    files["kubernetes.yaml"] = "---\n".join(kube.files[name] for name in ("namespace.yaml", *later))
    real = {unit.name: fingerprint(unit, {}) for unit in stack.units}
    files["plan.txt"] = f"{plan_up(stack, Situation('compose', Observed(), real), Intent())}\n"
    return files


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_becomes_what_it_did(name: str, request: pytest.FixtureRequest) -> None:
    files = produced(resolved(EXAMPLES[name]))
    folder = EXPECTED / name
    if request.config.getoption("--update-examples"):
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (folder / file).write_text(content)
    assert {file.name: file.read_text() for file in folder.iterdir()} == files


@each_row([*EXAMPLES])
def test_a_bundle_holds_secrets_only_where_nobody_else_can_read_them(name: str) -> None:
    stack = resolved(EXAMPLES[name])
    secrets = {secret: f"sesame-{secret}-open" for secret in stack.secrets | stack.generated}
    bundle = render(stack, Source(secrets=secrets))
    holding = {file for file, text in bundle.files.items() if "sesame-" in text}
    assert ".env" in holding or not secrets
    assert "compose.yaml" not in holding
    assert bundle.private >= {"compose.yaml", ".env"}


@each_row([*EXAMPLES])
def test_the_gateway_takes_what_is_rendered_for_kong(name: str) -> None:
    rendered = EXPECTED / name / "kong.yml"
    if rendered.exists():
        gateway_config.load(rendered.read_text())


@pytest.mark.engine
@pytest.mark.parametrize("name", EXAMPLES)
def test_compose_itself_takes_the_bundle(name: str, tmp_path: Path) -> None:
    stack = resolved(EXAMPLES[name])
    secrets = dict.fromkeys(stack.secrets | stack.generated, NASTY)
    bundle = render(stack, Source(root=str(EXAMPLES[name].parent), secrets=secrets))
    for file, content in bundle.files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content)
    config = ["docker", "compose", "-f", str(tmp_path / "compose.yaml"), "--profile", "manual", "config"]
    asked = subprocess.run([*config, "--format", "json"], capture_output=True, text=True, check=False)
    assert (asked.returncode, asked.stderr) == (0, "")
    taken = json.loads(asked.stdout)["services"]
    for unit in stack.units:
        expected = {key: text.reveal(value, secrets).replace("$", "$$") for key, value in unit.env}
        assert taken[unit.name].get("environment", {}) == expected


@each_row([*EXAMPLES])
def test_kubernetes_own_schemas_take_every_object(name: str) -> None:
    objects = documents.load_all((EXPECTED / name / "kubernetes.yaml").read_text())
    for item in filter(None, objects):  # a file without secrets has a comment only
        schemas.validate(item, "1.33")


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    namespace = f"dry-{uuid.uuid4().hex[:8]}"
    subprocess.run(["kubectl", "create", "namespace", namespace], check=True, capture_output=True)
    yield namespace
    subprocess.run(["kubectl", "delete", "namespace", namespace, "--wait=false"], check=True, capture_output=True)


@pytest.mark.cluster
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_cluster_takes_every_object(name: str, tmp_path: Path, namespace: str) -> None:
    stack = dataclasses.replace(resolved(EXAMPLES[name]), namespace=namespace)
    bundle = kubernetes(stack, dict.fromkeys(stack.secrets | stack.generated, NASTY))
    for file, content in bundle.files.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(content)
    dry = ["kubectl", "apply", "--server-side", "--dry-run=server", "--recursive", "-f", str(tmp_path)]
    asked = subprocess.run(dry, capture_output=True, text=True, check=False)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "serverside-applied" in asked.stdout
