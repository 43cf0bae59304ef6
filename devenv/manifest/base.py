"""What the models of the manifest have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from devenv.manifest.fields import FROM_ENVIRONMENT, Cpu, Numeric, OrFalse, OrUdp, Size, Text
from devenv.manifest.source import as_yaml

Port = Annotated[int, Field(ge=1, le=65535), Numeric()]
ContainerPort = Annotated[Port, OrUdp()]
Publish = Annotated[
    int | dict[str, Annotated[Port, OrFalse()]],
    Numeric(),
    OrFalse(),
    WithJsonSchema(
        {
            "type": ["integer", "boolean", "object", "string"],
            "pattern": FROM_ENVIRONMENT,
            "not": {"const": True},
        }
    ),
]
Fragment = dict[str, Any]
PlainFragment = Annotated[Fragment, BeforeValidator(as_yaml)]
Fragments = dict[str, PlainFragment]
HOSTS = "More names that it knows: NAME -> address, or host-gateway for this machine."
PLATFORM = "Which of a ready-made image's platforms: linux/amd64. Default: this machine's."
COMPOSE = "Merged last into the Compose service: lists append, mappings merge, `!reset` replaces."


class Model(BaseModel):
    """Strict, closed and unchangeable. As in Compose, what begins with `x-` is the user's own and ignored."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={"patternProperties": {"^x-": {}}},
        # Most models are only ever validated as part of another; hence a default is `model_construct`ed.
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not any(key.startswith("x-") for key in value):
            return value
        own = {field.alias for field in cls.model_fields.values()}
        return {key: item for key, item in value.items() if not key.startswith("x-") or key in own}


class Resources(Model):
    """The most a service may take."""

    cpu: Cpu | None = Field(None, description="Cores: 500m or 0.5.")
    memory: Size | None = Field(None, description="Memory: 256Mi.")


Env = dict[str, Text]


Count = Annotated[int, Field(ge=1), Numeric()]
