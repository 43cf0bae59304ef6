"""Declarative configuration (kong.yml, format 3.0): text in, frozen entities or problems out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import yaml

from devenv.gateway import schema
from devenv.gateway.bound import check_plugins, read_plugin
from devenv.gateway.draft import Draft, Entry, ListEntry, Problems, Refused, entries, stable_id
from devenv.gateway.fields import CONSUMER, CREDENTIALS, PLUGIN, ROUTE, SERVICE, TOP
from devenv.gateway.model import BasicCredential, Consumer, JwtCredential, KeyCredential, Route, Service
from devenv.gateway.registry import Configuration
from devenv.gateway.router import header_pattern, path_pattern
from devenv.gateway.schema import listed


def load(content: str, source: str = "kong.yml") -> Configuration:
    """Return the configuration in a text, or raise Refused with every problem in it."""
    try:
        # The C loader is ten times as fast, and PyYAML has it wherever it has a wheel.
        document = yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as problem:
        raise Refused([f"{source}: not YAML: {yaml_problem(problem)}"]) from None
    problems = Problems(source)
    top = schema.record(TOP, "entity")(document, "", problems.report)
    draft = Draft(problems, hashed=top["_transform"] is False)
    configuration = read(draft, top, hashlib.sha256(content.encode()).hexdigest()[:32])
    if problems.lines:
        raise Refused(problems.lines)
    return configuration


def yaml_problem(problem: yaml.YAMLError) -> str:
    """Say what is wrong and where, without quoting the file: it holds credentials."""
    mark = getattr(problem, "problem_mark", None)
    what = getattr(problem, "problem", None) or "cannot be read"
    return f"line {mark.line + 1}: {what}" if mark else str(what)


def read(draft: Draft, top: Entry, digest: str) -> Configuration:
    """Return the entities of a document, in the file's order."""
    nested = list(read_services(draft, top))
    nested += read_routes(draft, top)
    credentials, more = read_consumers(draft, top)
    plugin_entries = [*nested, *more, *entries(draft, top, "plugins", PLUGIN)]
    configured = ((where, read_plugin(draft, entry, where, owner)) for where, entry, owner in plugin_entries)
    plugins = {where: plugin for where, plugin in configured if plugin}
    check_plugins(draft, plugins)
    return Configuration(
        services=tuple(draft.services.values()),
        routes=tuple(draft.routes.values()),
        plugins=tuple(plugins.values()),
        consumers=tuple(draft.consumers.values()),
        keys=tuple(credential for credential in credentials if isinstance(credential, KeyCredential)),
        basics=tuple(credential for credential in credentials if isinstance(credential, BasicCredential)),
        jwts=tuple(credential for credential in credentials if isinstance(credential, JwtCredential)),
        digest=digest,
    )


def read_services(draft: Draft, top: Entry) -> Iterator[ListEntry]:
    """Read services and their routes; return the plugins found inside."""
    for where, entry, _ in list(entries(draft, top, "services", SERVICE)):
        identity = draft.identify("service", entry, where, "name")
        service = Service(
            id=identity,
            name=entry["name"],
            tags=entry["tags"],
            tls_verify=entry["tls_verify"],
            enabled=entry["enabled"],
            retries=entry["retries"],
            connect_timeout=entry["connect_timeout"],
            write_timeout=entry["write_timeout"],
            read_timeout=entry["read_timeout"],
            **address_of(draft, entry, where),
        )
        draft.services[identity] = service
        for place, plugin, _ in entries(draft, entry, "plugins", PLUGIN, where):
            yield place, plugin, {"service": identity}
        for place, route, _ in list(entries(draft, entry, "routes", ROUTE, where)):
            if route["service"] is not None:
                draft.report(f"{place}.service", "a nested route is its service's already")
            yield from read_route(draft, route, place, identity)


def read_routes(draft: Draft, top: Entry) -> Iterator[ListEntry]:
    """Read top-level routes; return the plugins found inside."""
    for where, entry, _ in list(entries(draft, top, "routes", ROUTE)):
        service = draft.refer("service", entry["service"], where)
        yield from read_route(draft, entry, where, service)


def address_of(draft: Draft, entry: Entry, where: str) -> dict[str, Any]:
    """Return a service's protocol, host, port and path, from its url or from separate fields."""
    if entry["url"] is None:
        if entry["host"] is None:
            draft.report(f"{where}.host", "required, but missing (or give a url)")
        address = {name: entry[name] for name in ("protocol", "host", "path")}
        # Kong's default is 80 whatever the protocol, unless the address was given as a url.
        return {**address, "port": 80 if entry["port"] is None else entry["port"]}
    separate = [name for name in ("host", "port", "path") if entry[name] is not None]
    if separate:
        draft.report(f"{where}.url", f"cannot be together with {listed(separate)}")
    try:
        parts = urlsplit(entry["url"])
        port = parts.port
    except (ValueError, AttributeError):
        draft.report(f"{where}.url", "expected an http or https URL")
        return {"protocol": "http", "host": "", "port": 80, "path": None}
    if "@" in parts.netloc:
        draft.report(f"{where}.url", "a user name in a URL is not sent to the upstream")
    return {
        "protocol": parts.scheme,
        "host": f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname,
        "port": port or {"http": 80, "https": 443}.get(parts.scheme, 80),
        "path": parts.path or None,
    }


