"""basic-auth: the client shows a user name and a password."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from devenv.gateway.answers import Answer, error
from devenv.gateway.exchange import Exchange
from devenv.gateway.model import BasicCredential
from devenv.gateway.plugin import Plugin
from devenv.gateway.schema import Field, boolean, text

FIELDS = {
    "hide_credentials": Field(boolean, False),
    "anonymous": Field(text),
    "realm": Field(text, "service"),
}
SCHEME = re.compile(r"\s*[Bb]asic\s*(.+)")


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """Configuration of basic-auth."""

    hide_credentials: bool
    anonymous: str | None
    realm: str


async def access(config: BasicAuth, exchange: Exchange) -> Answer | None:
    """Authenticate the client by its password, or as the anonymous consumer."""
    if config.anonymous and exchange.credential:
        return None
    # A proxy's own header goes first, as with Kong.
    for header in ("Proxy-Authorization", "Authorization"):
        username, password = shown(exchange.headers.get(header, ""))
        if config.hide_credentials:
            exchange.upstream_headers.popall(header, None)
        credential = exchange.credentials.basic(username)
        if credential and fits(credential, password):
            exchange.authenticate(credential.consumer, credential.id, credential.username)
            return None
    if config.anonymous and (consumer := exchange.credentials.consumer(config.anonymous)):
        exchange.authenticate(consumer, None)
        return None
    return error(401, "Unauthorized", {"WWW-Authenticate": f'Basic realm="{config.realm}"'})


def shown(header: str) -> tuple[str, str]:
    """Return the user name and password in a header; both empty when there are none."""
    match = SCHEME.match(header)
    if not match:
        return "", ""
    try:
        username, colon, password = base64.b64decode(match[1]).decode().partition(":")
    except ValueError:
        return "", ""
    return (username, password) if colon else ("", "")


def fits(credential: BasicCredential, password: str) -> bool:
    """Tell whether a password is the credential's, in constant time."""
    if credential.hashed:
        # What Kong stores: the file was exported with `_transform: false`.
        salted = (password + credential.consumer.id).encode()
        password = hashlib.sha1(salted, usedforsecurity=False).hexdigest()
    return hmac.compare_digest(credential.password.encode(), password.encode())


PLUGIN = Plugin("basic-auth", 1100, FIELDS, BasicAuth, access, per_consumer=False)
