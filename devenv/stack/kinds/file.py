"""The shape of a kind's file: services, and the `x-devenv` block on top.

Texts may contain `${...}`, which is filled in later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from devenv.manifest import base
from devenv.manifest.fields import OneOrMany, Text
from devenv.stack.kinds.service import Model, Service, absolute, asked

Taken = Literal["traces", "logs", "metrics"]
"""What every service has to give, and one kind takes."""
TAKEN: tuple[Taken, ...] = get_args(Taken)


class Config(Model):
    """A configuration file: text with references, written in the kind's file."""

    content: str


class GeneratedSecret(Model):
    """An option that is made up once per checkout."""

    secret: Literal[True]


Option = Text | list[Text] | GeneratedSecret


class Part(Model):
    """What `uses: [postgres/billing]` means: the option set to `billing`, and the list it joins.

    `dots`: whether its names may have some.
    """

    option: str
    collects: str = ""
    dots: bool = False


class Gateway(Model):
    """Says that the kind is a gateway: where it reads its routes, and the port it serves them on.

    `plugins` are for every route, with their settings, unless the manifest has one of that name there.
    """

    config: Annotated[str, AfterValidator(absolute)]
    port: base.Port
    plugins: dict[str, dict[str, Any]] = Field({})


class Command(Model):
    """A command in the main service's container."""

    exec: list[Text]


class Wheel(Model):
    """A Python package that brings a program, and the folder of its programs, below where packages lie."""

    package: str
    programs: str


class Process(Model):
    """How the kind runs as a plain process: scripts for `sh` that find their place in variables.

    `program` is looked for on the PATH, then in the package of `wheel`; none is needed for what this project
    brings itself, and for `packages`: those of Python that are installed into an environment of their own.
    `new` makes the data, in a folder that takes its name only when all went well. `$DATA` is the folder of
    the main service's first volume, `$FILES` that of its mounted files, `$RUN` one with a short path, for
    sockets; `$PYTHON` is the interpreter that runs devenv, or that of `packages`. `ready`: by the kind's own
    check, or as soon as the main port is open; `check`: by another script than the kind's own.
    `clients`: programs that people call in its surroundings, and what puts its address before their
    words. `rootless`: it refuses to run as root. `stand_in`: another program plays its part. `oldest`:
    it may be of any version from this one on, and not only of the major that is asked for. `asked`: what
    prints that version, for a program that `--version` would start; `$1` is its folder. `install` is
    what to type to have it. `note`: what it does otherwise, for people. `carries`: the kind's `dump` and
    `load` work on it.
    """

    program: str = ""
    oldest: str = ""
    asked: str = ""
    wheel: Wheel | None = None
    packages: list[str] = Field([])
    command: str
    new: str = ""
    environment: dict[str, Text] = Field({})
    ready: Literal["check", "port"] = "check"
    check: str = ""
    clients: dict[str, str] = Field({})
    stop: str = "TERM"
    rootless: bool = False
    stand_in: bool = False
    note: str = ""
    install: str = ""
    carries: bool = True


class Word(Model):
    """Another word for the kind, and what it stands for: another image and its version, or just the same."""

    image: str = ""
    version: Text | None = None


def _words_for(value: Any) -> Any:
    many = [value] if isinstance(value, str) else value
    if isinstance(many, list) and all(isinstance(word, str) for word in many):
        return {word: {} for word in many}
    return many


