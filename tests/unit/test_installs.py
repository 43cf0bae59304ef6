"""Installs of packages that leave a project's sources alone, and what a changed file causes after one."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from devenv import sources
from devenv.sources.digests import Digests
from devenv.stack import installs
from devenv.stack.reloading.decisions import Action, decide
from devenv.stack.reloading.rules import infer
from devenv.stack.reloading.ruletable import rows
from devenv.stack.world import Want
from tests.table import each_row

HATCH = "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"
PROJECTS = {
    HATCH: True,
    "[project]\nname = 'x'\n": True,
    HATCH
    + "[tool.hatch.build.targets.wheel]\npackages = ['src/x']\n[tool.hatch.version]\npath = 'src/x/v.py'\n": True,
    HATCH + "[tool.hatch.build.hooks.cython]\n": False,
    HATCH + "[tool.hatch.build.targets.wheel.hooks.custom]\n": False,
    "[build-system]\nbuild-backend = 'maturin'\n": False,
    "[build-system]\nbuild-backend = 'poetry.core.masonry.api'\n[tool.poetry.dependencies]\nx = '^1'\n": True,
    "[tool.poetry]\nbuild = 'build.py'\n": False,
    "[tool.poetry.group.dev.dependencies]\nlib = {path = '../lib'}\n": False,
    "[tool.poetry.dependencies]\nlib = {path = '../lib', develop = true}\n": True,
    "[tool.uv.sources]\nlib = {workspace = true}\nother = {path = 'other', editable = true}\n": True,
    "[tool.uv.sources]\nlib = [{path = 'lib'}]\n": False,
    "[project]\ndependencies = ['lib @ file:lib']\n": False,
    "[[tool.setuptools.ext-modules]]\nname = 'x'\n": False,
    "tool = 1": False,
    "[": False,
}
PACKAGES = {
    '{"scripts": {"dev": "vite", "build": "vite build", "prepare": "husky"}}': True,
    '{"dependencies": {"a": "^1", "b": "workspace:*"}}': True,
    '{"scripts": {"postinstall": "prisma generate"}}': False,
    '{"scripts": {"prepare": "npm run build"}}': False,
    '{"devDependencies": {"a": "file:../a"}}': False,
    '{"scripts": []}': False,
    "{": False,
}
BOTH = ("pyproject.toml", "package.json")
INSTALLS = {
    "uv sync --locked --no-dev": "pyproject.toml uv.lock uv.toml",
    "/bin/uv sync": "pyproject.toml uv.lock uv.toml",
    "uv sync --frozen --no-editable": "",
    "poetry install --no-interaction --only main": "pyproject.toml poetry.lock poetry.toml",
    "pip install -e .": "pyproject.toml setup.cfg",
    "python -m pip install --no-cache-dir -e ./lib -e .[dev]": "pyproject.toml setup.cfg",
    "uv pip install --system --editable=.": "pyproject.toml setup.cfg",
    "pip install .": "",
    "pip install -e . -r requirements.txt": "",
    "make": "",
    "npm ci --omit=dev --no-audit": "package.json package-lock.json npm-shrinkwrap.json .npmrc *.prisma patches/",
    "npm install -g .": "",
    "npm install ./lib": "",
    "npm run build": "",
    "yarn": "package.json yarn.lock .yarnrc .yarnrc.yml .yarn/ .npmrc *.prisma patches/",
    "yarn install --immutable": "package.json yarn.lock .yarnrc .yarnrc.yml .yarn/ .npmrc *.prisma patches/",
    "yarn build": "",
    "pnpm install --frozen-lockfile --filter @acme/api...": "package.json pnpm-lock.yaml pnpm-workspace.yaml .pnpmfile.cjs .npmrc *.prisma patches/",
}
DOCKERFILE = """
FROM python:3.13-slim
WORKDIR /app
COPY . /app
RUN {step}
CMD ["uvicorn", "shop.api:app", "--reload"]
"""


@each_row(PROJECTS.items())
def test_what_a_project_of_python_says_of_its_install(text: str, linked: bool) -> None:
    assert installs.linked({"lib/pyproject.toml": text}) == ({"pyproject.toml"} if linked else set())


@each_row(PACKAGES.items())
def test_what_a_package_of_node_says_of_its_install(text: str, linked: bool) -> None:
    assert installs.linked({"package.json": text}) == ({"package.json"} if linked else set())


@each_row(INSTALLS.items())
def test_which_files_an_install_reads(line: str, names: str) -> None:
    assert installs.reads(line.split(), BOTH) == tuple(names.split())
    assert installs.reads(line.split(), ()) == ()


@each_row(
    {
        "uv": ("uv sync --locked --no-dev", True, "sync rebuild rebuild"),
        "in doubt": ("uv sync --locked --no-dev", False, "rebuild rebuild rebuild"),
        "copied": ("uv sync --no-editable", True, "rebuild rebuild rebuild"),
        "copied by a variable": ("UV_NO_EDITABLE=1 uv sync", True, "rebuild rebuild rebuild"),
        "more than that": ("uv sync && python -m compileall .", True, "rebuild rebuild rebuild"),
        "Poetry": ("pip install poetry && poetry config virtualenvs.create false && poetry install", True, "sync rebuild sync"),
    }
)  # fmt: skip
def test_after_an_install_that_links_sources_are_sent(step: str, linked: bool, actions: str) -> None:
    rules = infer(DOCKERFILE.format(step=step), context=".", linked=BOTH if linked else ())
    changed = ("src/shop/api.py", "lib/pyproject.toml", "uv.lock")
    assert [decide(rules, [path]).action for path in changed] == [*map(Action, actions.split())]


def test_the_table_names_the_files_that_the_install_reads() -> None:
    rules = infer(DOCKERFILE.format(step="uv sync"), context=".", linked=BOTH)
    assert [(row.what, row.action.value) for row in rows(rules)] == [
        ("Dockerfile", "rebuild"),
        ("pyproject.toml, uv.lock", "rebuild"),
        (".", "sync"),
    ]
    assert rows(rules)[1].reason == "COPY . /app before RUN uv sync (Dockerfile:4)"


@each_row(
    {
        "one": ({"pyproject.toml": HATCH}, ["pyproject.toml"]),
        "two": ({"pyproject.toml": HATCH, "lib/pyproject.toml": "["}, []),
        "a program": ({"pyproject.toml": HATCH, "lib/setup.py": ""}, []),
        "two languages": ({"pyproject.toml": "[", "web/package.json": "{}"}, ["package.json"]),
        "a compiler": ({"web/package.json": "{}", "web/binding.gyp": ""}, []),
        "installed packages": ({"package.json": "{}", "node_modules/package.json": "["}, ["package.json"]),
        "none": ({"main.py": ""}, []),
    }
)
def test_every_package_of_a_context_counts(files: dict[str, str], linked: list[str]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for path, text in {"Dockerfile": "FROM x", **files}.items():
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_text(text)
        want = Want("build", ".", (), "Dockerfile")
        read = sources.read(root, [want], Digests.load(root / "none.json"))
    assert sorted(read.linked.get((".", "Dockerfile"), ())) == linked
