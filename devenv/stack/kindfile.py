"""The shape of a kind's file: a Compose file's services, and the `x-devenv` block on top.

Compose's short forms become its long ones here, so that later code handles one form only. Compose features
that a kind cannot use are refused. Texts may contain `${...}`, which is filled in later.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from devenv.manifest import base
from devenv.manifest.fields import Flag, OneOrMany, Text, cores, seconds, size

LONGEST_PORT_NAME = 15

Taken = Literal["traces"]
"""What every service has to give, and one kind takes."""
TAKEN: tuple[Taken, ...] = get_args(Taken)


class Model(base.Model):
    """Strict, closed, and written in Compose's own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, value: Any) -> Any:
        return value  # `x-once` and `x-files` are ours: any other `x-` key is a mistake


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """The error for a wrong value, with a hint what to write instead."""
    text = f"{message} - {hint}" if hint else message
    return PydanticCustomError("kind", "{text}", {"text": text})


def _once_filled(parse: Callable[[Any], Any]) -> AfterValidator:
    """Validate a text with `parse`, unless it has an option still to be filled in."""

    def check(value: str) -> str:
        if "${" not in value:
            parse(int(value) if value.isdecimal() else value)
        return value

    return AfterValidator(check)


Amount = Annotated[Text, _once_filled(size)]
Cores = Annotated[Text, _once_filled(cores)]
Duration = Annotated[Text, _once_filled(seconds)]


