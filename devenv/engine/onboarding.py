"""What `onboard` keeps and asks: the passport in `.devenv`, new secrets, the requests of the manifest."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace

from devenv.backends.probe import status
from devenv.engine.project import Project
from devenv.envfiles import read_env
from devenv.errors import DevenvError
from devenv.manifest.fields import Request
from devenv.plan.onboarding import Passport, port_of
from devenv.stack.model import Stack
from devenv.workspace import Workspace, quoted
from devenv.writing import write_whole

FILE = "onboard.json"
TRIES, PAUSE = 15, 1.0  # looks at a request, and the seconds between: a gateway may still learn its routes


class Journey:
    """A passport that is kept after every step, so that the next `onboard` goes on from there."""

    def __init__(self, space: Workspace) -> None:
        self._space = space
        self.passport = _read(space)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step, which is done unless it raises."""
        began, done = time.monotonic(), False
        try:
            yield
            done = True
        finally:
            self.passport = self.passport.spent(name, time.monotonic() - began, done=done)
            self._keep()

    def forget(self, name: str) -> None:
        """Have the next `onboard` take a step again, if it was taken."""
        if name in self.passport.done:
            self.passport = replace(
                self.passport, done=tuple(step for step in self.passport.done if step != name)
            )
            self._keep()

    def edited(self, file: str, seconds: float) -> None:
        """Note the first edit."""
        self.passport = replace(self.passport, edited=file, edit=seconds)
        self._keep()

    def _keep(self) -> None:
        self._space.write({FILE: json.dumps(asdict(self.passport))})


def _read(space: Workspace) -> Passport:
    try:
        kept = json.loads((space.state / FILE).read_text(encoding="utf-8"))
        seconds = {str(step): float(took) for step, took in kept["seconds"].items()}
        done, edited, edit = kept["done"], kept.get("edited", ""), kept.get("edit", 0.0)
        return Passport(seconds, tuple(map(str, done)), str(edited), float(edit))
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ):  # a new clone, or one that was cut short
        return Passport()


def missing(project: Project, stack: Stack, environment: Mapping[str, str]) -> dict[str, str]:
    """Secret without a value -> where to get it, as far as the manifest says."""
    space, (manifest, _, _) = project.workspace, project.manifest.parsed
    there = {**read_env(space.state / "secrets.env"), **read_env(space.root / ".env"), **environment}
    sources = manifest.secrets
    return {
        name: sources[name].ask if name in sources else ""
        for name in sorted(stack.secrets)
        if not there.get(name)
    }


def keep(space: Workspace, name: str, value: str) -> None:
    """Write a secret into `.env`, which nobody else can read afterwards. Raises `DevenvError`."""
    file = space.root / ".env"
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        gap = "" if before.endswith("\n") or not before else "\n"
        write_whole(file, f"{before}{gap}{name}={quoted(value)}\n", mode=0o600)
    except OSError as error:
        raise DevenvError(f"cannot write {file}", why=(error.strerror or "").lower()) from error


def smoke(project: Project, stack: Stack, say: Callable[[str], None]) -> list[str]:
    """Make each request of the manifest until it gets its status. Raises `DevenvError` if it never does."""
    manifest, _, _ = project.manifest.parsed
    answers = []
    for text in manifest.smoke:
        request = Request.read(text)
        code, line = _asked(request, port_of(request, stack), say)
        if code != request.status:
            what = f"{request.method} {request.service}{request.path} does not answer with {request.status}"
            hint = f"devenv logs {request.service}".strip()
            raise DevenvError(
                what, where="smoke: in the manifest", why=line, hint=f"{hint}; then devenv onboard"
            )
        answers.append(f"{request.method} {request.service}{request.path}  {line.partition(':')[0]}")
        say(answers[-1])
    return answers


def _asked(request: Request, port: int, say: Callable[[str], None]) -> tuple[int, str]:
    code, line = status(request.method, port, request.path)
    for attempt in range(1, TRIES):
        if code == request.status:
            break
        if attempt == 1:
            say(f"{request.method} {request.service}{request.path}  {line}; asked for {TRIES * PAUSE:g} s")
        time.sleep(PAUSE)
        code, line = status(request.method, port, request.path)
    return code, line
