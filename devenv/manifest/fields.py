"""The small types of the manifest: shorthands, durations, sizes, text that may be written as a number.

Each defines its validation and its JSON schema.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from devenv.manifest.fragments import GATEWAY
from devenv.manifest.source import Written, as_number, as_text, as_yaml

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
FROM_ENVIRONMENT = r"\$\{env\."


@dataclass(frozen=True, slots=True)
class Short:
    """A mapping that may be written as one value: `build: ./api` is `build: {context: ./api}`."""

    key: str
    schema: tuple[tuple[str, Any], ...] = (("type", "string"),)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: value if isinstance(value, dict) else {self.key: value}, handler(source)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [dict(self.schema), handler(schema)]}


@dataclass(frozen=True, slots=True)
class Switch:
    """A mapping that may be one value, or be switched on or off: `tracing: true`, `tracing: jaeger`."""

    key: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def long(value: Any) -> Any:
            match as_yaml(value):
                case True:
                    return {}
                case False | None:
                    return None
                case str():
                    return {self.key: value}
            return value

        return core_schema.no_info_before_validator_function(
            long, core_schema.nullable_schema(handler(source))
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        long = handler(schema)
        return {"anyOf": [{"type": "boolean"}, {"type": "string"}, *long.get("anyOf", [long])]}


@dataclass(frozen=True, slots=True)
class OneOrMany:
    """A list that may be written as its only item, without brackets."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: value if isinstance(value, list) else [value], handler(source)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


@dataclass(frozen=True, slots=True)
class OrFalse:
    """A value, or `false` for none at all, which is kept as `False`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            lambda value, inner: False if as_yaml(value) is False else inner(value), handler(source)
        )


@dataclass(frozen=True, slots=True)
class Numeric:
    """A number, or what holds some, that may come from the environment: `${env.PORT:-8000}`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(as_number, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(schema), {"type": "string", "pattern": FROM_ENVIRONMENT}]}


@dataclass(frozen=True, slots=True)
class OrNone:
    """A value of the first type of `T | Literal["none"]`, or `none`, which `false` is as well."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        kind, _ = get_args(source)
        return core_schema.no_info_wrap_validator_function(
            lambda value, inner: "none" if value == "none" or as_yaml(value) is False else inner(value),
            handler.generate_schema(kind),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"enum": ["none", False]}, handler(schema)]}


class UdpPort(int):
    """A port that speaks UDP."""


@dataclass(frozen=True, slots=True)
class OrUdp:
    """A port that may be written with its protocol: `51820/udp`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any, inner: Callable[[Any], Any]) -> Any:
            match = re.fullmatch(r"(\d{1,5})/(tcp|udp)", value) if isinstance(value, str) else None
            number = inner(int(match[1]) if match else value)
            return UdpPort(number) if match and match[2] == "udp" else number

        return core_schema.no_info_wrap_validator_function(validate, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(schema), {"type": "string", "pattern": r"^\d{1,5}/(tcp|udp)$"}]}


def _text(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("no_value", 'has no value - write "" if it is to be empty')
    return as_text(value)


Text = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "number", "boolean"]})]

Flag = Annotated[bool, BeforeValidator(as_yaml)]
"""True or false, in any of YAML's spellings."""


def _capability(value: Any) -> Any:
    name = value.upper().removeprefix("CAP_") if isinstance(value, str) else ""
    if not re.fullmatch(r"[A-Z][A-Z_]*", name):
        raise PydanticCustomError("capability", "is not a capability - write NET_ADMIN")
    return name


CapabilityName = Annotated[str, BeforeValidator(_capability), WithJsonSchema({"type": "string"})]
"""A capability of Linux, without the CAP_ that it may be written with."""


def _signal(value: Any) -> Any:
    name = as_text(value).upper() if isinstance(value, (str, int)) else ""
    if not re.fullmatch(r"\d{1,2}|(?:SIG)?[A-Z]+\d?(?:[+-]\d{1,2})?", name):
        raise PydanticCustomError("signal", "is not a signal - write SIGINT or SIGQUIT")
    return name if name.isdecimal() or name.startswith("SIG") else f"SIG{name}"


SignalName = Annotated[str, BeforeValidator(_signal), WithJsonSchema({"type": ["string", "integer"]})]
"""A signal by its name or number."""


def _address(value: Any) -> Any:
    if value != GATEWAY:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            problem = "is not an address - write 10.0.0.5, or host-gateway for this machine"
            raise PydanticCustomError("address", problem) from None
    return value


Address = Annotated[str, BeforeValidator(_address), WithJsonSchema({"type": "string"})]
"""An address by its number, or this machine's."""

RESTARTS = ("no", "on-failure", "always")


