"""What `make demo` costs on a new machine: only what the shop needs is built."""

from __future__ import annotations

import re
import subprocess

from tests.conftest import ROOT

MACHINE = ROOT / "tests" / "machine"


def images_for(*files: str) -> set[str]:
    """The images that machine.sh would see to."""
    script = (
        'HERE=$1; . "$HERE/standins.sh"; read_table; keep_named_in "${@:2}"; printf "%s\\n" "${IMAGES[@]}"'
    )
    ended = subprocess.run(
        ["bash", "-euc", script, "test", str(MACHINE), *files], capture_output=True, text=True, check=True
    )
    return set(ended.stdout.split())


def test_it_gets_the_images_of_the_shop_and_those_they_are_built_from() -> None:
    shop = [str(file) for file in (ROOT / "examples" / "shop").glob("*/Dockerfile")]
    expected = str(ROOT / "tests" / "examples" / "expected" / "shop" / "compose.yaml")
    kinds = {re.split("[/:]", image)[-2] for image in images_for(*shop, expected)}
    assert kinds == {"debian", "python", "node", "postgres", "mysql", "mongo", "silo", "valkey", "kong"}


def test_a_single_dockerfile_needs_its_own_line_of_images() -> None:
    assert images_for(str(ROOT / "examples" / "shop" / "stock" / "Dockerfile")) == {
        "debian:trixie-slim",
        "node:24-slim",
        "python:3.13-slim",
    }


def test_it_builds_no_cluster() -> None:
    demo = (ROOT / "examples" / "demo.sh").read_text(encoding="utf-8")
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\ndemo:")[1].split("\n\n")[0]
    for text in (demo, recipe):
        assert "cluster" not in text
        assert not re.search(r"\bmake\b.*\bmachine\b", text)