class Imported(Model):
    """What Compose files write for the kind, beside its own image, variables, words, ports and folders.

    `like`: images that serve in its place as they are; `instead`: images for which it stands in.
    `options`: variable -> option; `flags`: word of a command -> the option whose value comes next.
    `without`: what those images take for an option that is not set, `$` before another option.
    `unneeded`: variables, or how they begin before a `*`, and `words` of commands, that mean nothing to
    it. `data`: folders of volumes. `refused`: variable -> `always`, `unless OTHER`, or the value with
    which it asks for more than the kind can mean. `ports`: a port of it -> other numbers for it.
    `listens`: a variable, or a word of a command before it, with `:PORT` -> the port of it that this is.
    `kept`: variables that mean something to it though `unneeded` has how they begin.
    `of_others`: variable -> option, where only images of `instead` know the variable.
    `parts`: a service that it brings, or needs none of -> images of it.
    """

    like: list[str] = Field([])
    instead: list[str] = Field([])
    options: dict[str, str] = Field({})
    flags: dict[str, str] = Field({})
    without: dict[str, Text] = Field({})
    unneeded: list[str] = Field([])
    words: list[Text] = Field([])
    data: list[str] = Field([])
    refused: dict[str, Text] = Field({})
    ports: dict[str, list[base.Port]] = Field({})
    listens: dict[str, str] = Field({})
    kept: list[str] = Field([])
    of_others: dict[str, str] = Field({})
    parts: dict[str, list[str]] = Field({})


class Variant(Model):
    """What differs for some versions, laid over the file; the sum of both is checked."""

    services: dict[str, dict[str, Any]]


class Data(Model):
    """What becomes of options, and of variables in `env`, once the store has data.

    `new` count only while it is new; `later` are brought about in data that is there by the service's own
    check: an option, and what is done to it in a word ("set"). `scripts` is the folder whose shell scripts,
    and what else lies there, run once in the order of their names, as the server's own user.
    """

    new: list[str] = Field([])
    later: dict[str, str] = Field({})
    scripts: str = ""


class Block(Model):
    """`x-devenv`: facts that have no place in a Compose file."""

    about: str
    also: Annotated[dict[str, Word], BeforeValidator(_words_for)] = Field({})
    instead_of: dict[str, str] = Field({})
    """Another project's name -> why that is no kind, and what of this kind does its work."""
    options: dict[str, Option] = Field({})
    url: str = ""
    env: dict[str, str] = Field({})
    part: Part | None = None
    gateway: Gateway | None = None
    uses: Annotated[list[str], OneOrMany()] = Field([])
    joins: Annotated[list[str], OneOrMany()] = Field([])
    """Kinds, or what one takes, that its texts may refer to where the stack has them; it waits for none."""
    takes: Annotated[list[Taken], OneOrMany()] = Field([])
    """What it takes of the whole stack, by one word of the manifest."""
    metrics: Annotated[str, AfterValidator(asked)] = ""
    """Port and path at which its main service has metrics: `15692/metrics`."""
    links: dict[str, str] = Field({})
    oldest: dict[str, Text] = Field({})
    needs: str = ""
    """Why older ones do not work."""
    tag: str = ""
    versions: dict[str, Variant] = Field({})
    when: dict[str, dict[str, Any]] = Field({})
    """`password` or `user=root`: what differs where the manifest sets that option, laid over the file;
    `jaeger` or `traces`: where the stack has what it joins; and `logs`: where it takes those itself."""
    uid: int | None = None
    dump: Command | Literal["volume"] | None = None
    """`volume`: no client can export all of it, so its volume is copied while it is stopped."""
    load: Command | None = None
    data: Data | None = None
    process: Annotated[list[Process], OneOrMany()] = Field([])
    """Ways to run it as a plain process: the first whose program is there is taken."""
    imported: Imported = Field(Imported())
    """By what `init --from-compose` knows it."""
    production: str = ""
    tried: Literal["", "real", "stand-in", "rendered"] = ""
    """How devenv's own tests run it: its real server, another one in its place, or no server at all."""


def _nothing(value: Any) -> Any:
    return {} if value is None else value


class Nothing(Model):
    """A declared volume, which has no settings."""


class KindFile(Model):
    """One kind: its block, the services that make it up, and their volumes and configuration files."""

    instead: ClassVar[Mapping[str, str]] = {
        "name": "remove it: the file's name is the kind's",
        "networks": "remove it: the units of a stack reach each other by name",
        "secrets": "write options: {password: {secret: true}}, below x-devenv",
        "version": "remove it: which version runs is an option, below x-devenv",
    }

    block: Block = Field(alias="x-devenv")
    services: dict[str, Service]
    volumes: dict[str, Annotated[Nothing, BeforeValidator(_nothing)]] = Field({})
    configs: dict[str, Config] = Field({})
