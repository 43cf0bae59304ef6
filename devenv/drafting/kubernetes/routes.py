"""Ingresses and HTTPRoutes as routes of the gateway."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from devenv.drafting.kubernetes.imported import Imported
from devenv.drafting.kubernetes.objects import Item, at, name_of, rows, word

_CAPTURED = re.compile(r"^(?P<path>/[\w./-]*?)/?(?:\(/\|\$\)\(\.\*\)|/?\(\.\*\)|\(/\.\*\)\?)$")
_PLAIN = re.compile(r"/[\w./~%-]*")
_REWRITE = re.compile(r"rewrite-target$")


@dataclass(frozen=True, slots=True)
class Rule:
    """Where requests for a path of a host go: to a Service. `what` names it in the table."""

    what: str
    host: str
    path: str
    service: str
    strip: bool = False
    unclear: str = ""


def routes(imported: Imported) -> None:
    """Give each unit the routes that lead to it."""
    rules = [rule for item in imported.objects.of("Ingress") for rule in _ingress(item)]
    rules += [rule for item in imported.objects.of("HTTPRoute") for rule in _httproute(item)]
    hosts = {rule.host for rule in rules}
    own: defaultdict[str, list[Any]] = defaultdict(list)
    for rule in rules:
        unit = imported.addresses.units.get(rule.service)
        if unit is None or rule.unclear:
            imported.say("by hand", rule.what, rule.unclear or f"there is no workload behind {rule.service}")
            continue
        route = _written(rule, alone=len(hosts) == 1)
        if route not in own[unit]:
            own[unit].append(route)
    for unit, several in own.items():
        imported.fields[unit]["route"] = several if len(several) > 1 else several[0]
    for host in hosts - {""} if len(hosts) == 1 else ():
        imported.say("derived", host, "the only host: its routes are for any, localhost too")


def _written(rule: Rule, *, alone: bool) -> Any:
    more = ({"host": rule.host} if rule.host and not alone else {}) | ({"strip": True} if rule.strip else {})
    return {"path": rule.path, **more} if more else rule.path


def _ingress(item: Item) -> Iterator[Rule]:
    name = name_of(item)
    notes = at(item, "metadata", "annotations")
    rewrite = next((str(value) for key, value in notes.items() if _REWRITE.search(str(key))), "")
    for key in ("defaultBackend", "backend"):
        if service := _service(at(item, "spec", key)):
            yield Rule(f"Ingress {name}", "", "/", service)
    for rule in rows(item, "spec", "rules"):
        for path in rows(rule, "http", "paths"):
            written = word(path, "path") or "/"
            what, service = f"Ingress {name} {written}", _service(at(path, "backend"))
            yield _rule(what, word(rule, "host"), written, service, rewrite)


def _rule(what: str, host: str, written: str, service: str, rewrite: str) -> Rule:
    """A path of nginx's controller, which may be a regular expression whose rest is passed on."""
    captured = _CAPTURED.match(written)
    path = (captured["path"] if captured else written) or "/"
    if not _PLAIN.fullmatch(path):
        return Rule(what, host, path, service, unclear="a regular expression: route takes one after ~")
    if rewrite and not re.fullmatch(r"/(?:\$\d)?", rewrite):
        return Rule(what, host, path, service, unclear=f"it is rewritten to {rewrite}, which no route does")
    return Rule(what, host, path, service, strip=bool(rewrite) and path != "/")


def _service(backend: Item) -> str:
    return word(backend, "service", "name") or word(backend, "serviceName")


def _httproute(item: Item) -> Iterator[Rule]:
    hosts = [str(host) for host in rows(item, "spec", "hostnames")] or [""]
    for rule in rows(item, "spec", "rules"):
        backends = [word(ref, "name") for ref in rows(rule, "backendRefs")]
        paths = [at(match, "path") for match in rows(rule, "matches")] or [{}]
        strip = any(
            word(each, "urlRewrite", "path", "replacePrefixMatch") == "/" for each in rows(rule, "filters")
        )
        for path in paths:
            written = word(path, "value") or "/"
            what = f"HTTPRoute {name_of(item)} {written}"
            unclear = "" if len(backends) == 1 else "it leads to several services, or to none"
            if word(path, "type") == "RegularExpression":
                written, unclear = f"~{written}", unclear
            for host in hosts:
                yield Rule(what, host, written, (backends or [""])[0], strip and written != "/", unclear)
