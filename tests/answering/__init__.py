"""Compose projects of several styles, what they are asked, and what they answer wherever they run.

Each is a folder. A line of its `requests.txt` is the variable of a published port, a method, a path and a body, and after
`=>` the answer; one that begins with `compose:` is asked on Compose alone.
"""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from tests.e2e.checkout import eventually
from tests.serving import free_port

HERE = Path(__file__).parent
COMPOSE = "compose: "
STACKS = sorted(folder.name for folder in HERE.iterdir() if (folder / "requests.txt").exists())


@dataclass(frozen=True)
class Request:
    """A request, and its answer."""

    variable: str
    method: str
    path: str
    body: str
    answer: str
    everywhere: bool

    @classmethod
    def of(cls, line: str) -> Request:
        asked, _, answer = line.removeprefix(COMPOSE).partition(" => ")
        variable, *words = asked.split()
        method = words.pop(0) if words[0].isupper() else "GET"
        return cls(variable, method, words[0], " ".join(words[1:]), answer, not line.startswith(COMPOSE))

    def answered(self, port: int) -> str:
        """What is answered, its blanks as one each; nothing while nobody does."""
        url = f"http://127.0.0.1:{port}{self.path}"
        request = urllib.request.Request(url, self.body.encode() or None, method=self.method)
        try:
            with urllib.request.urlopen(request, timeout=40) as response:
                return " ".join(response.read().decode().split())
        except (OSError, HTTPException):
            return ""


@dataclass(frozen=True)
class Project:
    """A copy of a project, what it is asked, and the port of each variable, which its `.env` has."""

    requests: Sequence[Request]
    ports: Mapping[str, int]

    @classmethod
    def copied(cls, stack: str, to: Path, name: str) -> Project:
        shutil.copytree(HERE / stack, to, dirs_exist_ok=True)
        lines = (to / "requests.txt").read_text(encoding="utf-8").splitlines()
        requests = [Request.of(line) for line in lines]
        ports = {variable: free_port() for variable in {request.variable for request in requests}}
        variables = {**ports, "NAME": name}
        text = "".join(f"{variable}={value}\n" for variable, value in variables.items())
        (to / ".env").write_text(text, encoding="utf-8")
        return cls(requests, ports)

    def wrong(self, *, everywhere: bool = False) -> dict[str, str]:
        """What is answered in another way than it should be; the first request is made until it is answered."""
        first = self.requests[0]
        eventually(lambda: first.answered(self.ports[first.variable]), first.path, within=60)
        asked = [request for request in self.requests if request.everywhere or not everywhere]
        answers = [(request, request.answered(self.ports[request.variable])) for request in asked]
        return {request.path: answer for request, answer in answers if answer != request.answer}
