"""The pages that list kinds are made from the kinds: `--update-examples` rewrites them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from devenv.stack.kinds.card import Card, card
from tests.table import each_row

from .stacks import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
TABLE = re.compile(r"(?<=<!-- kinds -->\n).*?(?=<!-- /kinds -->)", re.DOTALL)
IMAGES = (ROOT / "tests" / "machine" / "images.txt").read_text()


def markdown(cards: list[Card]) -> str:
    """The table of kinds, as the documentation has it."""
    rows = [
        (", ".join(f"`{word}`" for word in (card.name, *card.also)), card.about, _code(card.part), card.tried)
        for card in cards
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(["| kind | what | a part | in our tests |", "|---|---|---|---|", *lines, ""])


def _code(text: str) -> str:
    return text and f"`{text}`"


@pytest.mark.parametrize("page", ["README.md", "docs/kinds.md"])
def test_a_page_lists_every_kind_as_its_file_says(page: str, request: pytest.FixtureRequest) -> None:
    file = ROOT / page
    table = markdown([card(CATALOGUE[kind]) for kind in CATALOGUE])
    if request.config.getoption("--update-examples"):
        file.write_text(TABLE.sub(lambda _: table, file.read_text()))
    assert TABLE.findall(file.read_text()) == [table]


@each_row([*CATALOGUE])
def test_a_kind_is_said_to_be_run_only_if_its_image_is_made_for_the_tests(kind: str) -> None:
    block = CATALOGUE[kind].block
    version = block.options["version"]
    image = CATALOGUE[kind].file.services[kind].image.replace("${version}", str(version))
    assert (f"\n{image} |" in IMAGES) is (block.tried in ("real", "stand-in"))
    assert block.tried
