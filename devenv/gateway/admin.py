"""Status, admin and GUI listeners: what is loaded, read-only but for the whole configuration."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

import yaml
from aiohttp import web

from devenv.gateway.config import Refused, load
from devenv.gateway.model import Consumer, Route, Service
from devenv.gateway.plugins import available
from devenv.gateway.proxy import PRODUCT, Gateway
from devenv.gateway.registry import Configuration, Loaded

Handler = Callable[[web.Request], Awaitable[web.Response]]
TITLE = "devenv embedded gateway (not Kong)"
MASK = "***"
# A configuration of this size is a mistake, not a configuration.
MOST_BYTES = 32 * 2**20


def status_application(gateway: Gateway) -> web.Application:
    """Return the status listener: is the process there, is it ready."""

    async def ready(request: web.Request) -> web.Response:
        if gateway.loaded is None:
            text = "no configuration available (empty configuration present)"
            return web.json_response({"message": text}, status=503)
        return web.json_response({"message": "ready"})

    application = web.Application()
    application.router.add_get("/status", status_handler(gateway))
    application.router.add_get("/status/ready", ready)
    return application


def admin_application(gateway: Gateway) -> web.Application:
    """Return the admin listener."""

    async def root(request: web.Request) -> web.Response:
        return web.json_response(overview(configuration_of(gateway)))

    async def get_config(request: web.Request) -> web.Response:
        text = yaml.safe_dump(exported(configuration_of(gateway)), sort_keys=False)
        return web.json_response({"config": text})

    async def post_config(request: web.Request) -> web.Response:
        return await replace(gateway, request)

    def listing(describe: Callable[[Configuration], list[dict[str, Any]]]) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            return web.json_response({"data": describe(configuration_of(gateway)), "next": None})

        return handler

    application = web.Application(client_max_size=MOST_BYTES)
    application.router.add_get("/", root)
    application.router.add_get("/status", status_handler(gateway))
    application.router.add_get("/config", get_config)
    application.router.add_post("/config", post_config)
    for name, describe in LISTINGS.items():
        application.router.add_get(f"/{name}", listing(describe))
    return application


def gui_application(gateway: Gateway) -> web.Application:
    """Return the GUI listener: one page."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=html_page(configuration_of(gateway)), content_type="text/html")

    application = web.Application()
    application.router.add_get("/", page)
    return application


def status_handler(gateway: Gateway) -> Handler:
    """Return the handler of /status, in the shape of Kong's."""

    async def status(request: web.Request) -> web.Response:
        server = {
            "total_requests": gateway.requests,
            "connections_active": gateway.active,
        }
        return web.json_response(
            {
                "server": server,
                "database": {"reachable": True},
                "configuration_hash": configuration_of(gateway).digest,
            }
        )

    return status


async def replace(gateway: Gateway, request: web.Request) -> web.Response:
    """Replace the whole configuration; a refused one leaves the old one in place."""
    try:
        configuration = load(await posted(request), "config")
    except Refused as refused:
        return web.json_response(
            {
                "code": 14,
                "name": "invalid declarative configuration",
                "message": f"declarative config is invalid: {'; '.join(refused.problems)}",
                "problems": refused.problems,
            },
            status=400,
        )
    same = gateway.loaded is not None and configuration.digest == configuration_of(gateway).digest
    if same and request.query.get("check_hash") in ("1", "true"):
        return web.Response(status=304)
    gateway.loaded = Loaded.of(configuration)
    return web.json_response(exported(configuration), status=201)


async def posted(request: web.Request) -> str:
    """Return the configuration in a request: a form's or a JSON object's `config`, or the body."""
    if request.content_type in ("multipart/form-data", "application/x-www-form-urlencoded"):
        field = (await request.post()).get("config")
        if isinstance(field, web.FileField):
            return field.file.read().decode(errors="replace")
        return field if isinstance(field, str) else ""
    text = await request.text()
    if request.content_type == "application/json":
        try:
            content = json.loads(text)
        except ValueError:
            return text
        if isinstance(content, dict) and isinstance(content.get("config"), str):
            return str(content["config"])
    return text


def configuration_of(gateway: Gateway) -> Configuration:
    """Return what is loaded; an empty configuration when nothing is."""
    return gateway.loaded.configuration if gateway.loaded else Configuration()


