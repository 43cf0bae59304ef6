"""What `make demo` and `make demo-shop` cost on a new machine: only what they need is installed and built."""

from __future__ import annotations

import re
import subprocess

import pytest

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


@pytest.mark.programs
def test_it_gets_the_images_of_the_shop_and_those_they_are_built_from() -> None:
    shop = [str(file) for file in (ROOT / "examples" / "shop").glob("*/Dockerfile")]
    expected = str(ROOT / "tests" / "examples" / "expected" / "shop" / "compose.yaml")
    kinds = {re.split("[/:]", image)[-2] for image in images_for(*shop, expected)}
    assert kinds == {"debian", "python", "node", "postgres", "mysql", "mongo", "silo", "valkey", "kong"}


@pytest.mark.programs
def test_a_single_dockerfile_needs_its_own_line_of_images() -> None:
    assert images_for(str(ROOT / "examples" / "shop" / "stock" / "Dockerfile")) == {
        "debian:trixie-slim",
        "node:24-slim",
        "python:3.13-slim",
    }


@pytest.mark.parametrize(("target", "script"), [("demo", "demo.py"), ("demo-shop", "demo-shop.sh")])
def test_it_builds_no_cluster(target: str, script: str) -> None:
    for text in (read(f"examples/{script}"), recipe(target)):
        assert "cluster" not in text
        assert not re.search(r"^[^#\n]*\bmake\b.*\bmachine\b(?! brings)", text, re.MULTILINE)


def test_the_guestbook_brings_no_engine_and_needs_only_what_people_install() -> None:
    assert "machine.sh" not in read("examples/demo.py") + recipe("demo")
    assert recipe("demo").startswith(" .venv/local\n")
    assert "--group" not in recipe(".venv/local")


def read(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def recipe(target: str) -> str:
    """What the Makefile says after the name of a target."""
    return read("Makefile").split(f"\n{target}:")[1].split("\n\n")[0]
