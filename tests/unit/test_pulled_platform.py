"""An image is fetched for the platform that its unit is to run on, as Compose does itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devenv.backends.compose.session import ComposeSession
from devenv.backends.images import Images

from .stacks import stack

pytestmark = pytest.mark.programs

PULLED = {
    "mssql": ("infra: {mssql: {}}", "mcr.microsoft.com/mssql/server", "linux/amd64"),
    "a service": ("", "old:1", "linux/386"),
    "any": ("", "new:1", ""),
}


@pytest.mark.parametrize(("infra", "image", "platform"), PULLED.values(), ids=PULLED)
def test_the_platform_of_a_unit_is_asked_for(
    infra: str, image: str, platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$@"\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    app = stack(f"""
        name: a
        services:
          old: {{image: "old:1", port: 80, compose: {{platform: linux/386}}}}
          new: {{image: "new:1", port: 80, uses: [mssql]}}
        {infra}
    """)
    name = next(unit.image for unit in app.units if unit.image.startswith(image))
    engine: Any = SimpleNamespace(events=SimpleNamespace(listen=lambda stack: None))
    connection: Any = SimpleNamespace(images=Images("", lambda: engine), engine=engine)
    work: Any = SimpleNamespace(stack=app)
    said: list[str] = []
    ComposeSession(connection, tmp_path, work).pull(name, said.append)
    assert (f"--platform={platform} " in said[-1]) if platform else ("--platform" not in said[-1])
    assert said[-1].endswith(name)
