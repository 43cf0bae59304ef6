"""The infra kinds as a person meets them: what there is, and whether a file makes a good one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devenv import assets
from devenv.errors import DevenvError
from devenv.manifest.parse import parse
from devenv.render import compose, kubernetes
from devenv.render.bundle import Source
from devenv.stack.fingerprints import fingerprint
from devenv.stack.kinds.card import Card, card
from devenv.stack.kinds.catalogue import Catalogue, Facts, Kind
from devenv.stack.kinds.file import GeneratedSecret
from devenv.stack.model import Stack, Unit
from devenv.stack.outline import outline
from devenv.stack.ports import allot
from devenv.stack.resolve import resolve
from devenv.stack.world import World


def cards(catalogue: Catalogue, own: Mapping[str, str]) -> list[Card]:
    """Every kind in words; `own`: kind of the project -> its file."""
    return [card(catalogue[name], own.get(name, "")) for name in catalogue]


# -- whether a file makes a good kind


@dataclass(frozen=True)
class Check:
    """What a kind should do, and why it does not; "" where it does."""

    promise: str
    wrong: str


@dataclass(frozen=True)
class _Used:
    """A kind, and the stack of one service that uses it."""

    kind: Kind
    stack: Stack
    text: str

    @property
    def units(self) -> list[Unit]:
        """The units of the kind that go on running."""
        return [unit for unit in self.stack.units if unit.engine == self.kind.name and unit.role == "infra"]


def check(name: str, text: str, file: str) -> list[Check]:
    """What becomes of each promise of a kind. Raises `ManifestInvalid` where the file is none."""
    catalogue = Catalogue(assets.catalogue() | {name: text}, {name: file})
    used = _Used(catalogue[name], _stack(name, catalogue), text)
    return [Check(promise, next(find(used), "")) for promise, find in CHECKS.items()]


def _stack(name: str, catalogue: Catalogue) -> Stack:
    gateway = catalogue[name].block.gateway is not None
    user = "{image: none, port: 80, route: /}" if gateway else f"{{image: none, uses: [{name}]}}"
    text = f"name: check\nservices: {{kind-user: {user}}}\ninfra: {{{name}: {{}}}}\n"
    manifest, _ = parse(text, file="devenv.yaml", kinds=Facts(catalogue))
    claims = outline(manifest, catalogue).claims
    ports, _ = allot(claims, taken={}, current={}, checkout="check", remap=True)
    return resolve(manifest, catalogue, World("check", ports))


def _source(stack: Stack) -> Source:
    secrets = dict.fromkeys(stack.secrets | stack.generated, "secret")
    return Source(
        fingerprints={unit.name: fingerprint(unit, secrets) for unit in stack.units}, secrets=secrets
    )


def _finished(used: _Used) -> Iterator[str]:
    for number, line in enumerate(used.text.splitlines(), 1):
        if "TODO" in line.removesuffix("Lines with TODO are yours."):
            yield f"line {number}: {line.strip()}"


def _pinned(used: _Used) -> Iterator[str]:
    for unit in used.units:
        _, colon, tag = unit.image.rpartition("/")[2].partition(":")
        if not colon or tag == "latest":
            yield f"{unit.image} is another image tomorrow: write its version"


def _waited_for(used: _Used) -> Iterator[str]:
    for unit in used.units:
        if unit.probe is None:
            yield f"{unit.name} has no healthcheck: what uses it starts too early"


def _asked_as_users_do(used: _Used) -> Iterator[str]:
    for unit in used.units:
        command = " ".join(map(str, unit.probe.command)) if unit.probe else ""
        if re.search(r"/run/|\.sock\b|^\S*/?(pg_isready|mysqladmin)(?!.* -h)", command):
            yield f"{unit.name} is asked on a socket, as one"


def _limited(used: _Used) -> Iterator[str]:
    for unit in used.units:
        if unit.memory is None:
            yield f"{unit.name} may take all memory: write mem_limit: ${{memory}}"


_SECRET = re.compile(r"password|passwd|secret|token", re.IGNORECASE)


def _secret(used: _Used) -> Iterator[str]:
    for name, default in used.kind.options.items():
        if _SECRET.search(name) and default and not isinstance(default, GeneratedSecret):
            yield f"option {name} is the same everywhere: write {name}: {{secret: true}}"
    for key, service in used.kind.file.services.items():
        for name, value in service.environment.items():
            if name.upper().endswith(("PASSWORD", "PASS", "SECRET", "TOKEN")) and value and "${" not in value:
                yield f"services.{key}.environment.{name} is the same everywhere: refer to a secret option"


def _kept(used: _Used) -> Iterator[str]:
    block, main = used.kind.block, used.kind.file.services[used.kind.name]
    if (block.dump or block.load or block.data) and not main.volumes:
        yield 'its data goes with its container: write volumes: ["data:/folder"]'


def _named(used: _Used) -> Iterator[str]:
    for service in used.kind.file.services.values():
        for port in service.ports:
            if port.name.startswith("port-"):
                yield f"{port.target} has no name: write {{name: main, target: {port.target}}}"


_ADDRESS = re.compile(r"\$\{(?:[\w-]+\.)?(?:url|host|address)\b")


def _reached(used: _Used) -> Iterator[str]:
    block = used.kind.block
    if not block.gateway and not any(map(_ADDRESS.search, block.env.values())):
        yield 'no variable has its address: write env: {"${NAME}_URL": "${url}"}'


def _advised(used: _Used) -> Iterator[str]:
    if not used.kind.block.production:
        yield "write production: what to use there"


def _rendered(render: Callable[[Stack, Source], Any]) -> Callable[[_Used], Iterator[str]]:
    def find(used: _Used) -> Iterator[str]:
        try:
            render(used.stack, _source(used.stack))
        except DevenvError as error:
            yield str(error)

    return find


CHECKS: Mapping[str, Callable[[_Used], Iterator[str]]] = {
    "nothing is left to fill in": _finished,
    "images are pinned": _pinned,
    "what uses it waits until it is ready": _waited_for,
    "its check fails while it initialises": _asked_as_users_do,
    "memory is limited": _limited,
    "passwords are made for each checkout": _secret,
    "data outlives its container": _kept,
    "ports have names": _named,
    "users get its address": _reached,
    "it says what to use in production": _advised,
    "it renders for Compose": _rendered(compose.render),
    "it renders for Kubernetes": _rendered(kubernetes.render),
}
