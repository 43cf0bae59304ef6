"""Status, admin and GUI listeners: what is loaded, read-only but for the whole configuration."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from html import escape
from typing import Any

import yaml
from aiohttp import web

from devenv.gateway.config import load
from devenv.gateway.draft import Refused
from devenv.gateway.entities import ALWAYS_EMPTY, KINDS, exported, find, listed
from devenv.gateway.headers import PRODUCT
from devenv.gateway.plugins import available
from devenv.gateway.proxy import Gateway
from devenv.gateway.registry import Configuration, Loaded

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TITLE = "devenv's stand-in for Kong (not Kong)"
# Larger bodies are refused: no real configuration is this large.
MOST_BYTES = 32 * 2**20
PAGE = 100
READABLE = {"Access-Control-Allow-Origin": "*"}  # by a browser's page from anywhere, as Kong's


def status_application(gateway: Gateway) -> web.Application:
    """Return the status listener: whether the process is alive and ready."""

    async def ready(request: web.Request) -> web.Response:
        if gateway.loaded is None:
            text = "no configuration available (empty configuration present)"
            return answer({"message": text}, status=503)
        return answer({"message": "ready"})

    application = web.Application(middlewares=[as_kong(READABLE)])
    application.router.add_get("/status", status_handler(gateway))
    application.router.add_get("/status/ready", ready)
    application.router.add_get("/metrics", metrics_handler(gateway))
    return application


def admin_application(gateway: Gateway) -> web.Application:
    """Return the admin listener."""
    admin = Admin(gateway)
    application = web.Application(
        client_max_size=MOST_BYTES,
        middlewares=[as_kong({**READABLE, "Access-Control-Allow-Credentials": "true"})],
    )
    kinds = "|".join((*KINDS, *ALWAYS_EMPTY))
    application.router.add_get("/", admin.root)
    application.router.add_get("/metrics", metrics_handler(gateway))
    application.router.add_get("/status", status_handler(gateway))
    application.router.add_get("/config", admin.get_config)
    application.router.add_post("/config", admin.post_config)
    application.router.add_get("/plugins/enabled", admin.plugins_enabled)
    application.router.add_get("/services/{handle}/routes", admin.routes_of_service)
    application.router.add_get(f"/{{kind:{kinds}}}", admin.entities)
    application.router.add_get(f"/{{kind:{kinds}}}/{{handle}}", admin.entity)
    return application


class Admin:
    """The handlers of the admin listener."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def root(self, request: web.Request) -> web.Response:
        """The overview, as at Kong's root."""
        return answer(overview(configuration_of(self.gateway)))

    async def get_config(self, request: web.Request) -> web.Response:
        """The whole configuration, as YAML."""
        document = {"_format_version": "3.0"} | {
            kind: list(entities.values()) for kind, entities in whole(self.gateway).items()
        }
        return answer({"config": yaml.safe_dump(document, sort_keys=False)})

    async def post_config(self, request: web.Request) -> web.Response:
        """Load another configuration."""
        return await replace(self.gateway, request)

    async def entities(self, request: web.Request) -> web.Response:
        """One page of the entities of a kind."""
        kind = request.match_info["kind"]
        return answer(page(kind, entities_of(self.gateway, kind), request.query))

    async def entity(self, request: web.Request) -> web.Response:
        """One entity, by its id or name."""
        kind, handle = request.match_info["kind"], request.match_info["handle"]
        loaded = find(entities_of(self.gateway, kind), handle)
        if loaded is None:
            raise web.HTTPNotFound
        return answer(loaded)

    async def routes_of_service(self, request: web.Request) -> web.Response:
        """One page of the routes of a service."""
        service = find(entities_of(self.gateway, "services"), request.match_info["handle"])
        if service is None:
            raise web.HTTPNotFound
        owner = {"id": service["id"]}
        routes = [route for route in entities_of(self.gateway, "routes") if route["service"] == owner]
        return answer(page("routes", routes, request.query))

    async def plugins_enabled(self, request: web.Request) -> web.Response:
        """The names of the plugins that work here."""
        return answer({"enabled_plugins": sorted(available())})


