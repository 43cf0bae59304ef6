"""Declarative configuration (kong.yml, format 3.0): text in, frozen entities or problems out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, UUID, uuid5

import yaml

from devenv.gateway import schema
from devenv.gateway.model import (
    BasicCredential,
    Consumer,
    JwtCredential,
    KeyCredential,
    Route,
    Service,
)
from devenv.gateway.plugin import ConfiguredPlugin, Plugin
from devenv.gateway.plugins import available
from devenv.gateway.registry import Configuration
from devenv.gateway.router import header_pattern, path_pattern
from devenv.gateway.schema import (
    Field,
    boolean,
    integer,
    list_of,
    listed,
    mapping_of,
    matching,
    one_of,
    text,
)

Entry = Mapping[str, Any]

KONG = UUID("fd02801f-0957-4a15-a55a-c8d9606f30b5")  # its namespace for ids made of names

HTTP_PROTOCOLS = one_of("http", "https")
ANY_PROTOCOLS = one_of("http", "https", "grpc", "grpcs")
MILLISECONDS = integer(1, 2**31 - 2)
NAME = matching(r"[\w.~-]+", "a name of letters, digits and . _ ~ -")
HEADER_VALUES = list_of(text, least=1)
COMMON = {
    "id": Field(text),
    "tags": Field(list_of(text), ()),
    "created_at": Field(integer(0, 2**53)),
    "updated_at": Field(integer(0, 2**53)),
}


def as_given(value: Any, where: str, report: schema.Report) -> Any:
    """Accept any value: its check depends on another field and comes later."""
    return value


REFERENCE = Field(as_given)
NESTED = Field(list_of(as_given), ())
SERVICE = {
    **COMMON,
    "name": Field(NAME),
    "url": Field(matching(r"https?://[^\s/?#]+[^\s?#]*", "an http or https URL")),
    "protocol": Field(HTTP_PROTOCOLS, "http"),
    "host": Field(matching(r"[A-Za-z0-9._:\[\]-]+", "a host name or address")),
    "port": Field(integer(0, 65535)),
    "path": Field(matching(r"/[^\s?#]*", "a path that starts with /")),
    "connect_timeout": Field(MILLISECONDS, 60000),
    "write_timeout": Field(MILLISECONDS, 60000),
    "read_timeout": Field(MILLISECONDS, 60000),
    "retries": Field(integer(0, 32767), 5),
    "enabled": Field(boolean, True),
    "tls_verify": Field(boolean),
    "routes": NESTED,
    "plugins": NESTED,
}
ROUTE = {
    **COMMON,
    "name": Field(NAME),
    "service": REFERENCE,
    "protocols": Field(list_of(HTTP_PROTOCOLS, least=1), ("http", "https")),
    "methods": Field(list_of(matching("[A-Z]+", "an HTTP method in upper case")), ()),
    "hosts": Field(list_of(matching(r"(\*\.)?[^\s*/]+|[^\s*/]+\.\*(:\d+)?", "a host name")), ()),
    "paths": Field(list_of(text), ()),
    "headers": Field(mapping_of(HEADER_VALUES), {}),
    "strip_path": Field(boolean, True),
    "preserve_host": Field(boolean, False),
    "regex_priority": Field(integer(0, 2**32 - 1), 0),
    "path_handling": Field(one_of("v0"), "v0"),
    "https_redirect_status_code": Field(one_of(301, 302, 307, 308, 426), 426),
    # Bodies always stream here, whatever Kong's buffering says.
    "request_buffering": Field(boolean, True),
    "response_buffering": Field(boolean, True),
    "plugins": NESTED,
}
CONSUMER = {
    **COMMON,
    "username": Field(text),
    "custom_id": Field(text),
    "plugins": NESTED,
    "keyauth_credentials": NESTED,
    "basicauth_credentials": NESTED,
    "jwt_secrets": NESTED,
    "acls": NESTED,
}
PLUGIN = {
    **COMMON,
    "name": Field(text, required=True),
    "instance_name": Field(text),
    "enabled": Field(boolean, True),
    "protocols": Field(list_of(ANY_PROTOCOLS), ("grpc", "grpcs", "http", "https")),
    "config": Field(as_given, {}),
    "service": REFERENCE,
    "route": REFERENCE,
    "consumer": REFERENCE,
}
OWNED = {**COMMON, "consumer": REFERENCE}
KEY = {**OWNED, "key": Field(text, required=True)}
BASIC = {**OWNED, "username": Field(text, required=True), "password": Field(text, required=True)}
JWT = {
    **OWNED,
    "key": Field(text, required=True),
    "algorithm": Field(one_of("HS256", "HS384", "HS512", "RS256", "RS384", "RS512"), "HS256"),
    "secret": Field(text),
    "rsa_public_key": Field(text),
}
ACL = {**OWNED, "group": Field(text, required=True)}
CREDENTIALS = {
    "keyauth_credentials": KEY,
    "basicauth_credentials": BASIC,
    "jwt_secrets": JWT,
    "acls": ACL,
}
TOP = {
    "_format_version": Field(one_of("3.0"), required=True),
    "_transform": Field(boolean, True),
    "_comment": Field(text),
    "_ignore": REFERENCE,
    "services": NESTED,
    "routes": NESTED,
    "plugins": NESTED,
    "consumers": NESTED,
    **dict.fromkeys(CREDENTIALS, NESTED),
}


class Refused(Exception):
    """A configuration the gateway does not load, with every reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(slots=True)
