"""What leads into a cluster: an Ingress of nginx or Kong, an HTTPRoute, an IngressRoute of Traefik."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devenv.drafting.kubernetes.objects import Item, Objects, at, name_of, rows, word
from devenv.drafting.routes import hosts_and_paths

_CAPTURED = re.compile(r"^(?P<path>/[\w./-]*?)/?(?:\(/\|\$\)\(\.\*\)|/?\(\.\*\)|\(/\.\*\)\?)$")
_PLAIN = re.compile(r"/[\w./~%-]*")
KONG = "konghq.com/"


@dataclass(frozen=True, slots=True)
class Rule:
    """Where requests for a path of a host go: to a Service. `what` names it in the table.

    `plugins`: the names of Kong's plugins that it has; `unclear` says why no route can say it.
    """

    what: str
    host: str
    path: str
    service: str
    strip: bool = False
    unclear: str = ""
    plugins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()


def rules(objects: Objects) -> Iterator[Rule]:
    """The rules of all objects that have some."""
    for item in objects.items:
        yield from _FORMS.get(str(item.get("kind")), _none)(item, objects)


def annotation(item: Item, name: str) -> str:
    """What an annotation says, whatever stands before the `/` of its name; "" where there is none."""
    notes: Mapping[str, Any] = at(item, "metadata", "annotations")
    return next((str(value) for key, value in notes.items() if str(key).rpartition("/")[2] == name), "")


def names(item: Item, name: str) -> tuple[str, ...]:
    """The names that an annotation of Kong's lists."""
    listed = word(item, "metadata", "annotations", f"{KONG}{name}").split(",")
    return tuple(filter(None, map(str.strip, listed)))


def _none(item: Item, objects: Objects) -> Iterator[Rule]:
    yield from ()


def _ingress(item: Item, objects: Objects) -> Iterator[Rule]:
    name, rewrite = name_of(item), annotation(item, "rewrite-target")
    strips = annotation(item, "strip-path") == "true"
    plugins, methods = names(item, "plugins"), names(item, "methods")
    for key in ("defaultBackend", "backend"):
        if service := _service(at(item, "spec", key)):
            yield Rule(f"Ingress {name}", "", "/", service, False, "", plugins, methods)
    for rule in rows(item, "spec", "rules"):
        for path in rows(rule, "http", "paths"):
            written, service = word(path, "path") or "/", _service(at(path, "backend"))
            place, strip, unclear = _path(written, rewrite)
            strip = (strip or strips) and place != "/"
            what = f"Ingress {name} {written}"
            yield Rule(what, word(rule, "host"), place, service, strip, unclear, plugins, methods)


def _path(written: str, rewrite: str) -> tuple[str, bool, str]:
    """A path, whether it is taken off, and why no route says it.

    With nginx it may be a regular expression whose rest is passed on; with Kong one begins with `/~`.
    """
    if written.startswith("/~"):
        return written[1:], False, ""
    captured = _CAPTURED.match(written)
    path = (captured["path"] if captured else written) or "/"
    if not _PLAIN.fullmatch(path):
        return path, False, "a regular expression: route takes one after ~"
    if rewrite and not re.fullmatch(r"/(?:\$\d)?", rewrite):
        return path, False, f"it is rewritten to {rewrite}, which no route does"
    return path, bool(rewrite), ""


def _service(backend: Item) -> str:
    return word(backend, "service", "name") or word(backend, "serviceName")


def _httproute(item: Item, objects: Objects) -> Iterator[Rule]:
    hosts = [str(host) for host in rows(item, "spec", "hostnames")] or [""]
    for rule in rows(item, "spec", "rules"):
        backends = [word(ref, "name") for ref in rows(rule, "backendRefs")]
        unclear = "" if len(backends) == 1 else "it leads to several services, or to none"
        prefix = ("urlRewrite", "path", "replacePrefixMatch")
        strips = any(word(each, *prefix) == "/" for each in rows(rule, "filters"))
        for path in [at(match, "path") for match in rows(rule, "matches")] or [{}]:
            written = word(path, "value") or "/"
            what, strip = f"HTTPRoute {name_of(item)} {written}", strips and written != "/"
            place = f"~{written}" if word(path, "type") == "RegularExpression" else written
            for host in hosts:
                yield Rule(what, host, place, (backends or [""])[0], strip, unclear, names(item, "plugins"))


def _of_traefik(item: Item, objects: Objects) -> Iterator[Rule]:
    strips = {
        name_of(each): {str(prefix) for prefix in rows(each, "spec", "stripPrefix", "prefixes")}
        for each in objects.of("Middleware")
    }
    for route in rows(item, "spec", "routes"):
        services = [word(each, "name") for each in rows(route, "services")]
        taken = {path for each in rows(route, "middlewares") for path in strips.get(word(each, "name"), ())}
        hosts, paths = hosts_and_paths(word(route, "match"))
        unclear = "" if len(services) == 1 else "it leads to several services, or to none"
        for path in paths:
            what = f"IngressRoute {name_of(item)} {path}"
            for host in hosts or [""]:
                yield Rule(what, host, path, (services or [""])[0], path in taken, unclear)


_FORMS = {"Ingress": _ingress, "HTTPRoute": _httproute, "IngressRoute": _of_traefik}
