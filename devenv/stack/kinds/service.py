"""The shape of a service in a kind's file: Compose's keys in their long forms.

Compose's short forms become its long ones here, so that later code handles one form only. Compose features
that a kind cannot use are refused."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from devenv.manifest import base
from devenv.manifest.fields import Flag, OneOrMany, Text, cores, seconds, size
from devenv.manifest.shortports import short_port

LONGEST_PORT_NAME = 15


class Model(base.Model):
    """Strict, closed, and written in Compose's own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)
    listed: ClassVar[str] = "docs/kinds.md lists the keys"

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


def _long(text: str) -> dict[str, Any] | None:
    """The long form of a short one; None for what a kind cannot have."""
    port = short_port(text)
    if port.address not in ("", "127.0.0.1") or not port.target.isdecimal():
        return None
    long: dict[str, Any] = {"target": int(port.target), "protocol": port.protocol}
    if port.published is None:
        return long
    return {**long, "published": int(port.published)} if port.published.isdecimal() else None


def _port(value: Any) -> Any:
    match value:
        case dict():
            long = dict(value)
            if isinstance(long.get("published"), str) and long["published"].isdecimal():
                long["published"] = int(long["published"])
        case int() if not isinstance(value, bool):
            long = {"target": value}
        case str() if (short := _long(value)) is not None:
            long = short
        case _:
            raise wrong("is not a port", 'write 5432, "8080:80", or {name: sql, target: 5432}')
    if isinstance(long.get("target"), int):
        long.setdefault("name", f"port-{long['target']}")
    return long


def absolute(target: str) -> str:
    """The path of a folder or file in a container, if it is one."""
    if not target.startswith("/") or ".." in target.split("/"):
        raise wrong(f'"{target}" is not a path in a container', "an absolute path")
    return target


class Volume(Model):
    """A volume of the kind, and the folder that it is mounted on."""

    source: str
    target: Annotated[str, AfterValidator(absolute)]
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
    target: Annotated[str, AfterValidator(absolute)]


def _mount(value: Any) -> Any:
    long = {"source": value} if isinstance(value, str) else value
    return {"target": f"/{long['source']}", **long} if isinstance(long, dict) and "source" in long else long


class Condition(Model):
    """What has to be true of a service before another one starts."""

    condition: Literal["service_started", "service_healthy", "service_completed_successfully"]


def _conditions(value: Any) -> Any:
    return {name: {"condition": "service_started"} for name in value} if isinstance(value, list) else value


def asked(value: str) -> str:
    """A port and a path, such as `13133/status`."""
    if not re.match(r"^[1-9]\d*/", value):
        raise wrong(f'"{value}" is not a port and a path', "write 13133/status")
    return value


class Healthcheck(Model):
    """How to know that a service is ready: a command in its container, or for an image that has none to
    run, a port and a path that answers: `x-http: 13133/status`.
    """

    test: list[Text] = Field([])
    http: Annotated[Text, AfterValidator(asked)] | None = Field(None, alias="x-http")
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


_BY_NAME = "remove it: the units of a stack reach each other by name"


class Service(Model):
    """A service of a kind. What stands below `extra` has no neutral form and goes to Compose as it is."""

    instead: ClassVar[Mapping[str, str]] = {
        "build": "write image: NAME:TAG; what is built from your sources is a service of devenv.yaml",
        "container_name": "remove it: its name in this file is its name everywhere",
        "env_file": "write environment: {NAME: value}; what people may set is an option",
        "expose": "write ports: [{name: web, target: 8080}]",
        "extends": "write <<: *common (an anchor of YAML, below a key of your own such as x-common)",
        "labels": "remove it: devenv sets its own; links: shows a page, and the gateway is for services",
        "links": "remove it: the units of a stack reach each other by name; depends_on: waits for one",
        "logging": "remove it: `devenv logs` shows the output",
        "network_mode": _BY_NAME,
        "networks": _BY_NAME,
        "profiles": "remove it: a kind starts when something that uses it does",
        "pull_policy": "remove it: an image is pulled when it is missing",
        "restart": "remove it: `devenv status` shows what ended, `devenv up` starts it again",
        "scale": "remove it: a store runs once",
        "secrets": "write options: {password: {secret: true}}, and ${password} where it belongs",
        "stdin_open": "remove it: `devenv exec NAME` has a terminal",
        "tty": "remove it: `devenv exec NAME` has a terminal",
        "volumes_from": "write volumes: [data:/folder]",
    }
    """Keys of Compose that a kind does not have -> what to do about them."""

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
    logs: Annotated[str, AfterValidator(absolute)] | None = Field(None, alias="x-logs")
    """Folder in the container where what the stack's containers write can be read."""
    platform: str | None = None

    cap_add: list[str] | None = None
    cap_drop: list[str] | None = None
    devices: list[str] | None = None
    extra_hosts: list[str] | dict[str, str] | None = None
    group_add: list[Text] | None = None
    init: Flag | None = None
    ipc: str | None = None
    oom_score_adj: int | None = None
    pids_limit: int | None = None
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