class Problems:
    """Problems found so far, each with its place in the file."""

    source: str
    lines: list[str] = field(default_factory=list)

    def report(self, where: str, problem: str) -> None:
        """Add a problem."""
        self.lines.append(": ".join(filter(None, (self.source, where, problem))))


@dataclass(slots=True)
class Draft:
    """A configuration being read."""

    problems: Problems
    hashed: bool
    services: dict[str, Service] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    consumers: dict[str, Consumer] = field(default_factory=dict)
    handles: dict[tuple[str, str], str] = field(default_factory=dict)
    explicit_ids: set[str] = field(default_factory=set)

    def report(self, where: str, problem: str) -> None:
        """Report a problem."""
        self.problems.report(where, problem)

    def identify(self, kind: str, entry: Entry, where: str, handle: str) -> str:
        """Return an entity's id, derived from its name when it has none, and remember both."""
        name = entry[handle] or entry.get("custom_id") or where
        identity = str(entry["id"] or (kongs_id(kind, name) if entry[handle] else stable_id(kind, name)))
        if entry["id"]:
            self.explicit_ids.add(identity)
        taken = [value for value in (entry[handle], identity) if (kind, value) in self.handles]
        if taken:
            self.report(where, f'there is another {kind} "{taken[0]}"')
        self.handles[kind, identity] = identity
        if entry[handle]:
            self.handles[kind, entry[handle]] = identity
        return identity

    def unique(self, name: str, value: str | None, where: str, kind: str = "") -> None:
        """Remember a value that no other entity of the kind may have."""
        if value:
            first = self.handles.setdefault((f"{kind}.{name}", value), where)
            if first != where:
                self.report(f"{where}.{name}", f"the same as in {first}")

    def refer(self, kind: str, value: Any, where: str) -> str | None:
        """Return the id of the entity a reference names."""
        if value is None:
            return None
        if isinstance(value, dict):
            value = next((value[key] for key in ("id", "name", "username") if value.get(key)), None)
        identity = self.handles.get((kind, value)) if isinstance(value, str) else None
        if identity is None:
            shown = f' "{value}"' if isinstance(value, str) else ""
            self.report(f"{where}.{kind}", f"there is no {kind}{shown}")
        return identity


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


ListEntry = tuple[str, Entry, dict[str, str]]
"""An entry of a list: its place in the file, its fields, and the ids of what it is nested in."""


