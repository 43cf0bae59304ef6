"""Images that are built from a repository, whose files the builder fetches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from devenv.manifest.parse import parse
from devenv.render.bundle import Source
from devenv.render.compose import described
from devenv.sources import read
from devenv.sources.digests import Digests
from devenv.stack.builds import with_sources
from devenv.stack.kinds.catalogue import Facts
from devenv.stack.model import Stack
from devenv.stack.outline import outline
from tests.table import each_row

from . import stacks
from .stacks import stack

MANIFEST = "name: a\nservices:\n  web: {{build: {{context: '{}', dockerfile: web.Dockerfile}}}}\n"
URL = "https://git.test/site.git#v1:web"


def built(url: str) -> Stack:
    return with_sources(stack(MANIFEST.format(url)), {})


def compose(url: str) -> Any:
    made = built(url)
    return described(made, made.unit("web"), Source())["build"]


@each_row(
    [URL, "git@git.test:site.git", "github.com/acme/site", "git://git.test/site", "ssh://git@git.test/a"]
)
def test_compose_is_given_the_url_and_the_dockerfile_in_it(url: str) -> None:
    assert compose(url) == {"context": url, "dockerfile": "web.Dockerfile"}


def test_another_version_is_another_image() -> None:
    assert built(URL).unit("web").image != built(URL.replace("v1", "v2")).unit("web").image


def test_nothing_is_read_of_it_here(tmp_path: Path) -> None:
    manifest, _ = parse(MANIFEST.format(URL), file="devenv.yaml", kinds=Facts(stacks.CATALOGUE))
    found = read(tmp_path, outline(manifest, stacks.CATALOGUE).wants, Digests({}))
    assert (found.findings, found.contents) == ([], {(URL, "web.Dockerfile"): {}})
