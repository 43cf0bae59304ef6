"""jwt: the client shows a token that one of the known issuers signed."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from devenv.gateway.answers import Answer, document
from devenv.gateway.exchange import Exchange, parsed
from devenv.gateway.model import JwtCredential
from devenv.gateway.plugin import Plugin, Problems
from devenv.gateway.schema import Field, boolean, list_of, number, one_of, text

FIELDS = {
    "uri_param_names": Field(list_of(text), ("jwt",)),
    "cookie_names": Field(list_of(text), ()),
    "header_names": Field(list_of(text), ("authorization",)),
    "key_claim_name": Field(text, "iss"),
    "secret_is_base64": Field(boolean, False),
    "claims_to_verify": Field(list_of(one_of("exp", "nbf")), ()),
    "maximum_expiration": Field(number(0, 31536000), 0),
    "anonymous": Field(text),
    "run_on_preflight": Field(boolean, True),
    "realm": Field(text),
}
BEARER = re.compile(r"\s*[Bb]earer\s+(.+)")


@dataclass(frozen=True, slots=True)
class Jwt:
    """Configuration of jwt."""

    uri_param_names: tuple[str, ...]
    cookie_names: tuple[str, ...]
    header_names: tuple[str, ...]
    key_claim_name: str
    secret_is_base64: bool
    claims_to_verify: tuple[str, ...]
    maximum_expiration: float
    anonymous: str | None
    run_on_preflight: bool
    realm: str | None


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart, its signature not yet verified."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


class Unauthorized(Exception):
    """Why a client is not let in: a message, or what is wrong with each claim."""

    def __init__(self, message: str, claims: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.content = dict(claims) if claims else {"message": message}


def across(values: Mapping[str, Any]) -> Problems:
    """Report a maximum expiration that no verified claim uses."""
    if values["maximum_expiration"] and "exp" not in values["claims_to_verify"]:
        yield "maximum_expiration", 'needs "exp" in claims_to_verify'


async def access(config: Jwt, exchange: Exchange) -> Answer | None:
    """Authenticate the client by its token, or as the anonymous consumer."""
    if exchange.method == "OPTIONS" and not config.run_on_preflight:
        return None
    if config.anonymous and exchange.credential:
        return None
    challenge = f'Bearer realm="{config.realm}"' if config.realm else "Bearer"
    tokens = set(tokens_of(config, exchange))
    try:
        credential = verified(config, exchange, tokens)
    except Unauthorized as refusal:
        if config.anonymous and (consumer := exchange.credentials.consumer(config.anonymous)):
            exchange.authenticate(consumer, None)
            return None
        authenticate = f'{challenge} error="invalid_token"' if tokens else challenge
        return document(401, refusal.content, {"WWW-Authenticate": authenticate})
    exchange.authenticate(credential.consumer, credential.id, credential.key)
    return None


def tokens_of(config: Jwt, exchange: Exchange) -> Iterator[str]:
    """Return the tokens a client shows, in the query, cookies and headers."""
    for name, value in parsed(exchange.query_string):
        if name in config.uri_param_names and value:
            yield value
    cookies = dict(pair.strip().partition("=")[::2] for pair in exchange.headers.get("Cookie", "").split(";"))
    for name in config.cookie_names:
        if cookies.get(name):
            yield cookies[name]
    for name in config.header_names:
        for value in exchange.headers.getall(name, ()):
            if match := BEARER.match(value):
                yield match[1].strip()


def verified(config: Jwt, exchange: Exchange, tokens: set[str]) -> JwtCredential:
    """Return the credential that verifies the client's one token, or raise Unauthorized."""
    if not tokens:
        raise Unauthorized("Unauthorized")
    if len(tokens) > 1:
        raise Unauthorized("Multiple tokens provided")
    token = taken_apart(next(iter(tokens)))
    issuer = issuer_of(config, token)
    credential = exchange.credentials.jwt(issuer)
    if credential is None:
        raise Unauthorized(f"No credentials found for given '{config.key_claim_name}'")
    # The credential, never the token, decides the algorithm.
    if token.header["alg"] != credential.algorithm:
        raise Unauthorized("Invalid algorithm")
    if not signature_fits(config, credential, token):
        raise Unauthorized("Invalid signature")
    check_claims(config, token.claims, exchange.counters.now())
    return credential


def taken_apart(text: str) -> Token:
    """Return the parts of a token, or raise Unauthorized."""
    signed, _, signature = text.rpartition(".")
    try:
        header, claims = (json.loads(decoded(part)) for part in signed.split("."))
        raw = decoded(signature)
    except (ValueError, TypeError):
        raise Unauthorized("Bad token; invalid JSON") from None
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str):
        raise Unauthorized("Bad token; invalid alg")
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise Unauthorized("Bad token; invalid typ")
    if not isinstance(claims, dict):
        raise Unauthorized("Bad token; invalid claims")
    return Token(header, claims, signed.encode(), raw)


def decoded(part: str) -> bytes:
    """Decode base64url without padding."""
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def issuer_of(config: Jwt, token: Token) -> str:
    """Return what names the token's credential, from its claims or its header."""
    name = config.key_claim_name
    issuer = token.claims.get(name) or token.header.get(name)
    if issuer is None:
        raise Unauthorized(f"No mandatory '{name}' in claims")
    if not isinstance(issuer, str) or not issuer:
        raise Unauthorized(f"Invalid '{name}' in claims")
    return issuer


def signature_fits(config: Jwt, credential: JwtCredential, token: Token) -> bool:
    """Tell whether the credential's secret or public key verifies the token."""
    algorithm = algorithms()[credential.algorithm]
    if credential.rsa_public_key and credential.algorithm.startswith("RS"):
        key = algorithm.prepare_key(credential.rsa_public_key)
        return bool(algorithm.verify(token.signed, key, token.signature))
    secret = (credential.secret or "").encode()
    if config.secret_is_base64:
        try:
            secret = decoded(secret.decode().rstrip("="))
        except binascii.Error:
            raise Unauthorized("Invalid key/secret") from None
    return bool(algorithm.verify(token.signed, secret, token.signature))


@cache
def algorithms() -> Mapping[str, Any]:
    """Return PyJWT's signature algorithms; loaded late, since most gateways see no token."""
    from jwt.algorithms import get_default_algorithms

    return get_default_algorithms()


def check_claims(config: Jwt, claims: Mapping[str, Any], now: float) -> None:
    """Check the registered claims the configuration asks for."""
    wrong: dict[str, str] = {}
    for name in config.claims_to_verify:
        value = claims.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            wrong[name] = "must be a number"
        elif name == "exp" and value <= now:
            wrong[name] = "token expired"
        elif name == "nbf" and value > now:
            wrong[name] = "token not valid yet"
    if wrong:
        raise Unauthorized("", wrong)
    if config.maximum_expiration and claims["exp"] - now > config.maximum_expiration:
        raise Unauthorized("", {"exp": "exceeds maximum allowed expiration"})


PLUGIN = Plugin("jwt", 1450, FIELDS, Jwt, access, across=across, per_consumer=False)