def read_route(draft: Draft, entry: Entry, where: str, service: str | None) -> Iterator[ListEntry]:
    """Read a route; return the plugins found inside."""
    identity = draft.identify("route", entry, where, "name")
    check_route(draft, entry, where)
    draft.routes[identity] = Route(
        id=identity,
        service=draft.services.get(service or ""),
        hosts=tuple(host for host in entry["hosts"] if isinstance(host, str)),
        headers={name: tuple(values) for name, values in entry["headers"].items()},
        **{name: entry[name] for name in ("name", "tags", "protocols", "methods", "paths")},
        **{name: entry[name] for name in ("strip_path", "preserve_host", "regex_priority")},
        https_redirect_status_code=entry["https_redirect_status_code"],
    )
    for place, plugin, _ in entries(draft, entry, "plugins", PLUGIN, where):
        yield place, plugin, {"route": identity}


def check_route(draft: Draft, entry: Entry, where: str) -> None:
    """Report a route whose fields are each valid but together match nothing."""
    if not any(entry[name] for name in ("methods", "hosts", "headers", "paths")):
        draft.report(where, "must set one of headers, hosts, methods, paths")
    for at, path in enumerate(entry["paths"]):
        if isinstance(path, str) and (problem := path_problem(path)):
            draft.report(f"{where}.paths[{at}]", problem)
    for name, values in entry["headers"].items():
        if name.lower() == "host":
            draft.report(f"{where}.headers", "use hosts to match the host header")
        for at, value in enumerate(values):
            try:
                header_pattern(str(value))
            except re.error as problem:
                draft.report(f"{where}.headers.{name}[{at}]", f"not a regular expression: {problem}")


def path_problem(path: str) -> str | None:
    """Say what is wrong with a route's path."""
    if not path.startswith(("/", "~/")):
        return "should start with / (prefix path) or ~/ (regex path)"
    if path.startswith("~"):
        try:
            path_pattern(path)
        except re.error as problem:
            return f"not a regular expression: {problem}"
    return None


def read_consumers(draft: Draft, top: Entry) -> tuple[list[Any], list[ListEntry]]:
    """Read consumers; return their credentials and the plugins found inside."""
    plugins: list[ListEntry] = []
    owned: list[tuple[str, str, Entry, str]] = []
    consumers: dict[str, Entry] = {}
    for where, entry, _ in list(entries(draft, top, "consumers", CONSUMER)):
        if not (entry["username"] or entry["custom_id"]):
            draft.report(where, "at least one of username, custom_id must be set")
        identity = draft.identify("consumer", entry, where, "username")
        consumers[identity] = entry
        draft.unique("custom_id", entry["custom_id"], where)
        for kind, fields in CREDENTIALS.items():
            for place, credential, _ in entries(draft, entry, kind, fields, where):
                owned.append((kind, place, credential, identity))
        for place, plugin, _ in entries(draft, entry, "plugins", PLUGIN, where):
            plugins.append((place, plugin, {"consumer": identity}))
    for kind, fields in CREDENTIALS.items():
        for place, credential, _ in list(entries(draft, top, kind, fields)):
            if credential["consumer"] is None:
                draft.report(f"{place}.consumer", "required, but missing")
            if owner := draft.refer("consumer", credential["consumer"], place):
                owned.append((kind, place, credential, owner))
    for identity, entry in consumers.items():
        draft.consumers[identity] = Consumer(
            id=identity,
            groups=tuple(
                group["group"] for kind, _, group, owner in owned if (kind, owner) == ("acls", identity)
            ),
            **{name: entry[name] for name in ("username", "custom_id", "tags")},
        )
    credentials = [read_credential(draft, *entry) for entry in owned if entry[0] != "acls"]
    return credentials, plugins


def read_credential(draft: Draft, kind: str, where: str, entry: Entry, owner: str) -> Any:
    """Read a credential of a consumer."""
    handle = "username" if kind == "basicauth_credentials" else "key"
    # The id comes from the place in the file: one derived from the key would let people test guesses.
    identity = entry["id"] or stable_id(kind, where)
    draft.unique(handle, entry[handle], where, kind)
    consumer = draft.consumers[owner]
    if kind == "basicauth_credentials" and draft.hashed and owner not in draft.explicit_ids:
        draft.report(where, "with _transform: false a password is a digest over its consumer's id")
    match kind:
        case "keyauth_credentials":
            return KeyCredential(identity, entry["key"], consumer)
        case "basicauth_credentials":
            return BasicCredential(identity, entry["username"], entry["password"], draft.hashed, consumer)
    check_jwt(draft, entry, where)
    return JwtCredential(
        id=identity,
        consumer=consumer,
        **{name: entry[name] for name in ("key", "algorithm", "secret", "rsa_public_key")},
    )


def check_jwt(draft: Draft, entry: Entry, where: str) -> None:
    """Report a token issuer whose tokens cannot be verified."""
    needed = "secret" if str(entry["algorithm"]).startswith("HS") else "rsa_public_key"
    if entry[needed] is None:
        draft.report(f"{where}.{needed}", f"required with algorithm {entry['algorithm']}")
    elif needed == "rsa_public_key":
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            load_pem_public_key(str(entry[needed]).encode())
        except ValueError:
            draft.report(f"{where}.{needed}", "not a public key in PEM form")
