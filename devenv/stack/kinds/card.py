"""What a kind says of itself, for people: its row in a list, and all of its page."""

from __future__ import annotations

from dataclasses import dataclass, field

from devenv.stack.infra import variable
from devenv.stack.kinds.catalogue import Kind
from devenv.stack.kinds.file import GeneratedSecret, Option

TRIED = {
    "": "",
    "real": "real server",
    "stand-in": "a stand-in for the server",
    "rendered": "rendered only, not run",
}
"""How devenv's own tests run a kind."""


@dataclass(frozen=True)
class Card:
    """A kind, in words. `file`: where the project has it; "" for what comes with devenv."""

    name: str
    also: list[str]
    about: str
    part: str
    options: dict[str, str]
    variables: list[str]
    pages: list[str]
    ports: dict[str, int]
    services: list[str]
    uses: list[str]
    programs: list[str]
    production: str
    tried: str
    file: str = field(default="")


def card(kind: Kind, file: str = "") -> Card:
    """What a kind's file says of it."""
    block, services = kind.block, kind.file.services
    return Card(
        name=kind.name,
        also=[*block.also],
        about=block.about,
        part=f"{kind.name}/{block.part.option.upper()}" if block.part else "",
        options={name: _shown(default) for name, default in block.options.items()},
        variables=[*dict.fromkeys(name.replace("${NAME}", variable(kind.name)) for name in block.env)],
        pages=[*block.links],
        ports={port.name: port.target for service in services.values() for port in service.ports},
        services=[name for name, service in services.items() if service.once is None],
        uses=block.uses,
        programs=[way.program for way in block.process if way.program],
        production=block.production,
        tried=TRIED[block.tried],
        file=file,
    )


def _shown(default: Option) -> str:
    match default:
        case GeneratedSecret():
            return "made up once for each checkout"
        case list():
            return f"[{', '.join(default)}]"
    return default
