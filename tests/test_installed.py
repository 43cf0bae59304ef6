"""What people install: the wheel with today's newest of everything it depends on, on the oldest and the newest Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from tests import serving
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = [
    version
    for classifier in PROJECT["classifiers"]
    if (version := classifier.removeprefix("Programming Language :: Python :: ")).startswith("3.")
]
STACK = 'services:\n  web: {image: "busybox:1.37", command: sleep 900, grace: 1s}\n'

pytestmark = pytest.mark.registry


def test_the_oldest_python_is_the_one_that_pip_asks_for() -> None:
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"


@dataclass(frozen=True)
class Installed:
    """An environment of its own with the wheel in it."""

    folder: Path

    def devenv(self, cwd: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run its `devenv`; a warning is an error, a traceback a failure."""
        ended = subprocess.run(
            [str(self.folder / "bin" / "devenv"), *arguments],
            cwd=cwd,
            env={**os.environ, "NO_COLOR": "1", **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        assert "Warning" not in ended.stderr, ended.stderr
        return ended


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module", params=[PYTHONS[0], PYTHONS[-1]])
def installed(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    python = subprocess.run(
        ["bash", str(ROOT / "tests/machine/python.sh"), "--find", request.param],
        capture_output=True,
        text=True,
        check=False,
    )
    assert python.returncode == 0, python.stderr
    folder = tmp_path_factory.mktemp("installed") / request.param
    subprocess.run([python.stdout.strip(), "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(folder / "bin" / "python"),
        "install",
        "--quiet",
        "--no-compile",
    ]
    subprocess.run([*pip, "--only-binary", ":all:", str(wheel)], check=True, timeout=300)
    compiled = "import compileall, devenv; compileall.compile_dir(devenv.__path__[0], quiet=1)"  # as pip does
    subprocess.run([str(folder / "bin" / "python"), "-I", "-c", compiled], check=True)
    return Installed(folder)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "devenv.yaml").write_text(f"name: fresh-{uuid4().hex[:8]}\n{STACK}", encoding="utf-8")
    return tmp_path


def test_it_says_what_it_is_and_can(installed: Installed, tmp_path: Path) -> None:
    assert installed.devenv(tmp_path, "--version").stdout.startswith("devenv ")
    assert "restart" in installed.devenv(tmp_path, "--help").stdout
    assert json.loads(installed.devenv(tmp_path, "schema").stdout)["properties"]["services"]


@pytest.mark.parametrize("template", ["fullstack", "node-web", "python-api"])
def test_it_begins_a_project(installed: Installed, tmp_path: Path, template: str) -> None:
    ended = installed.devenv(tmp_path, "init", "--template", template)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "devenv.yaml").is_file()


@pytest.mark.engine
@pytest.mark.parametrize("example", ["hello", "shop"])
def test_it_plans_and_renders_the_examples(installed: Installed, tmp_path: Path, example: str) -> None:
    manifest = ROOT / "examples" / example / "devenv.yaml"
    planned = installed.devenv(tmp_path, "plan", "-f", str(manifest))
    assert planned.returncode == 0, planned.stderr
    rendered = installed.devenv(tmp_path, "render", "-f", str(manifest), "-o", str(tmp_path / "out"))
    assert rendered.returncode == 0, rendered.stderr
    assert (tmp_path / "out" / "compose.yaml").is_file()


@dataclass
class Api:
    """An API server that shows everybody an empty cluster and lets nobody change it."""

    url: str = ""
    changes: list[str] = field(default_factory=list)

    def kubeconfig(self, folder: Path) -> str:
        context = {"cluster": "lab", "user": "lab"}
        path = folder / "kubeconfig"
        config = {
            "current-context": "lab",
            "contexts": [{"name": "lab", "context": context}],
            "clusters": [{"name": "lab", "cluster": {"server": self.url}}],
            "users": [{"name": "lab", "user": {"token": "t"}}],
        }
        path.write_text(json.dumps(config), encoding="utf-8")
        return str(path)


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()

    class Handler(serving.Handler):
        def do_GET(self) -> None:
            name = self.path.partition("?")[0].rpartition("/")[2]
            if name == "version":
                self.send_json({"major": "1", "minor": "33", "gitVersion": "v1.33.1"}, 200)
            elif name.endswith("s"):
                self.send_json({"items": [], "metadata": {"resourceVersion": "1"}}, 200)
            else:
                self.send_json({"kind": "Status", "message": "not found", "reason": "NotFound"}, 404)

        def do_PATCH(self) -> None:
            api.changes.append(f"{self.command} {self.path.partition('?')[0]}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_json(
                {"kind": "Status", "message": "this cluster never changes", "reason": "Invalid"}, 422
            )

        do_POST = do_DELETE = do_PATCH

    with serving.listening(Handler) as server:
        api.url = server.address
        yield api


@pytest.mark.engine
def test_its_kubernetes_client_sends_what_we_ask(installed: Installed, project: Path, api: Api) -> None:
    ended = installed.devenv(project, "up", "-d", "-b", "kube", KUBECONFIG=api.kubeconfig(project))
    assert (ended.returncode, bool(api.changes)) == (1, True), ended.stderr
    assert "this cluster never changes" in ended.stderr


@pytest.mark.engine
@pytest.mark.cluster
def test_it_brings_a_stack_up_on_a_cluster(installed: Installed, project: Path) -> None:
    try:
        up = installed.devenv(project, "up", "-d", "-b", "kube")
        assert up.returncode == 0, up.stderr
        ended = installed.devenv(project, "exec", "-b", "kube", "web", "echo", "from inside")
        assert (ended.returncode, ended.stdout) == (0, "from inside\n"), ended.stderr
    finally:
        down = installed.devenv(project, "down", "-b", "kube", "--volumes", "-y")
    assert down.returncode == 0, down.stderr
