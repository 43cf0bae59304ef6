"""The routes of a stack as objects of the cluster's own gateway: an Ingress, Kong's, or HTTPRoutes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from devenv.manifest.routing import OWN, inexpressible, inexpressible_consumer, inexpressible_hosts
from devenv.plan.promotion.changes import READS
from devenv.render.chart.credentials import KIND, Credential, credentials, object_name
from devenv.render.chart.page import Page
from devenv.render.chart.plugins import on_page, sealed
from devenv.render.kong import configured, named_routes
from devenv.stack.model import Stack
from devenv.stack.routing import Consumer, Gateway, Plugin, Route

Object = dict[str, Any]


def routes(stack: Stack) -> str:
    """The template of a stack's routes, for each way that an environment may choose."""
    assert stack.gateway is not None
    text = (
        "{{- /* devenv: routes of the cluster's own gateway, whose values are in gateway and ingress */}}\n"
    )
    for way, objects in (("ingress", _ingress), ("kong", _kong), ("httproute", _http_routes)):
        text += f'{{{{- if eq .Values.gateway.kind "{way}" }}}}\n'
        if lost := list(_lost(stack, stack.gateway, way)):
            why = f"gateway.kind: {way}: {OWN[way]} cannot express {'; '.join(lost)}: deploy can"
            text += f"{{{{- fail {json.dumps(why)} }}}}\n"
        else:
            text += "---\n".join(objects(stack, stack.gateway))
        text += "{{- end }}\n"
    return text


def _lost(stack: Stack, gateway: Gateway, way: str) -> Iterator[str]:
    if way == "kong":
        owners: list[Route | Consumer] = [*gateway.routes, *gateway.consumers]
        plugins = [*gateway.plugins, *(plugin for owner in owners for plugin in owner.plugins)]
        yield from (f"the secret in the plugin {each.name}" for each in plugins if sealed(each.config))
    else:
        yield from (f"the plugin {plugin.name} of all routes" for plugin in gateway.plugins)
    for consumer in gateway.consumers:
        sealed_id = not isinstance(consumer.custom_id or "", str)
        yield from inexpressible_consumer(way, consumer.name, jwt=consumer.jwt, sealed_id=sealed_id)
    if gateway.extra:
        yield "gateway.extra"
    for unit in stack.units:
        if any(need.unit == gateway.unit for need in unit.needs):
            yield f"that {unit.name} uses {gateway.unit}"
    for route in gateway.routes:
        if way != "kong":
            yield from (f"the plugin {plugin.name} of {route.service}" for plugin in route.plugins)
        for what in inexpressible(
            way, path=route.path, hosts=route.hosts, methods=route.methods, strip=route.strip
        ):
            yield f"{what} of {route.service}"


HOSTS = '(without (prepend $.Values.ingress.hosts $.Values.ingress.host | uniq) "")'
"""All public host names, in a template."""


def _ingress(stack: Stack, gateway: Gateway) -> Iterator[str]:
    page = Page()
    at_any = [_path(route) for route in gateway.routes if not route.hosts]
    rules: list[Any] = [_at_any_host(page, gateway, _paths(at_any))] if at_any else []
    for host in _own_hosts(gateway):
        served = [route for route in gateway.routes if host in (*route.hosts, *_also_at(gateway, route))]
        rules.append({"host": host, **_paths(map(_path, served))})
    yield page.text(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": _metadata(
                page, stack, gateway, page.inline("$.Chart.Name"), "$.Values.ingress.annotations"
            ),
            "spec": {
                page.when(
                    "with $.Values.ingress.class", {"ingressClassName": page.inline(". | quote")}
                ): None,
                page.when("if $.Values.ingress.tls", {"tls": _tls(page, gateway)}): None,
                "rules": rules,
            },
        }
    )


def _paths(paths: Iterable[Object]) -> Object:
    return {"http": {"paths": [*paths]}}


def _tls(page: Page, gateway: Gateway) -> list[Object]:
    public = _public(_own_hosts(gateway))
    every = f"concat {HOSTS} (list {_words(public)}) | uniq" if public else HOSTS
    hosts = page.inline(f"{every} | toJson")
    return [{"hosts": hosts, "secretName": page.inline("$.Values.ingress.tls | quote")}]


def hosts_in_front(gateway: Gateway, *, public: bool = False) -> str:
    """The hosts of the Ingress in front of our own gateway, in a template; `public`: those for a certificate.

    A host that an Ingress cannot say is left out: the others lead to the gateway all the same.
    """
    own = [host for host in _own_hosts(gateway) if not any(inexpressible_hosts([host]))]
    own = _public(own) if public else own
    return f"concat (prepend .hosts .host) (list {_words(own)})" if own else "prepend .hosts .host"


