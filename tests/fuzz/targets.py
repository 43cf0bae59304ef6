"""What is fuzzed: for each kind of file, the folders that inputs grow from, and what reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from devenv import assets, documents
from devenv.drafting import writing
from devenv.drafting.kong.shapes import GATEWAY
from devenv.drafting.kubernetes.shapes import shape_of
from devenv.drafting.shape import FILE, Shape
from devenv.engine import drafting, gateways, objects
from devenv.engine.project import Project
from devenv.engine.promotion import charts
from devenv.envfiles import odd_lines, read_env, read_written
from devenv.gitignore import GitIgnored
from devenv.manifest.models import Manifest
from devenv.manifest.parse import parse
from devenv.memory import Memory
from devenv.render import compose, kubernetes, process
from devenv.render.bundle import Source, to_yaml
from devenv.sources.ignored import Ignored
from devenv.stack import copies, dockerfile, patterns
from devenv.stack.kinds import overrides
from devenv.stack.kinds.catalogue import Catalogue, Facts
from devenv.stack.outline import outline
from devenv.stack.ports import allot
from devenv.stack.reloading.decisions import decide
from devenv.stack.reloading.rules import infer
from devenv.stack.resolve import resolve
from devenv.stack.world import World
from devenv.workspace import Workspace, read_text
from tests.fuzz.growing import Files, Soil

ROOT = Path(__file__).parents[2]
LARGEST = 20_000
"""Of a file to grow from, in bytes. Inputs that are large take long, and break what small ones break."""


@dataclass(frozen=True)
class Target:
    """One kind of file. `read` is given a folder that holds one, and may answer with a `DevenvError`.

    `limit`: seconds after which the reader is taken to go on for ever.
    """

    grown: Callable[[], Sequence[Files]]
    read: Callable[[Path], object]
    signs: Sequence[str] = ()
    limit: float = 10.0

    @cached_property
    def soil(self) -> Soil:
        """What inputs grow from."""
        return Soil(self.grown(), self.signs)


def _files(pattern: str, *tops: str, name: str = "") -> list[Files]:
    """Each file of this pattern, alone in a folder, under a name of its own."""
    found = sorted(file for top in tops for file in (ROOT / top).rglob(pattern))
    return [{name or file.name: _text(file)} for file in found if file.stat().st_size <= LARGEST]


def _folders(pattern: str, *others: str) -> list[Files]:
    """Each folder of an example that has such a file, with the others that are read beside it."""
    folders = {file.parent for top in ("examples", "tests") for file in (ROOT / top).rglob(pattern)}
    return [
        {
            file.relative_to(folder).as_posix(): _text(file)
            for each in (pattern, *others)
            for file in sorted(folder.rglob(each))
            if file.stat().st_size <= LARGEST
        }
        for folder in sorted(folders)
        if "expected" not in folder.parts
    ]


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="surrogateescape")


def _keys(shape: Shape | None) -> Iterator[str]:
    """All keys of a form."""
    if shape is not None:
        yield from _keys(shape.items)
        yield from _keys(shape.values)
        for key, inner in (shape.keys or {}).items():
            yield key
            yield from _keys(inner)


PATHS = ("a", "a/b", "src/main.py", "Dockerfile", "node_modules/x/y", "é", "[x]")


def _dockerfile(folder: Path) -> None:
    for file in folder.iterdir():
        text = file.read_bytes().decode(errors="replace")
        for target in (None, "base", "1"):
            copies.image(text, target, {"A": "x"})
            dockerfile.base_image(text, target)
        dockerfile.parse(text, {"A": "x"})
        for context in (".", "src", None):
            rules = infer(text, context=context)
            for path in PATHS:
                decide(rules, [path])


def _ignored(folder: Path) -> None:
    for file in folder.iterdir():
        text = file.read_bytes().decode(errors="replace")
        (folder / ".gitignore").write_bytes(file.read_bytes())
        GitIgnored(folder)(PATHS)
        by_docker = Ignored(text, "Dockerfile")
        lines = [line for line in text.splitlines() if line]
        for path in PATHS:
            by_docker.has(path)
            by_docker.enters(path)
            patterns.match(lines, path)
            patterns.negated(lines, path)


def _env(folder: Path) -> None:
    for file in folder.iterdir():
        read_env(file)
        read_written(file)
        odd_lines(file)


def _compose(folder: Path) -> None:
    files, _ = drafting.compose_files(folder, ())
    project = drafting.composed(files, folder, flattened=lambda *_: None).project
    _written(drafting.drafted(project, folder, {"X": "1"}))


BESIDE = "services:\n" + "".join(
    f"  {name}: {{image: x, port: {port}}}\n"
    for name, port in (("orders", 8000), ("stock", 80), ("api", 8000), ("web", 80), ("deepstream", 6020))
)
"""A manifest with the services that routes of the examples lead to."""


def _kong(folder: Path) -> None:
    gateway = gateways.read(folder / "kong.yml", "kong.yml")
    draft, added = gateways.drafted(gateway, folder, {}, "kong.yml")
    _written(draft)
    assert [*gateways.fragment(added.values), added.extra]
    beside = gateways.addition(gateway, documents.load(BESIDE), folder, {}, "kong.yml")
    parse(gateways.merged(BESIDE, beside), file="devenv.yaml", kinds=Facts(_kinds()), folder="shop")


def _packages(folder: Path) -> None:
    _written(drafting.surveyed(folder, {}))


def _written(draft: Any) -> None:
    parse(writing.text(draft), file="devenv.yaml", kinds=Facts(_kinds()), folder="shop")
    list(draft.table())


@cache
def _kinds() -> Catalogue:
    return Catalogue(assets.catalogue())


class _Whatever(dict[Any, Any]):
    """Has a value for every key."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __missing__(self, key: Any) -> Any:
        return self._value


