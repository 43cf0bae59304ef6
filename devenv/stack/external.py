"""Stores that something else runs: their attributes, taken from the parts of a URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from devenv import urls
from devenv.errors import UsageError
from devenv.stack import text
from devenv.stack.signs import with_signs
from devenv.stack.text import Sealed, Secret, Text

MACHINE = "host.docker.internal"
MACHINES = (MACHINE, "host.minikube.internal")
"""This machine, as a container and as a pod calls it."""
LOOPBACKS = ("localhost", "127.0.0.1", "[::1]", "0.0.0.0")


@dataclass(frozen=True, slots=True)
class External:
    """A store that something else runs. `port` is the one of its kind where the URL has none."""

    name: str
    kind: str
    url: Text
    port: int
    ignored: tuple[str, ...] = ()
    """What the manifest says of it that only counts where devenv runs it."""

    @property
    def where(self) -> str:
        """Where the manifest says so."""
        return f"infra.{self.name}.external"

    def server(self, secrets: Mapping[str, str]) -> tuple[str, int]:
        """Its host and port. Raises `UsageError` for what is no URL."""
        url = text.reveal(self.url, secrets)
        parts = urls.split(url)
        if parts is None or not (parts["port"] or str(self.port)).isdecimal():
            names = ", ".join(sorted(text.secrets_in(self.url)))
            raise UsageError(
                f"{names or 'the address'} is not a URL",
                where=self.where,
                hint="SCHEME://USER:PASSWORD@HOST:PORT/NAME",
            )
        return parts["host"], int(parts["port"] or self.port)

    def secrets(self) -> Iterator[Secret]:
        """Its secret in all places that an attribute may have it in."""
        if isinstance(self.url, Sealed) and len(self.url.parts) == 1:
            for part in urls.PARTS:
                yield from text.secrets([self.attribute(part)])

    def attribute(self, name: str, *, part: str = "", inside: bool = True) -> Text:
        """`url`, `origin`, `host`, `port`, `user`, `password` or `database`; `part` is another database."""
        if name == "database" and part:
            return part
        if isinstance(self.url, Sealed) and len(self.url.parts) == 1:
            return self._of_secret(self.url.parts[0], name, part)  # type: ignore[arg-type]
        url, secrets = with_signs(text.parts(self.url))
        if not inside and (urls.split(url) or {}).get("host") in MACHINES:
            url = urls.with_host(url, "localhost")
        if name in ("url", "origin"):
            url = urls.part(url, "origin") if name == "origin" else url
            return text.quoted_secrets(_restored(urls.with_database(url, part) if part else url, secrets))
        default = str(self.port) if name == "port" else ""
        return _restored(urls.part(url, name, default), secrets)

    def _of_secret(self, secret: Secret, name: str, part: str) -> Text:
        if part:
            raise UsageError(
                f"{self.name}/{part} has no address: all of the URL is one secret",
                where=self.where,
                hint="write what is not secret: postgresql://app:${secret.PASSWORD}@HOST:5432/app",
            )
        if name == "url":
            return self.url
        return Sealed((Secret(secret.name, name, default=str(self.port) if name == "port" else ""),))  # type: ignore[arg-type]


def _restored(value: str, secrets: Mapping[str, Secret]) -> Text:
    return text.of_parts(secrets.get(letter, letter) for letter in value)