def overview(configuration: Configuration) -> dict[str, Any]:
    """Describe the gateway itself."""
    return {
        "tagline": TITLE,
        "product": PRODUCT,
        "format_version": "3.0",
        "configuration_hash": configuration.digest,
        "plugins": {
            "available_on_server": {
                name: {"priority": plugin.priority} for name, plugin in available().items()
            },
            "enabled_in_cluster": sorted({one.plugin.name for one in configuration.plugins}),
        },
    }


def services(configuration: Configuration) -> list[dict[str, Any]]:
    """Describe the services."""
    return [fields_of(service) for service in configuration.services]


def routes(configuration: Configuration) -> list[dict[str, Any]]:
    """Describe the routes."""
    return [
        {**fields_of(route), "service": {"id": route.service.id} if route.service else None}
        for route in configuration.routes
    ]


def plugins(configuration: Configuration) -> list[dict[str, Any]]:
    """Describe the configured plugins."""
    return [
        {
            "id": one.id,
            "name": one.plugin.name,
            "enabled": True,
            "protocols": list(one.protocols),
            "tags": list(one.tags),
            "config": plain(one.values),
            **{
                kind: {"id": bound} if (bound := getattr(one, kind)) else None
                for kind in ("service", "route", "consumer")
            },
        }
        for one in configuration.plugins
    ]


def consumers(configuration: Configuration) -> list[dict[str, Any]]:
    """Describe the consumers; their credentials are masked, since nobody is asked who they are."""
    return [
        {
            **fields_of(consumer),
            "keyauth_credentials": [
                {"id": one.id, "key": MASK} for one in configuration.keys if one.consumer is consumer
            ],
            "basicauth_credentials": [
                {"id": one.id, "username": one.username, "password": MASK}
                for one in configuration.basics
                if one.consumer is consumer
            ],
            "jwt_secrets": [
                {"id": one.id, "key": one.key, "algorithm": one.algorithm, "secret": MASK}
                for one in configuration.jwts
                if one.consumer is consumer
            ],
        }
        for consumer in configuration.consumers
    ]


LISTINGS: Mapping[str, Callable[[Configuration], list[dict[str, Any]]]] = {
    "services": services,
    "routes": routes,
    "plugins": plugins,
    "consumers": consumers,
}


def exported(configuration: Configuration) -> dict[str, Any]:
    """Return the configuration as one document, credentials masked."""
    lists = {name: describe(configuration) for name, describe in LISTINGS.items()}
    return {"_format_version": "3.0", **lists}


def fields_of(entity: Service | Route | Consumer) -> dict[str, Any]:
    """Return an entity's fields as plain values."""
    return {name: plain(getattr(entity, name)) for name in entity.__slots__}


def plain(value: Any) -> Any:
    """Return a value with nothing in it but what JSON has."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else None


STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }
th { font-weight: 600; } code { font-size: .9em; }
"""


def html_page(configuration: Configuration) -> str:
    """Return the page that lists services, routes and plugins."""
    names = {one.id: one.name or one.id for one in configuration.services}
    names |= {one.id: one.name or one.id for one in configuration.routes}
    names |= {one.id: one.username or one.custom_id or one.id for one in configuration.consumers}
    service_rows = [
        (one.name or one.id, f"{one.protocol}://{one.host}:{one.port}{one.path or ''}")
        for one in configuration.services
    ]
    route_rows = [
        (
            one.name or one.id,
            " ".join(one.methods) or "any",
            " ".join(one.hosts) or "any",
            " ".join(one.paths) or "any",
            names[one.service.id] if one.service else "",
        )
        for one in configuration.routes
    ]
    plugin_rows = [
        (
            one.plugin.name,
            ", ".join(
                f"{kind} {names.get(bound, bound)}"
                for kind in ("route", "service", "consumer")
                if (bound := getattr(one, kind))
            )
            or "everything",
        )
        for one in configuration.plugins
    ]
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{TITLE}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>{TITLE}</h1>\n"
        + table("Services", ("name", "upstream"), service_rows)
        + table("Routes", ("name", "methods", "hosts", "paths", "service"), route_rows)
        + table("Plugins", ("name", "applies to"), plugin_rows)
        + "</body>\n</html>\n"
    )


def table(title: str, columns: Iterable[str], rows: Sequence[tuple[str, ...]]) -> str:
    """Return one table of the page."""
    if not rows:
        return f"<h2>{title}</h2>\n<p>none</p>\n"
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td><code>{escape(cell)}</code></td>' for cell in row)}</tr>\n" for row in rows
    )
    return f"<h2>{title}</h2>\n<table><tr>{head}</tr>\n{body}</table>\n"