def gui_application(gateway: Gateway) -> web.Application:
    """Return the GUI listener: one page."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=html_page(configuration_of(gateway)), content_type="text/html")

    application = web.Application()
    application.router.add_get("/", page)
    return application


def as_kong(more: dict[str, str]) -> Any:
    """Return the middleware that gives every answer Kong's headers, and errors Kong's body."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        try:
            response = await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as refusal:
            message = "Not found" if refusal.status == 404 else "Method not allowed"
            response = answer({"message": message}, status=refusal.status)
        response.headers.update(more)
        response.headers["Server"] = PRODUCT
        response.headers["X-Kong-Admin-Latency"] = str(int((time.perf_counter() - began) * 1000))
        return response

    return middleware


def answer(document: Any, *, status: int = 200) -> web.Response:
    """Return a JSON answer, written as Kong writes it."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return web.Response(text=text, status=status, content_type="application/json")


def page(kind: str, entities: list[dict[str, Any]], query: Any) -> dict[str, Any]:
    """Return a part of a list, and where the next one begins."""
    size = int(query["size"]) if query.get("size", "").isdigit() else PAGE
    try:
        after = base64.urlsafe_b64decode(query.get("offset", "")).decode()
    except (ValueError, binascii.Error):
        after = ""
    left = [entity for entity in entities if entity["id"] > after]
    if len(left) <= size:
        return {"next": None, "data": left}
    offset = base64.urlsafe_b64encode(str(left[size - 1]["id"]).encode()).decode()
    return {"next": f"/{kind}?offset={offset}&size={size}", "data": left[:size], "offset": offset}


def metrics_handler(gateway: Gateway) -> Handler:
    """Return the handler of /metrics: what Kong's prometheus plugin says of each route."""

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(text=gateway.meter.text(), content_type="text/plain")

    return metrics


def status_handler(gateway: Gateway) -> Handler:
    """Return the handler of /status, in the shape of Kong's without a database."""

    async def status(request: web.Request) -> web.Response:
        server = {"total_requests": gateway.requests, "connections_active": gateway.active}
        return answer({"server": server, "configuration_hash": configuration_of(gateway).digest})

    return status


async def replace(gateway: Gateway, request: web.Request) -> web.Response:
    """Replace the whole configuration; a refused one leaves the old one in place."""
    try:
        configuration = load(await posted(request), "config")
    except Refused as refused:
        return answer(
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
    return answer(whole(gateway), status=201)


def entities_of(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    """Return the entities of a kind that are loaded."""
    return listed(gateway.loaded.configuration, kind, gateway.loaded.at) if gateway.loaded else []


def whole(gateway: Gateway) -> dict[str, Any]:
    """Return all that is loaded."""
    return exported(gateway.loaded.configuration, gateway.loaded.at) if gateway.loaded else {}


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
            "enabled_in_cluster": sorted({attached.plugin.name for attached in configuration.plugins}),
        },
    }


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
    names = {entity.id: entity.name or entity.id for entity in configuration.services}
    names |= {entity.id: entity.name or entity.id for entity in configuration.routes}
    names |= {
        entity.id: entity.username or entity.custom_id or entity.id for entity in configuration.consumers
    }
    service_rows = [
        (entity.name or entity.id, f"{entity.protocol}://{entity.host}:{entity.port}{entity.path or ''}")
        for entity in configuration.services
    ]
    route_rows = [
        (
            entity.name or entity.id,
            " ".join(entity.methods) or "any",
            " ".join(entity.hosts) or "any",
            " ".join(entity.paths) or "any",
            names[entity.service.id] if entity.service else "",
        )
        for entity in configuration.routes
    ]
    plugin_rows = [
        (
            entity.plugin.name,
            ", ".join(
                f"{kind} {names.get(bound, bound)}"
                for kind in ("route", "service", "consumer")
                if (bound := getattr(entity, kind))
            )
            or "everything",
        )
        for entity in configuration.plugins
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
