"""What is remembered of an image whose sources changed while it was built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from devenv.engine.reloading.synced import Synced
from devenv.sources.digests import Digests
from devenv.sources.folder import Folder
from devenv.stack.model import Build, Unit
from devenv.stack.reloading.rules import infer

DOCKERFILE = "FROM python\nCOPY needs.txt .\nRUN pip install -r needs.txt\nCOPY src /app\nCMD serve\n"
WEB = Unit("web", "service", "web:1", build=Build("web", digest="1"))


class Project:
    """One service. What was read of it before its files change is `synced`."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, Folder(root / "web")
        for name in ("needs.txt", "src/same.py", "src/main.py", "src/gone.py"):
            self.write(name, "first")
        self.synced = self.read()

    def write(self, name: str, text: str) -> None:
        file = self.root / "web" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def read(self) -> Synced:
        assert WEB.build is not None
        key = WEB.build.key
        rules = infer(DOCKERFILE, context="web")
        contents = {key: self.folder.contents(Digests({}))}
        return Synced(self.root / ".devenv", {"web": rules}, folders={key: self.folder}, contents=contents)

    def held(self, unit: Unit = WEB) -> dict[str, str] | None:
        """Path in a container of `web:1` -> what it holds there."""
        held = self.synced.held(unit, "web:1")
        return None if held is None else {target: source.digest for target, source in held.items()}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_of_what_changed_while_an_image_was_built_it_may_hold_either(project: Project) -> None:
    same = Digests({}).of(project.root / "web/src/same.py")
    project.write("src/main.py", "second")
    project.write("src/new.py", "second")
    (project.root / "web/src/gone.py").unlink()
    project.synced.remember([WEB], ["web"], Digests({}))
    unsure = {"/app/same.py": same, "/app/main.py": "?", "/app/new.py": "?", "/app/gone.py": "?"}
    assert project.held() == unsure
    project.synced = project.read()
    project.synced.remember([WEB], [], Digests({}))  # started from it again
    assert project.held() == unsure
    project.synced.remember([WEB], ["web"], Digests({}))
    assert set((project.held() or {}).values()) == {same, Digests({}).of(project.root / "web/src/main.py")}


def test_nobody_knows_an_image_during_whose_build_changed_what_only_a_build_brings(project: Project) -> None:
    later = replace(WEB, build=Build("web", digest="2"))
    project.synced.remember([WEB], ["web"], Digests({}))
    assert project.held(later) is not None
    project.write("needs.txt", "second")
    project.synced.remember([WEB], ["web"], Digests({}))
    assert project.held(later) is None


def test_a_service_that_shares_an_image_knows_no_more_of_it(project: Project) -> None:
    project.synced = replace(
        project.synced, rules=dict.fromkeys(("web", "worker"), project.synced.rules["web"])
    )
    project.write("src/main.py", "second")
    project.synced.remember([WEB, replace(WEB, name="worker")], ["web"], Digests({}))
    assert (project.held() or {})["/app/main.py"] == "?"
