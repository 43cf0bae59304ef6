"""key-auth: the client shows an API key in a header, the query or the body."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from devenv.gateway.answers import Answer, error
from devenv.gateway.exchange import Exchange, as_form, encoded, parsed
from devenv.gateway.plugin import Plugin
from devenv.gateway.schema import Field, boolean, list_of, matching, text

HEADER_NAME = matching(r"[A-Za-z0-9_-]+", "a header name")
FIELDS = {
    "key_names": Field(list_of(HEADER_NAME, least=1), ("apikey",)),
    "hide_credentials": Field(boolean, False),
    "anonymous": Field(text),
    "key_in_header": Field(boolean, True),
    "key_in_query": Field(boolean, True),
    "key_in_body": Field(boolean, False),
    "run_on_preflight": Field(boolean, True),
    "realm": Field(text),
}


@dataclass(frozen=True, slots=True)
class KeyAuth:
    """Configuration of key-auth."""

    key_names: tuple[str, ...]
    hide_credentials: bool
    anonymous: str | None
    key_in_header: bool
    key_in_query: bool
    key_in_body: bool
    run_on_preflight: bool
    realm: str | None


async def access(config: KeyAuth, exchange: Exchange) -> Answer | None:
    """Authenticate the client by its key, or as the anonymous consumer."""
    if exchange.method == "OPTIONS" and not config.run_on_preflight:
        return None
    if config.anonymous and exchange.credential:
        return None
    refusal = await authenticated(config, exchange)
    if refusal and config.anonymous:
        if consumer := exchange.credentials.consumer(config.anonymous):
            exchange.authenticate(consumer, None)
            return None
        return error(500)
    return refusal


async def authenticated(config: KeyAuth, exchange: Exchange) -> Answer | None:
    """Find the client's key and whose it is; return why not."""
    challenge = {"WWW-Authenticate": f'Key realm="{config.realm}"' if config.realm else "Key"}
    for name in config.key_names:
        values = await values_of(config, exchange, name)
        if len(values) > 1:
            return error(401, "Duplicate API key found", challenge)
        if values:
            break
    else:
        return error(401, "No API key found in request", challenge)
    if config.hide_credentials:
        await hide(config, exchange, name)
    if not values[0]:
        return error(401, "No API key found in request", challenge)
    credential = exchange.credentials.key(values[0])
    if credential is None:
        return error(401, "Unauthorized", challenge)
    exchange.authenticate(credential.consumer, credential.id, credential.id)
    return None


async def values_of(config: KeyAuth, exchange: Exchange, name: str) -> list[str]:
    """Return a key's values in the first place that has any: header, query, body."""
    if config.key_in_header and (values := exchange.headers.getall(name, [])):
        return list(values)
    if config.key_in_query and (
        values := [value for key, value in parsed(exchange.query_string) if key == name and value]
    ):
        return values
    if config.key_in_body:
        value = (await fields_of_body(exchange)).get(name)
        return value if isinstance(value, list) else [value] if isinstance(value, str) else []
    return []


async def fields_of_body(exchange: Exchange) -> dict[str, Any]:
    """Return the fields of a JSON or form body; a body of another kind has none."""
    kind = exchange.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            content = json.loads(await exchange.whole_body())
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}
    if kind == "application/x-www-form-urlencoded":
        form: dict[str, Any] = {}
        for key, value in parsed((await exchange.whole_body()).decode(errors="replace")):
            form[key] = [*form[key], value] if isinstance(form.get(key), list) else value
        return form
    return {}


async def hide(config: KeyAuth, exchange: Exchange, name: str) -> None:
    """Take the key out of everything the upstream gets."""
    exchange.upstream_headers.popall(name, None)
    if any(key == name for key, _ in exchange.query):
        exchange.upstream_query = as_form([pair for pair in exchange.query if pair[0] != name])
    if config.key_in_body and name in (fields := await fields_of_body(exchange)):
        del fields[name]
        if exchange.headers["Content-Type"].lower().startswith("application/json"):
            exchange.body = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
        else:
            pairs = parsed((await exchange.whole_body()).decode(errors="replace"))
            exchange.body = encoded([pair for pair in pairs if pair[0] != name]).encode()


PLUGIN = Plugin("key-auth", 1250, FIELDS, KeyAuth, access, per_consumer=False)