def _public(hosts: Iterable[str]) -> list[str]:
    return [host for host in hosts if not host.endswith("localhost")]


def _at_any_host(page: Page, gateway: Gateway, paths: Object) -> str:
    """Rules for routes of no host in particular: one for each host name, else one for all."""
    named = {"host": page.inline("$host | quote"), **paths}
    return page.when(f"range $host := {_hosts_without(gateway)}", [named], [paths])


def _hosts_without(gateway: Gateway) -> str:
    """The host names of all routes, without those that some have for themselves."""
    own = _own_hosts(gateway)
    return f"without {HOSTS} {_words(own)}" if own else HOSTS


def _own_hosts(gateway: Gateway) -> list[str]:
    """The host names that routes have for themselves."""
    return list(dict.fromkeys(host for route in gateway.routes for host in route.hosts))


def _also_at(gateway: Gateway, route: Route) -> list[str]:
    """The host names of other routes at which one of no host is reached as well.

    Kong asks the routes of a host first, whatever their paths; what is none of theirs is left to the others.
    """
    if route.hosts:
        return []
    return [
        host
        for host in _own_hosts(gateway)
        if not any(host in other.hosts and _covers(other, route) for other in gateway.routes)
    ]


def _covers(first: Route, second: Route) -> bool:
    """Whether every request that the second would get is the first's, at the same host."""
    methods = not first.methods or (second.methods and {*second.methods} <= {*first.methods})
    return bool(methods) and second.path.startswith(first.path)


def _words(words: Iterable[str]) -> str:
    return " ".join(map(json.dumps, words))


def _path(route: Route) -> Object:
    backend = {"service": {"name": route.service, "port": {"number": route.port}}}
    return {"path": route.path, "pathType": "Prefix", "backend": backend}


def _kong(stack: Stack, gateway: Gateway) -> Iterator[str]:
    """An Ingress for each route, annotated for Kong's controller, and a KongPlugin for each plugin.

    Plugins of all routes are listed by each of them: a global one would be for all of the cluster.
    """
    common = {plugin.name: plugin.name for plugin in gateway.plugins}
    for plugin in gateway.plugins:
        yield _kong_plugin(stack, gateway, plugin.name, plugin)
    for name, route in named_routes(gateway).items():
        own = {plugin.name: f"{name}.{plugin.name}" for plugin in route.plugins}
        for plugin in route.plugins:
            yield _kong_plugin(stack, gateway, own[plugin.name], plugin)
        yield _kong_ingress(stack, gateway, name, route, [*(common | own).values()])
    for consumer in gateway.consumers:
        yield from _kong_consumer(stack, gateway, consumer)


def _kong_consumer(stack: Stack, gateway: Gateway, consumer: Consumer) -> Iterator[str]:
    """The consumer, its plugins, and the Secrets of those credentials that hold no secret.

    The others have to be there; an annotation says what has to be in them.
    """
    name, every = object_name(consumer), credentials(stack, consumer)
    plugins = {plugin.name: f"consumer.{name}.{plugin.name}" for plugin in consumer.plugins}
    for plugin in consumer.plugins:
        yield _kong_plugin(stack, gateway, plugins[plugin.name], plugin, fixed=True)
    page, read = Page(), {each.secret: [*each.fields] for each in every if each.sealed}
    metadata = _metadata(page, stack, gateway, name)
    yield page.text(
        {
            "apiVersion": "configuration.konghq.com/v1",
            "kind": "KongConsumer",
            "metadata": {
                **{key: metadata[key] for key in ("name", "namespace", "labels")},
                "annotations": {
                    "kubernetes.io/ingress.class": page.inline(
                        '$.Values.ingress.class | default "kong" | quote'
                    ),
                    **({"konghq.com/plugins": ",".join(plugins.values())} if plugins else {}),
                    **({READS: json.dumps(read)} if read else {}),
                    page.more("merge (dict) $.Values.annotations"): None,
                },
            },
            "username": consumer.name,
            **({"custom_id": str(consumer.custom_id)} if consumer.custom_id else {}),
            **({"credentials": [each.secret for each in every]} if every else {}),
        }
    )
    yield from (_credential(stack, gateway, each) for each in every if not each.sealed)


def _credential(stack: Stack, gateway: Gateway, credential: Credential) -> str:
    page = Page()
    metadata = _metadata(page, stack, gateway, credential.secret)
    labels = f'fromYaml (include "{stack.name}.labels" (list $ {json.dumps(gateway.unit)} "infra"))'
    return page.text(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {**metadata, "labels": {KIND: credential.kind, page.more(labels): None}},
            "stringData": {field: str(value) for field, value in credential.fields.items()},
        }
    )


