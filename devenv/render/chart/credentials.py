"""Credentials of a gateway's consumers for Kong's controller, which reads each from a Secret of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from devenv.stack import text
from devenv.stack.model import Stack
from devenv.stack.routing import Consumer
from devenv.stack.text import Text

KIND = "konghq.com/credential"
"""The label of such a Secret: which plugin takes the credential."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential: the Secret that holds it, what it is, and its fields."""

    secret: str
    kind: str
    fields: Mapping[str, Text]

    @property
    def sealed(self) -> bool:
        """Whether it holds a secret, so that the chart has only its name."""
        return bool(text.secrets(self.fields.values()))


def object_name(consumer: Consumer) -> str:
    """What the objects of a consumer are called."""
    name = consumer.name
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return plain if plain == name else f"{plain or 'consumer'}-{text.digest(name)[:6]}"


def credentials(stack: Stack, consumer: Consumer) -> list[Credential]:
    """The credentials of a consumer, with names that differ."""
    made: list[Credential] = []
    for kind, fields in _fields(consumer):
        number = 1 + sum(each.kind == kind for each in made)
        name = f"{stack.name}.{object_name(consumer)}.{kind}"
        made.append(Credential(f"{name}.{number}" if number > 1 else name, kind, fields))
    return made


def sealed_credentials(stack: Stack) -> dict[str, Credential]:
    """Secret -> the credential that it has to hold, of all that are not in the chart."""
    consumers = stack.gateway.consumers if stack.gateway else ()
    every = [each for consumer in consumers for each in credentials(stack, consumer)]
    return {each.secret: each for each in every if each.sealed}


def _fields(consumer: Consumer) -> Iterator[tuple[str, Mapping[str, Text]]]:
    yield from (("key-auth", {"key": key}) for key in consumer.keys)
    yield from (("basic-auth", {"username": user, "password": word}) for user, word in consumer.basic)
    yield from (("jwt", {"algorithm": "HS256", **entry}) for entry in consumer.jwt)
    yield from (("acl", {"group": group}) for group in consumer.groups)