def entries(
    draft: Draft, parent: Entry, name: str, fields: Mapping[str, Field], where: str = ""
) -> Iterator[ListEntry]:
    """Return the checked entries of a list, each with its place."""
    for at, raw in enumerate(parent[name]):
        place = f"{where}.{name}[{at}]" if where else f"{name}[{at}]"
        label = f"{place} ({raw['name']})" if labelled(name, raw) else place
        entry = schema.record(fields)(raw, label, draft.report)
        if isinstance(raw, dict):
            yield label, entry, {}


def labelled(name: str, raw: Any) -> bool:
    """Tell whether an entry's place shows its name: a plugin's does."""
    return name == "plugins" and isinstance(raw, dict) and isinstance(raw.get("name"), str)


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


PLUGINS = available()


def read_plugin(draft: Draft, entry: Entry, where: str, owner: dict[str, str]) -> ConfiguredPlugin | None:
    """Read a plugin's configuration and what it is bound to."""
    plugin = PLUGINS.get(entry["name"])
    if plugin is None:
        if isinstance(entry["name"], str):
            draft.report(
                where,
                f'the embedded gateway has no plugin "{entry["name"]}" - it has {listed(PLUGINS)}',
            )
        return None
    before = len(draft.problems.lines)
    values = check_values(draft, plugin, entry["config"], where)
    scope = scope_of(draft, plugin, entry, where, owner)
    if len(draft.problems.lines) > before or entry["enabled"] is False:
        return None
    names = [scope[kind] or "" for kind in ("route", "service", "consumer")]
    return ConfiguredPlugin(
        id=entry["id"] or stable_id("plugin", plugin.name, *names),
        plugin=plugin,
        config=plugin.config(**values),
        values=values,
        protocols=entry["protocols"],
        tags=entry["tags"],
        **scope,
    )


def check_values(draft: Draft, plugin: Plugin[Any], raw: Any, where: str) -> dict[str, Any]:
    """Check a plugin's configuration, field by field and across fields."""

    def report(place: str, problem: str) -> None:
        draft.report(f"{where}: {place}", problem)

    before = len(draft.problems.lines)
    values: dict[str, Any] = schema.record(plugin.fields)(raw, "config", report)
    if len(draft.problems.lines) == before:
        for name, problem in plugin.across(values):
            report(schema.within("config", name) if name else "config", problem)
    return values


def scope_of(
    draft: Draft, plugin: Plugin[Any], entry: Entry, where: str, owner: dict[str, str]
) -> dict[str, str | None]:
    """Return the ids of what a plugin is bound to."""
    scope: dict[str, str | None] = {}
    for kind in ("route", "service", "consumer"):
        if owner and entry[kind] is not None:
            draft.report(f"{where}.{kind}", "a plugin bound to several entities is a top-level one")
        scope[kind] = owner.get(kind) or draft.refer(kind, entry[kind], where)
    if scope["consumer"] and not plugin.per_consumer:
        draft.report(where, f"{plugin.name} cannot be bound to a consumer")
    return scope


def check_plugins(draft: Draft, plugins: Mapping[str, ConfiguredPlugin]) -> None:
    """Report plugins bound twice to the same entities, and anonymous consumers that do not exist."""
    scopes: dict[tuple[str | None, ...], str] = {}
    for where, attached in plugins.items():
        first = scopes.setdefault(
            (attached.plugin.name, attached.route, attached.service, attached.consumer), where
        )
        if first != where:
            draft.report(where, f"bound to the same entities as {first}")
        anonymous = attached.values.get("anonymous")
        if anonymous and ("consumer", anonymous) not in draft.handles:
            draft.report(f"{where}: config.anonymous", f'there is no consumer "{anonymous}"')


def kongs_id(kind: str, name: str) -> str:
    """Return the id that Kong derives from a name; it decides between routes that are otherwise equal."""
    return str(uuid5(uuid5(KONG, f"{kind}s"), name))


def stable_id(kind: str, *names: str) -> str:
    """Return an id that stays the same across reloads of the same names."""
    return str(uuid5(NAMESPACE_URL, f"devenv-gateway:{kind}:{'/'.join(names)}"))