def _kong_plugin(stack: Stack, gateway: Gateway, name: str, plugin: Plugin, *, fixed: bool = False) -> str:
    """`fixed`: its settings are no values of the chart."""
    page = Page()
    return page.text(
        {
            "apiVersion": "configuration.konghq.com/v1",
            "kind": "KongPlugin",
            "metadata": _metadata(page, stack, gateway, name),
            "plugin": plugin.name,
            **(configured(plugin) if fixed else on_page(page, name, plugin, nested=True)),
        }
    )


def _kong_ingress(stack: Stack, gateway: Gateway, name: str, route: Route, plugins: list[str]) -> str:
    page = Page()
    annotations = {
        "konghq.com/strip-path": str(route.strip).lower(),
        "konghq.com/preserve-host": "true",
        **({"konghq.com/methods": ",".join(route.methods)} if route.methods else {}),
        **({"konghq.com/plugins": ",".join(plugins)} if plugins else {}),
        page.more("merge (dict) $.Values.ingress.annotations $.Values.annotations"): None,
    }
    # The controller takes what follows `/~` for a regular expression.
    path = f"/{route.path}" if route.path.startswith("~") else route.path
    paths = _paths([{**_path(route), "path": path, "pathType": "ImplementationSpecific"}])
    rules: list[Any] = [] if route.hosts else [_at_any_host(page, gateway, paths)]
    rules += [{"host": host, **paths} for host in (*route.hosts, *_also_at(gateway, route))]
    metadata = _metadata(page, stack, gateway, name)
    common = ("name", "namespace", "labels")
    return page.text(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {**{key: metadata[key] for key in common}, "annotations": annotations},
            "spec": {
                "ingressClassName": page.inline('$.Values.ingress.class | default "kong" | quote'),
                page.when("if $.Values.ingress.tls", {"tls": _tls(page, gateway)}): None,
                "rules": rules,
            },
        }
    )


def _http_routes(stack: Stack, gateway: Gateway) -> Iterator[str]:
    """One for each service and its host names."""
    also = [
        replace(route, hosts=hosts) for route in gateway.routes if (hosts := (*_also_at(gateway, route),))
    ]
    every = sorted((*gateway.routes, *also), key=lambda route: route.service)
    for service, own in groupby(every, lambda route: route.service):
        for number, (hosts, same) in enumerate(_by_hosts(own).items()):
            page = Page()
            name = service if not number else f"{service}-{number + 1}"
            named: Object = {"hostnames": list(hosts)} if hosts else {}
            others = page.when(f"with {_hosts_without(gateway)}", {"hostnames": page.inline("toJson .")})
            yield page.text(
                {
                    "apiVersion": "gateway.networking.k8s.io/v1",
                    "kind": "HTTPRoute",
                    "metadata": _metadata(page, stack, gateway, name),
                    "spec": {
                        "parentRefs": [_parent(page)],
                        **(named or {others: None}),
                        "rules": [_rule(route) for route in same],
                    },
                }
            )


def _parent(page: Page) -> Object:
    at = "$.Values.gateway.parent"
    return {
        "name": page.inline(
            f'required "gateway.parent.name: which Gateway serves the routes" {at}.name | quote'
        ),
        page.when(f"with {at}.namespace", {"namespace": page.inline(". | quote")}): None,
        page.when(f"with {at}.listener", {"sectionName": page.inline(". | quote")}): None,
    }


def _rule(route: Route) -> Object:
    path: Object = {"path": {"type": "PathPrefix", "value": route.path}}
    matches = [{**path, "method": method} for method in route.methods] or [path]
    whole = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    rewrite = [{"type": "URLRewrite", "urlRewrite": {"path": whole}}] if route.strip else []
    return {
        "matches": matches,
        **({"filters": rewrite} if rewrite else {}),
        "backendRefs": [{"name": route.service, "port": route.port}],
    }


def _by_hosts(routes: Any) -> Mapping[tuple[str, ...], list[Route]]:
    by_hosts: dict[tuple[str, ...], list[Route]] = {}
    for route in routes:
        by_hosts.setdefault(route.hosts, []).append(route)
    return by_hosts


def _metadata(page: Page, stack: Stack, gateway: Gateway, name: str, more: str = "dict") -> Object:
    labels = f'include "{stack.name}.labels" (list $ {json.dumps(gateway.unit)} "infra")'
    annotations = {"annotations": page.nested("toYaml .")}
    return {
        "name": name,
        "namespace": page.inline("$.Release.Namespace"),
        "labels": page.nested(labels),
        page.when(f"with merge (dict) ({more}) $.Values.annotations", annotations): None,
    }