def _words(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return shlex.split(value)
    except ValueError as error:
        raise wrong(f"not a command: {str(error).lower()}", "or write it as a list") from None


Words = Annotated[list[Text], BeforeValidator(_words)]


def _environment(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    pairs = [str(entry).partition("=") for entry in value]
    for name, equals, _ in pairs:
        if not equals:
            raise wrong(f"{name} has no value", "a kind takes nothing from the shell: write NAME=value")
    return {name: text for name, _, text in pairs}


class Port(Model):
    """A port of a service, and the port it asks for on this machine."""

    target: base.Port
    name: str = ""
    published: base.Port | None = None
    protocol: Literal["tcp"] = "tcp"
    outside: str = Field("", alias="x-outside")
    """The port that programs on this machine are led to instead, for a server that names its own address."""

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if name and not re.match(rf"^[a-z][a-z0-9-]{{0,{LONGEST_PORT_NAME - 1}}}$", name):
            raise wrong(f"a port name is at most {LONGEST_PORT_NAME} lower-case letters, digits, hyphens")
        return name


_SHORT_PORT = re.compile(
    r"^(?:127\.0\.0\.1:)?(?:(?P<published>\d+):)?(?P<target>\d+)(?:/(?P<protocol>\w+))?$"
)


def _port(value: Any) -> Any:
    match value:
        case dict():
            long = dict(value)
            if isinstance(long.get("published"), str) and long["published"].isdecimal():
                long["published"] = int(long["published"])
        case int() if not isinstance(value, bool):
            long = {"target": value}
        case str() if short := _SHORT_PORT.match(value):
            long = {
                key: int(part) if part.isdecimal() else part
                for key, part in short.groupdict().items()
                if part
            }
        case _:
            raise wrong("is not a port", 'write 5432, "8080:80", or {name: sql, target: 5432}')
    if isinstance(long.get("target"), int):
        long.setdefault("name", f"port-{long['target']}")
    return long


def _absolute(target: str) -> str:
    if not target.startswith("/") or ".." in target.split("/"):
        raise wrong(f'"{target}" is not a path in a container', "an absolute path")
    return target


class Volume(Model):
    """A volume of the kind, and the folder that it is mounted on."""

    source: str
    target: Annotated[str, AfterValidator(_absolute)]
    type: Literal["volume"] = "volume"


def _volume(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    source, _, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
    target, _, mode = rest.partition(":")
    if not target:
        raise wrong("is not a named volume", "write data:/folder, so that it is kept")
    if source.startswith((".", "/", "~")):
        raise wrong(f'"{source}" is a folder of this machine', "a kind brings its files under configs:")
    if mode not in ("", "rw"):
        raise wrong(f'"{mode}" means nothing here', "write data:/folder")
    return {"source": source, "target": target}


class Mount(Model):
    """A file of the kind's `configs`, and its path in the container."""

    source: str
    target: Annotated[str, AfterValidator(_absolute)]


def _mount(value: Any) -> Any:
    long = {"source": value} if isinstance(value, str) else value
    return {"target": f"/{long['source']}", **long} if isinstance(long, dict) and "source" in long else long


class Condition(Model):
    """What has to be true of a service before another one starts."""

    condition: Literal["service_started", "service_healthy", "service_completed_successfully"]


def _conditions(value: Any) -> Any:
    return {name: {"condition": "service_started"} for name in value} if isinstance(value, list) else value


def _asked(value: str) -> str:
    if not re.match(r"^[1-9]\d*/", value):
        raise wrong(f'"{value}" is not a port and a path', "write 13133/status")
    return value


class Healthcheck(Model):
    """How to know that a service is ready: a command in its container, or for an image that has none to
    run, a port and a path that answers: `x-http: 13133/status`.
    """

    test: list[Text] = Field([])
    http: Annotated[Text, AfterValidator(_asked)] | None = Field(None, alias="x-http")
    interval: Duration = "5s"
    timeout: Duration = "3s"
    retries: int = 3
    start_period: Duration = "60s"
    start_interval: Duration = "500ms"

    @field_validator("test", mode="before")
    @classmethod
    def _in_words(cls, test: Any) -> Any:
        words = ["CMD-SHELL", test] if isinstance(test, str) else test
        if isinstance(words, list) and (len(words) < 2 or words[0] not in ("CMD", "CMD-SHELL")):
            raise wrong("begins with CMD or CMD-SHELL, then what to run", "or leave the healthcheck out")
        return words

    @model_validator(mode="after")
    def _asks_in_one_way(self) -> Healthcheck:
        if bool(self.test) is bool(self.http):
            raise wrong("has one of test and x-http")
        return self


class Limits(Model):
    """The limits of a service, under Compose's `deploy`."""

    cpus: Cores | None = None
    memory: Amount | None = None


class Resources(Model):
    """`deploy.resources`."""

    limits: Limits = Limits.model_construct()


class Deploy(Model):
    """The only part of Compose's `deploy` that a kind supports."""

    resources: Resources = Resources.model_construct()


class Service(Model):
    """A service of a kind. What stands below `extra` has no neutral form and goes to Compose as it is."""

    image: str
    command: Words | None = None
    entrypoint: Words | None = None
    environment: Annotated[dict[str, Text], BeforeValidator(_environment)] = Field({})
    ports: list[Annotated[Port, BeforeValidator(_port)]] = Field([])
    volumes: list[Annotated[Volume, BeforeValidator(_volume)]] = Field([])
    configs: list[Annotated[Mount, BeforeValidator(_mount)]] = Field([])
    tmpfs: Annotated[list[str], OneOrMany()] = Field([])
    depends_on: Annotated[dict[str, Condition], BeforeValidator(_conditions)] = Field({})
    healthcheck: Healthcheck | None = None
    mem_limit: Amount | None = None
    cpus: Cores | None = None
    deploy: Deploy = Deploy.model_construct()
    stop_grace_period: Duration = "10s"
    user: Text | None = None
    hostname: str | None = None
    process: str | None = Field(None, alias="x-process")
    """The script that does the work of a one-shot where no container runs."""
    once: str | None = Field(None, alias="x-once")
    """A one-shot that runs when this text, filled in, is not empty."""
    files: dict[str, str] = Field({}, alias="x-files")
    """Folder in the container -> list option whose files of the project lie there."""

    cap_add: list[str] | None = None
    cap_drop: list[str] | None = None
    devices: list[str] | None = None
    extra_hosts: list[str] | dict[str, str] | None = None
    group_add: list[Text] | None = None
    init: Flag | None = None
    ipc: str | None = None
    oom_score_adj: int | None = None
    pids_limit: int | None = None
    platform: str | None = None
    privileged: Flag | None = None
    read_only: Flag | None = None
    security_opt: list[str] | None = None
    shm_size: Amount | None = None
    stop_signal: str | None = None
    sysctls: dict[str, Text] | None = None
    ulimits: dict[str, int | dict[str, int]] | None = None
    working_dir: str | None = None

    @property
    def extra(self) -> dict[str, Any]:
        """Compose's keys without a neutral form."""
        return {name: value for name in EXTRA if (value := getattr(self, name)) is not None}

    @property
    def memory(self) -> str | None:
        """The most memory it may take, in either of Compose's forms."""
        return self.mem_limit or self.deploy.resources.limits.memory

    @property
    def cpu(self) -> str | None:
        """The most cores it may take, in either of Compose's forms."""
        return self.cpus or self.deploy.resources.limits.cpus


EXTRA = tuple(Service.model_fields)[tuple(Service.model_fields).index("cap_add") :]


class Config(Model):
    """A configuration file: text with references, written in the kind's file."""

    content: str


class GeneratedSecret(Model):
    """An option that is made up once per checkout."""

    secret: Literal[True]


Option = Text | list[Text] | GeneratedSecret


class Part(Model):
    """What `uses: [postgres/billing]` means: the option set to `billing`, and the list it joins."""

    option: str
    collects: str = ""


class Gateway(Model):
    """Says that the kind is a gateway: where it reads its routes, and the port it serves them on.

    `plugins` are for every route, with their settings, unless the manifest has one of that name there.
    """

    config: Annotated[str, AfterValidator(_absolute)]
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
    check, or as soon as the main port is open. `rootless`: it refuses to run as root. `stand_in`: another
    program plays its part. `oldest`: it may be of any version from this one on, and not only of the major
    that is asked for. `install` is what to type to have it.
    """

    program: str = ""
    oldest: str = ""
    wheel: Wheel | None = None
    packages: list[str] = Field([])
    command: str
    new: str = ""
    environment: dict[str, Text] = Field({})
    ready: Literal["check", "port"] = "check"
    stop: str = "TERM"
    rootless: bool = False
    stand_in: bool = False
    install: str = ""


class Word(Model):
    """Another word for the kind, and what it stands for: another image and its version, or just the same."""

    image: str = ""
    version: Text | None = None


def _words_for(value: Any) -> Any:
    many = [value] if isinstance(value, str) else value
    return {word: {} for word in many} if isinstance(many, list) else many


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
    links: dict[str, str] = Field({})
    oldest: dict[str, Text] = Field({})
    needs: str = ""
    """Why older ones do not work."""
    tag: str = ""
    versions: dict[str, Variant] = Field({})
    given: dict[str, dict[str, Any]] = Field({})
    """`password` or `user=root`: what differs where the manifest sets that option, laid over the file;
    `jaeger` or `traces`: where the stack has what it joins."""
    uid: int | None = None
    dump: Command | None = None
    load: Command | None = None
    data: Data | None = None
    process: Annotated[list[Process], OneOrMany()] = Field([])
    """Ways to run it as a plain process: the first whose program is there is taken."""
    production: str = ""
    tried: Literal["", "real", "stand-in", "rendered"] = ""
    """How devenv's own tests run it: its real server, another one in its place, or no server at all."""


def _nothing(value: Any) -> Any:
    return {} if value is None else value


class Nothing(Model):
    """A declared volume, which has no settings."""


class KindFile(Model):
    """One kind: its block, the services that make it up, and their volumes and configuration files."""

    block: Block = Field(alias="x-devenv")
    services: dict[str, Service]
    volumes: dict[str, Annotated[Nothing, BeforeValidator(_nothing)]] = Field({})
    configs: dict[str, Config] = Field({})