SOURCE = Source(secrets=_Whatever("s"), files=_Whatever(b"text"))


def _manifest(folder: Path) -> None:
    text = read_text(folder / "devenv.yaml", "devenv.yaml")
    manifest, _ = parse(text, file="devenv.yaml", kinds=Facts(_kinds()), folder="shop", variables={"X": "1"})
    _rendered(manifest, _kinds())


def _promoted(folder: Path) -> None:
    project = Project(Workspace(folder / "devenv.yaml"), {"X": "1"}, Memory(folder / ".cache"))
    manifest, _, _ = project.manifest.parsed
    charts.chart(project)
    for name in manifest.environments:
        charts.values_file(project, name)


def _rendered(manifest: Manifest, catalogue: Catalogue) -> None:
    asked = outline(manifest, catalogue)
    ports, _ = allot(asked.claims, taken={}, current={}, checkout="c0ffee", remap=False)
    stack = resolve(manifest, catalogue, World("c0ffee", ports, _Whatever(b"text")))
    for renderer in (compose, kubernetes, process):
        renderer.render(stack, SOURCE)


def _kind(folder: Path) -> None:
    for file in folder.iterdir():
        name, shown = file.stem, f"infra/{file.name}"
        catalogue = Catalogue(assets.catalogue() | {name: read_text(file, shown)}, {name: shown})
        manifest = f"services:\n  api: {{image: x, uses: [{name}]}}\n"
        parsed, _ = parse(manifest, file="devenv.yaml", kinds=Facts(catalogue), folder="shop")
        _rendered(parsed, catalogue)


def _override(folder: Path) -> None:
    overrides.read(read_text(folder / "mine.yaml", "mine.yaml"), file="mine.yaml")


def _gateways() -> list[Files]:
    """Configurations of the examples, and those that the page about `init --from-kong` shows."""
    page = _text(ROOT / "docs/init.md")
    shown = [text for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "_format_version" in text]
    return [
        *_files("kong.y*ml", "examples", "tests", name="kong.yml"),
        *({"kong.yml": text} for text in shown),
        {"kong.yml": _text(Path(__file__).with_name("kong.yml"))},
    ]


def _clustered() -> list[Files]:
    """Objects of Kubernetes, those of a file as one list."""
    texts = [file["stack.yaml"] for file in _files("stack.yaml", "tests")]
    lists = [{"apiVersion": "v1", "kind": "List", "items": [*documents.load_all(text)]} for text in texts]
    return [{"objects.yaml": to_yaml(each)} for each in lists]


def _kubernetes(folder: Path) -> None:
    (file,) = folder.iterdir()
    _written(objects.drafted(objects.objects(folder, [file.name]), folder, {}, [file.name]))


