"""More contexts of a build: folders of the project, images, repositories; and what else a build may say."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from devenv import sources
from devenv.engine.loaded import Loaded
from devenv.engine.project import Project
from devenv.engine.promotion import charts
from devenv.memory import Memory
from devenv.render import compose
from devenv.render.bundle import Source
from devenv.sources.digests import Digests
from devenv.stack.model import NAMED
from devenv.stack.outline import outline
from devenv.stack.world import World
from devenv.workspace import Workspace
from tests import documents
from tests.table import each_row

from .stacks import CATALOGUE, manifest, problems, stack, unit

TEXT = """\
name: mono
services:
  api:
    build:
      context: services/api
      additional_contexts:
        shared: ./shared
        base: docker-image://python:3.13-slim
        proto: https://github.com/acme/proto.git#v2
      cache_from: ghcr.io/acme/api:cache
      network: none
      platform: linux/arm64
"""
BUILD = "name: a\nservices:\n  api: {{build: {{context: ., {}}}}}\n"


def _read(root: Path) -> sources.Sources:
    return sources.read(root, outline(manifest(TEXT), CATALOGUE).wants, Digests({}))


def _project(root: Path) -> Path:
    for name, text in {
        "services/api/Dockerfile": "FROM base\nCOPY --from=shared . .\n",
        "shared/lib.py": "1",
        "shared/notes.md": "",
        "shared/.dockerignore": "*.md\n",
        ".devenv/secrets.env": "A=1\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_change_in_a_further_context_makes_another_image(tmp_path: Path) -> None:
    root = _project(tmp_path)

    def image() -> str:
        return stack(TEXT, builds=_read(root).builds).unit("api").image

    before = image()
    (root / "shared" / "notes.md").write_text("ignored\n")
    assert image() == before
    (root / "shared" / "lib.py").write_text("2")
    assert image() != before


def test_what_is_no_folder_is_not_read(tmp_path: Path) -> None:
    read = _read(_project(tmp_path))
    assert read.findings == []
    assert set(read.builds) == {("services/api", "Dockerfile"), ("./shared", NAMED)}
    assert set(read.contents["./shared", NAMED]) == {"lib.py", ".dockerignore"}


def test_compose_builds_with_them() -> None:
    app = stack(TEXT)
    rendered = compose.render(app, Source(root="../..", folder=".devenv/compose")).files["compose.yaml"]
    build = documents.load(rendered)["services"]["api"]["build"]
    assert build["additional_contexts"] == {
        "shared": "../../shared",
        "base": "docker-image://python:3.13-slim",
        "proto": "https://github.com/acme/proto.git#v2",
    }
    assert build["network"] == "none"
    assert (build["cache_from"], build["platforms"]) == (["ghcr.io/acme/api:cache"], ["linux/arm64"])


@each_row(["additional_contexts: {a: 'docker-image://b:1'}", "platform: linux/amd64"])
def test_another_image_or_platform_makes_another_image(line: str) -> None:
    assert unit(BUILD.format(line), "api").image != unit(BUILD.format("args: {}"), "api").image


def test_where_layers_may_come_from_makes_none() -> None:
    assert unit(BUILD.format("cache_from: a:1"), "api").image == unit(BUILD.format("args: {}"), "api").image


REFUSED = {
    "additional_contexts: {shared: ../shared}": '.additional_contexts.shared: "../shared" is outside the project'
    " - write a path beside or below devenv.yaml",
    "additional_contexts: {Shared!: ./a}": '.additional_contexts.Shared!: "Shared!" is not a name of a context'
    " - lower-case letters, digits, dots, hyphens and _",
    "additional_contexts: {shared: '${secret.A}'}": '.additional_contexts.shared: "${secret.A}" is not replaced here'
    " - write the value itself",
    "platform: arm": '.platform: "arm" is not a platform - write linux/amd64',
    "additional_contexts: [shared=./shared]": ".additional_contexts: expected a mapping, found a list"
    " - write additional_contexts: {shared: ./shared}",
    "platforms: [linux/amd64]": ".platforms: unknown key - write platform: linux/amd64",
}


@each_row(REFUSED.items())
def test_what_cannot_be_is_refused(line: str, message: str) -> None:
    (problem,) = problems(BUILD.format(line))
    assert problem.partition("services.api.build")[2] == message


def test_a_context_holds_nothing_of_the_state(tmp_path: Path) -> None:
    _project(tmp_path)
    (tmp_path / "more").symlink_to(".devenv")
    text = TEXT.replace("./shared", "{}")
    for name, message in {
        ".": '"." cannot be another context',
        "more": '"more" cannot be another context',
        "missing": 'no folder "missing"',
    }.items():
        wants = outline(manifest(text.format(name)), CATALOGUE).wants
        ((_, what, _),) = sources.read(tmp_path, wants, Digests({})).findings
        assert what == message


PROMOTED = TEXT + "environments: {test: {context: kind, registry: ghcr.io/acme}}\n"


def _opened(root: Path) -> Project:
    (root / "devenv.yaml").write_text(PROMOTED)
    return Project(Workspace(root / "devenv.yaml"), {}, Memory(root / ".cache"))


def test_a_further_context_changes_the_image_that_is_promoted(tmp_path: Path) -> None:
    def image() -> str:
        return charts.promoted(_opened(tmp_path)).stack.unit("api").image

    _project(tmp_path)
    before = image()
    (tmp_path / "shared" / "lib.py").write_text("2")
    assert image() != before


def test_a_further_context_is_watched(tmp_path: Path) -> None:
    nothing = cast(Loaded, SimpleNamespace(world=World("c0ffee123456", {})))
    assert str(tmp_path / "shared") in _opened(_project(tmp_path)).settings(nothing)