def _restart(value: Any) -> Any:
    word = as_yaml(value)
    if word is False or word == "no":  # a truth value to older readers of YAML
        return "no"
    if word not in RESTARTS:
        instead = "one of 'no', 'on-failure' or 'always'"
        if word == "unless-stopped":
            instead = "write always: what was stopped stays down"
        raise PydanticCustomError("restart", f"cannot be '{as_text(value)}' - {instead}")
    return word


Restart = Annotated[
    Literal["no", "on-failure", "always"],
    BeforeValidator(_restart),
    WithJsonSchema({"enum": [*RESTARTS, False]}),
]
"""What happens to a program that ended by itself."""

_REQUEST = re.compile(
    r"(?:(?P<method>[A-Z]+) )?(?P<service>[a-z][a-z0-9-]*)?(?P<path>/\S*)(?: (?P<status>[1-5]\d\d))?"
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request and the status that it has to get; without a service, to the gateway."""

    path: str
    method: str = "GET"
    status: int = 200
    service: str = ""

    @classmethod
    def read(cls, text: str) -> Request:
        """`GET /api/orders 200`, of which only the path must be there. Raises `ValueError`."""
        match = _REQUEST.fullmatch(text)
        if match is None:
            raise ValueError(text)
        return cls(
            match["path"], match["method"] or "GET", int(match["status"] or 200), match["service"] or ""
        )

    def __str__(self) -> str:
        return f"{self.method} {self.service}{self.path} {self.status}"


def _request(value: Any) -> Any:
    if not isinstance(value, str):
        raise PydanticCustomError("request", 'is not a request - write "GET /api/orders 200"')
    try:
        Request.read(value)
    except ValueError:
        raise PydanticCustomError("request", 'is not a request - write "GET /api/orders 200"') from None
    return value


_PATTERN = r"^([A-Z]+ )?([a-z][a-z0-9-]*)?/\S*( [1-5][0-9]{2})?$"
SmokeRequest = Annotated[
    str, BeforeValidator(_request), WithJsonSchema({"type": "string", "pattern": _PATTERN})
]
"""A request as people write it: `GET /api/orders 200`, or `orders/healthz` past the gateway."""

_DURATION = re.compile(r"^(?:(?P<m>\d{1,9})m(?!s))?(?:(?P<s>\d{1,9}(?:\.\d+)?)s)?(?:(?P<ms>\d{1,9})ms)?$")


def seconds(value: Any) -> Any:
    """`500ms`, `2s`, `1m30s` or a plain number, in seconds."""
    value = as_number(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
    elif isinstance(value, str) and value and (match := _DURATION.match(value)):
        part = match.groupdict(default="0")
        number = int(part["m"]) * 60 + float(part["s"]) + int(part["ms"]) / 1000
    else:
        number = -1.0
    if not 0 <= number <= 86400:
        raise PydanticCustomError("duration", "is not a duration - write 500ms, 2s or 1m30s")
    return number


Duration = Annotated[
    float,
    BeforeValidator(seconds),
    WithJsonSchema({"type": ["string", "number"], "examples": ["500ms", "2s", "1m30s"]}),
]

MOST = 2.0**53  # bytes, and far more cores than exist: the largest exact float
_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
_LAX = {"k": "Ki", "m": "Mi", "g": "Gi", "kb": "Ki", "mb": "Mi", "gb": "Gi"}  # as Compose writes them


def size(value: Any) -> Any:
    """`256Mi`, `1G` or Compose's `512m`, in bytes."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return _amount(value)
    text = value.text if isinstance(value, Written) else value
    match = re.match(r"^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$", text) if isinstance(text, str) else None
    unit = _LAX.get(match[2], match[2].removesuffix("B")) if match else None
    if match is None or unit not in _UNITS:
        raise PydanticCustomError("size", "is not an amount of memory - write 256Mi or 1Gi")
    return _amount(float(match[1]) * _UNITS[unit])


def _amount(number: float) -> int:
    if number > MOST:
        raise PydanticCustomError("size", "is more memory than there is - write 256Mi or 1Gi")
    return int(number)


Size = Annotated[
    int,
    BeforeValidator(size),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["256Mi", "1Gi"]}),
]


def cores(value: Any) -> Any:
    """`500m` or `0.5`, in cores."""
    number = -1.0
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value) if value <= MOST else -1.0
    elif isinstance(value, str) and (match := re.match(r"^(\d{1,15})m$|^(\d{1,15}(?:\.\d+)?)$", value)):
        number = int(match[1]) / 1000 if match[1] else float(match[2])
    if not 0 < number <= MOST / 1000:
        raise PydanticCustomError("cpu", "is not an amount of CPU - write 500m or 0.5")
    return number


Cpu = Annotated[
    float,
    BeforeValidator(cores),
    WithJsonSchema({"type": ["string", "number"], "examples": ["500m", "2"]}),
]

Command = Annotated[
    str | list[Text],
    WithJsonSchema({"anyOf": [TEXT, {"type": "array", "items": TEXT}]}),
]
"""A shell line, or the words of a command."""