PACKAGE_FILES = (
    "package.json", "requirements.txt", "go.mod", "pom.xml", "Gemfile", "Procfile", ".env.example", "*/main.py", "main.py"
)  # fmt: skip
TARGETS: Mapping[str, Target] = {
    "dockerfile": Target(
        lambda: _files("*Dockerfile*", "examples", "tests", "templates", name="Dockerfile"),
        _dockerfile,
        (
            "FROM x\n", "FROM ", " AS base", "\n", "COPY ", "ADD ", "--from=", "--from=0 ", "--chown=x ", "[", "]", '"', "'",
            "\\", "\\\n", "$", "${", "${A:-", "${A:+", "}", "ARG ", "ENV ", "=", "WORKDIR ", "RUN ", "<<EOF", "\nEOF\n",
            "CMD ", "ENTRYPOINT ", "EXPOSE ", "80-90", "/udp", "# escape=`\n", "# syntax=", "ONBUILD ", "VOLUME ", "SHELL ",
            "HEALTHCHECK ", "--mount=type=bind,source=", "--exclude=", "--parents ", "[5]\n", "\r\n", "https://a/b.tar", "git@x:y",
        ),
    ),
    "ignored": Target(
        lambda: [*_files(".gitignore", "examples", "tests"), *_files(".dockerignore", "examples", "tests")],
        _ignored,
        ("!", "/", "**", "*", "?", "[", "]", "[!", "[^", "-", "[z-a]", "[!z", "\\", "#", " ", "\n", "..", "./", "[]", "[[:alpha:]]"),
    ),
    "env": Target(
        lambda: [*_files("*.env", "examples", "tests", name=".env"), *_files(".env*", "examples", "tests", name=".env")],
        _env,
        ("A", "=", "'", '"', "$", "${", "}", ":-", "\\", "\n", " ", "#", "export ", "\r", "\t", "`", "$(", "\\n", "\udcff"),
    ),
    "compose": Target(
        lambda: _folders("*compose.y*ml", ".env*", "*.env", "*.conf", "Dockerfile"),
        _compose,
        sorted({*_keys(FILE), "${", "$X", "${X:-", "${X:?", "}", ":", "::", "8080:80", "[::1]:", "./", "../", "data:/", ":ro"}),
    ),
    "kubernetes": Target(
        _clustered,
        _kubernetes,
        (*_keys(shape_of("Deployment")), *_keys(shape_of("Ingress")), "---\n", "null", "$(X)", "{{ .x }}", "[]", "{}"),
    ),
    "kong": Target(
        _gateways,
        _kong,
        sorted({*_keys(GATEWAY), "http://", "://", "[::1]", ":99999", "~/", "(", "*.", "{vault://env/x}", "GET", "a", "b"}),
    ),
    "packages": Target(
        lambda: [folder for name in ("package.json", "requirements.txt", "go.mod", "pom.xml", "Gemfile") for folder in _folders(name, "Dockerfile", *PACKAGE_FILES)],
        _packages,
        ("EXPOSE ", "99999", "PORT=", "web: ", "worker: ", "-p ", "{", "}", '"scripts": ', '"dev": ', '"workspaces": ', "server.port="),
    ),
    "manifest": Target(
        lambda: _files("devenv.y*ml", "examples", "tests", "templates", name="devenv.yaml"),
        _manifest,
        ("${", "${env.", "${a.url}", "}", "$${", "!reset ", "!!binary ", "<<: ", "&a ", "*a", "? ", "1e999", ".inf", "0x1f", "~"),
    ),
    "promoted": Target(
        lambda: _folders("devenv.yaml", "Dockerfile", "*.sql", "kong*.yml", "*.json", ".env", "alerts.yaml", "permissions.yml", "Jenkinsfile", "*.js", "*.ini", "*.ndjson"),
        _promoted,
        ("${", "${env.", "}", "environments", "context", "ingress", "httproute", "deploy", "external", "replicas", "host"),
    ),
    "kind": Target(
        lambda: _files("*.yaml", "compose"),
        _kind,
        ("${", "${host}", "${port}", "}", "x-devenv", "<18", ">=", "data:/"),
    ),
    "override": Target(lambda: _files("*.yaml", "minikube", name="mine.yaml"), _override),
}  # fmt: skip
"""Name -> target, as `make fuzz` prints them."""
