"""What the pages for people lead to is there."""

from __future__ import annotations

import re
from pathlib import Path

from devenv.cli.commands import COMMANDS
from tests.table import each_row

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]


@each_row([*PAGES])
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    here = [link for link in links if "://" not in link]
    assert [link for link in here if not (page.parent / link).exists()] == []


def test_every_path_of_contributing_is_there() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = [word for word in re.findall(r"`([\w./-]+)`", page) if "NAME" not in word]
    modules = {path.name for path in (ROOT / "devenv").rglob("*.py")}
    missing = [path for path in paths if "/" in path and not (ROOT / path).exists()]
    missing += [name for name in paths if "/" not in name and name.endswith(".py") and name not in modules]
    assert missing == []


def test_contributing_has_a_line_for_every_folder_of_the_package() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = "\n".join(line for line in page.splitlines() if line.startswith("| `"))
    folders = [path.parent.name for path in (ROOT / "devenv").glob("*/__init__.py")]
    assert [name for name in folders if f"`{name}`" not in rows and f"devenv/{name}`" not in rows] == []


def test_the_readme_has_every_command() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `devenv "))
    words = set(re.findall(r"[a-z]+", rows))
    assert [name for name in COMMANDS if name not in words] == []
