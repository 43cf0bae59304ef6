"""request-transformer: changes a request's headers, query, body, path or method on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from multidict import CIMultiDict

from devenv.gateway.answers import Answer
from devenv.gateway.exchange import Exchange, Query, encoded, parsed
from devenv.gateway.plugin import Plugin
from devenv.gateway.router import RESERVED
from devenv.gateway.schema import Field, Report, list_of, matching, one_of, record, text

EXPRESSION = re.compile(r"\$\((.*?)\)")
VARIABLE = re.compile(
    r"\s*(headers|query_params|uri_captures)"
    r"""(?:\.(\w+)|\[\s*(?:"([^"]+)"|'([^']+)'|(\d+))\s*\])\s*"""
)
STEPS = ("remove", "rename", "replace", "add", "append")
PARTS = ("body", "headers", "querystring")
METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT")


def template(value: Any, where: str, report: Report) -> Any:
    """Check a value's `$(...)` expressions: variables only, there is no Lua here."""
    text(value, where, report)
    for expression in EXPRESSION.findall(value if isinstance(value, str) else ""):
        if not VARIABLE.fullmatch(expression):
            report(
                where,
                f'the embedded gateway has no Lua for "$({expression})" - it has '
                "$(headers.x), $(query_params.x), $(uri_captures.x)",
            )
    return value


def pair(value: Any, where: str, report: Report) -> Any:
    """Check a `name:value` entry."""
    matching(r"(?s)[^:]+:.+", "name:value")(value, where, report)
    return template(value, where, report)


def step(check: Any, **more: Field) -> Field:
    """Return the field of one step: entries for the body, headers and query string."""
    fields = {part: Field(list_of(check), ()) for part in PARTS}
    return Field(record({**fields, **more}), dict.fromkeys(fields, ()))


FIELDS = {
    "http_method": Field(one_of(*METHODS)),
    "remove": step(text),
    "rename": step(pair),
    "replace": step(pair, uri=Field(template)),
    "add": step(pair),
    "append": step(pair),
}


@dataclass(frozen=True, slots=True)
class RequestTransformer:
    """Configuration of request-transformer."""

    http_method: str | None
    uri: str | None
    body: Steps
    headers: Steps
    querystring: Steps


@dataclass(frozen=True, slots=True)
class Steps:
    """What happens to one part of a request, in this order; entries are names and values."""

    remove: tuple[tuple[str, str], ...]
    rename: tuple[tuple[str, str], ...]
    replace: tuple[tuple[str, str], ...]
    add: tuple[tuple[str, str], ...]
    append: tuple[tuple[str, str], ...]

    @property
    def any(self) -> bool:
        """Tell whether anything happens at all."""
        return any((self.remove, self.rename, self.replace, self.add, self.append))


def config(http_method: str | None, **steps: Mapping[str, Any]) -> RequestTransformer:
    """Return the configuration by part of the request."""

    def entries(part: str) -> Steps:
        return Steps(
            **{step: tuple((name, value) for name, _, value in split(steps[step][part])) for step in STEPS}
        )

    def split(values: tuple[str, ...]) -> list[tuple[str, str, str]]:
        return [value.partition(":") for value in values]

    parts = {part: entries(part) for part in PARTS}
    return RequestTransformer(http_method=http_method, uri=steps["replace"].get("uri"), **parts)


async def access(config: RequestTransformer, exchange: Exchange) -> Answer | None:
    """Change the upstream's request."""
    if config.uri:
        path = rendered(config.uri, exchange)
        exchange.upstream_path = quote(path if path.startswith("/") else f"/{path}", safe=RESERVED)
    if config.http_method:
        exchange.upstream_method = config.http_method
    if config.headers.any:
        change_headers(config.headers, exchange)
    if config.body.any:
        await change_body(config.body, exchange)
    if config.querystring.any:
        exchange.query = changed_pairs(config.querystring, exchange.query, exchange)
    return None


def rendered(value: str, exchange: Exchange) -> str:
    """Fill in a value's expressions from the request."""

    def variable(match: re.Match[str]) -> str:
        named = VARIABLE.fullmatch(match[1])
        if named is None:
            return ""
        kind, plain, double, single, number = named.groups()
        name = plain or double or single or number
        match kind:
            case "headers":
                return exchange.header(name) or exchange.header(name.replace("_", "-")) or ""
            case "query_params":
                return dict(parsed(exchange.query_string)).get(name) or ""
        captures = exchange.match.captures
        return captures.get(int(name) if number else name, "")

    return EXPRESSION.sub(variable, value)


def change_headers(steps: Steps, exchange: Exchange) -> None:
    """Change the headers; the Host header can be replaced, but not added or removed."""
    # Values are made of the headers as they were before any of this.
    headers: CIMultiDict[str] = exchange.upstream_headers.copy()
    for name, _ in steps.remove:
        if name.lower() != "host":
            headers.popall(name, None)
    for old, new in steps.rename:
        if old.lower() != "host" and old in headers:
            moved = headers.popall(old)
            headers.popall(new, None)
            for value in moved:
                headers.add(new, value)
    for name, value in steps.replace:
        if name in headers:
            headers[name] = rendered(value, exchange)
    for name, value in steps.add:
        if name not in headers:
            headers[name] = rendered(value, exchange)
    for name, value in steps.append:
        headers.add(name, rendered(value, exchange))
    exchange.upstream_headers = headers


def changed_pairs(steps: Steps, pairs: Query, exchange: Exchange) -> Query:
    """Return changed query parameters or form fields, in their order."""
    removed = {name for name, _ in steps.remove}
    renamed = dict(steps.rename)
    kept = [(renamed.get(name, name), value) for name, value in pairs if name not in removed]
    for name, value in steps.replace:
        kept = [(key, rendered(value, exchange) if key == name else old) for key, old in kept]
    for name, value in steps.add:
        if all(key != name for key, _ in kept):
            kept.append((name, rendered(value, exchange)))
    kept += [(name, rendered(value, exchange)) for name, value in steps.append]
    return kept


def changed_fields(steps: Steps, fields: dict[str, Any], exchange: Exchange) -> dict[str, Any]:
    """Return the changed fields of a JSON object."""
    removed = {name for name, _ in steps.remove}
    renamed = dict(steps.rename)
    kept = {renamed.get(name, name): item for name, item in fields.items() if name not in removed}
    for name, value in steps.replace:
        if name in kept:
            kept[name] = rendered(value, exchange)
    for name, value in steps.add:
        kept.setdefault(name, rendered(value, exchange))
    for name, value in steps.append:
        old = kept.get(name)
        before = old if isinstance(old, list) else [] if old is None else [old]
        kept[name] = [*before, rendered(value, exchange)]
    return kept


async def change_body(steps: Steps, exchange: Exchange) -> None:
    """Change a JSON or form body; a body of another kind goes on as it is."""
    kind = exchange.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        raw = await exchange.whole_body()
        try:
            fields = json.loads(raw) if raw else {}
        except ValueError:
            return
        if isinstance(fields, dict):
            exchange.body = json.dumps(
                changed_fields(steps, fields, exchange), separators=(",", ":"), ensure_ascii=False
            ).encode()
    elif kind == "application/x-www-form-urlencoded":
        pairs = parsed((await exchange.whole_body()).decode(errors="replace"))
        exchange.body = encoded(changed_pairs(steps, pairs, exchange)).encode()


PLUGIN = Plugin("request-transformer", 801, FIELDS, config, access)
