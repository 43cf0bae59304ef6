"""A stack as a Helm chart: one for all environments, and values for each of them.

The templates are made of the objects that the kube backend applies, a file for each unit: who reads
`templates/orders.yaml` sees the whole of orders, where one loop over all units would show nothing in
particular. Nothing of an environment is in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

from devenv.errors import UsageError, did_you_mean
from devenv.manifest.environments import DeployedInfra, Environment, ExternalInfra
from devenv.plan.promotion.changes import OWNER
from devenv.render.bundle import to_yaml
from devenv.render.chart import plugins, shared
from devenv.render.chart.knobs import COMMON, KNOBS, VOLUME, closed
from devenv.render.chart.page import NAMESPACE
from devenv.render.chart.promoted import Promoted, texts
from devenv.render.chart.routes import hosts_in_front, routes
from devenv.render.chart.sealed import NOT_SEALED, Sealed
from devenv.render.chart.unit import Template, image_values, template
from devenv.render.chart.variables import encoded, key_of, keys
from devenv.render.kubernetes.objects import quantity
from devenv.stack.environments import external
from devenv.stack.graph import ordered
from devenv.stack.model import SECTIONS, Unit
from devenv.stack.routing import Gateway
from devenv.stack.text import Secret
from devenv.stack.world import Finding, merge

__all__ = ["NAMESPACE", "Promoted", "chart", "defaults", "keys", "unknown", "values"]

VERSION = "0.1.0"  # whoever packages it says another


def chart(promoted: Promoted, skeleton: Mapping[str, str]) -> dict[str, str]:
    """The chart's files: relative path -> text. `skeleton` are the files that every chart has.

    Raises `UsageError` for what a chart cannot say.
    """
    name = promoted.stack.name
    templates = _templates(promoted)
    words = {"CHART": name, **_gateway(promoted), "KEYS": _listed_keys(promoted)}
    files = {path: _with_words(text, words) for path, text in skeleton.items()}
    if promoted.stack.gateway is None:
        del files["templates/ingress.yaml"], files["templates/loadbalancer.yaml"]
    else:
        files["templates/routes.yaml"] = routes(promoted.stack)
    if not promoted.stack.shared_volumes:
        del files["templates/volumes.yaml"]
    return {
        "Chart.yaml": _chart_yaml(name),
        "values.yaml": _values_yaml(name, _defaults(promoted, templates)),
        "values.schema.json": json.dumps(_schema(promoted, templates), indent=2) + "\n",
        **files,
        **{f"templates/{unit}.yaml": each.text for unit, (_, each) in templates.items()},
    }


def defaults(promoted: Promoted) -> dict[str, Any]:
    """What values.yaml says."""
    return _defaults(promoted, _templates(promoted))


def values(
    promoted: Promoted,
    target: Promoted,
    environment: Environment,
    images: Mapping[str, str],
    sealed: Sealed = NOT_SEALED,
) -> dict[str, Any]:
    """What an environment's values file says: only what differs from the chart's defaults.

    `target` is the stack as that environment has it, `images` are references by unit: `repo@sha256:...` or
    `repo:tag`, `sealed` what its file of sealed secrets says. Raises `UsageError` for what is no value.
    """
    wanted = defaults(target)
    for unit in target.stack.units:
        own = wanted[unit.section][unit.name]
        if reference := images.get(unit.name):
            own["image"] = image_values(reference)
        elif unit.build and environment.registry:
            own["image"]["repository"] = f"{environment.registry.rstrip('/')}/{own['image']['repository']}"
        own["env"] |= _from_secret(promoted.stack.unit(unit.name), unit)
    for name, override in environment.services.items():
        if (scaling := override.autoscale) is not None:
            least = scaling.min if "min" in scaling.model_fields_set else wanted["services"][name]["replicas"]
            wanted["services"][name]["autoscale"] = {**scaling.model_dump(), "min": max(least, 1)}
    _places(wanted, environment)
    ingress = environment.ingress
    settings = {
        "host": environment.host,
        "class": ingress.class_,
        "tls": ingress.tls,
        "annotations": ingress.annotations,
    }
    if "ingress" in wanted:
        wanted["ingress"] |= {key: value for key, value in settings.items() if value}
        wanted["gateway"] = _serving(environment)
    wanted["secret"] = environment.secret or wanted["secret"]
    base = defaults(promoted)
    wanted |= {name: base[name] for name in ("externalSecret", "sealedSecret")}
    wanted |= _maker(base, [*keys(target, external(environment))], environment, sealed)
    return dict(merge(_difference(base, wanted), environment.values))


def unknown(promoted: Promoted, values: Mapping[str, Any]) -> Iterator[Finding]:
    """Keys of values that the chart does not have: path, problem, suggestion."""
    yield from _unknown(defaults(promoted), values, ())


def _unknown(there: Mapping[str, Any], values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Finding]:
    for name, value in values.items():
        at = (*path, name)
        if name not in there:
            yield at, "the chart has no such value", did_you_mean(name, there, f"it has: {', '.join(there)}")
        elif len(at) < 3 and at[0] not in COMMON and isinstance(value, Mapping):  # section, unit, knob
            yield from _unknown(there[name], value, at)


def _from_secret(default: Unit, unit: Unit) -> dict[str, Any]:
    """The variables of an environment that are a key of the stack's Secret."""
    before, changed = texts(default), {}
    for name, value in texts(unit).items():
        if before.get(name) == value or isinstance(value, str):
            continue
        match value.parts:
            case (Secret() as secret,):
                changed[name] = {"secret": key_of(secret)}
            case _:
                raise UsageError(
                    f"{unit.name}: an environment gives {name} a text with a secret in it",
                    why="a value is a text, or a whole secret",
                    hint=f"write {name} in {unit.section}.{unit.name}.env, or all of it into one secret",
                )
    return changed


def _serving(environment: Environment) -> dict[str, Any]:
    """What serves the routes."""
    if isinstance(environment.gateway, str):
        return {"kind": environment.gateway}
    parent = environment.gateway.httproute
    names = {"name": parent.gateway, "namespace": parent.namespace, "listener": parent.listener}
    return {"kind": "httproute", "parent": {key: value for key, value in names.items() if value}}


def _places(wanted: dict[str, Any], environment: Environment) -> None:
    """Where the environment's stores come from."""
    for name, place in environment.infra.items():
        own = wanted["infra"][name]
        match place:
            case ExternalInfra():
                own["external"] = {"secret": place.external.secret or "", "host": place.external.host or ""}
            case DeployedInfra():
                for volume in own.get("volumes", {}).values():
                    volume["class"] = place.deploy.class_ or volume["class"]
                    if place.deploy.size is not None:
                        volume["size"] = quantity(place.deploy.size)


def _maker(
    base: Mapping[str, Any], names: list[str], environment: Environment, sealed: Sealed
) -> dict[str, Any]:
    """The values of what makes the environment's Secret, with these keys."""
    made = environment.secrets
    if made is None:
        return {}
    if made.external:
        return {"externalSecret": {**base["externalSecret"], **made.external.model_dump(), "keys": names}}
    own = {"encryptedData": dict(sealed.data), "annotations": dict(sealed.annotations)}
    return {"sealedSecret": {**own, "keys": encoded(names)}}


def _difference(base: Any, wanted: Any) -> dict[str, Any]:
    """What of `wanted` is not in `base`; mappings are compared by key."""
    changed: dict[str, Any] = {}
    for key, value in wanted.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), Mapping):
            if inner := _difference(base[key], value):
                changed[key] = inner
        elif key not in base or base[key] != value:
            changed[key] = value
    return changed


# -- files


@lru_cache(maxsize=4)
def _templates(promoted: Promoted) -> dict[str, tuple[Unit, Template]]:
    return {unit.name: (unit, template(promoted, unit)) for unit in ordered(promoted.stack)}


def _chart_yaml(name: str) -> str:
    head = "# Rendered by devenv from devenv.yaml: change that, and render again.\n"
    return head + to_yaml(
        {
            "apiVersion": "v2",
            "name": name,
            "description": f"The stack {name}, as its devenv.yaml describes it",
            "type": "application",
            "version": VERSION,
            "annotations": {OWNER: name},
            "kubeVersion": ">=1.30.0-0",  # the sleep of a pod that drains
        }
    )


def _with_words(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _gateway(promoted: Promoted) -> dict[str, str]:
    gateway = promoted.stack.gateway
    if gateway is None:
        return {"GATEWAY_NAME": "", "GATEWAY_PORT": "0"}
    unit = promoted.stack.unit(gateway.unit)
    return {
        "GATEWAY_NAME": unit.name,
        "GATEWAY_PORT": str(unit.ports[0].container),
        "EVERY_HOST": hosts_in_front(gateway),
        "PUBLIC_HOSTS": hosts_in_front(gateway, public=True),
    }


def _listed_keys(promoted: Promoted) -> str:
    return "\n".join(f"  {name}" for name in keys(promoted)) or "  (none)"


def _defaults(promoted: Promoted, templates: Mapping[str, tuple[Unit, Template]]) -> dict[str, Any]:
    name, names = promoted.stack.name, [*keys(promoted)]
    store = {"store": "", "kind": "SecretStore", "prefix": "", "entry": "", "refresh": "1h", "keys": names}
    sealed = {"encryptedData": {}, "annotations": {}, "keys": encoded(names)}
    gateway = any(unit.gateway for unit, _ in templates.values())
    document: dict[str, Any] = {
        "secret": f"{name}-secrets",
        "externalSecret": store,
        "sealedSecret": sealed,
        "imagePullSecrets": [],
        "serviceAccount": {"create": True, "name": name, "annotations": {}},
        **(_way_in(promoted.stack.gateway) if gateway else {}),
        **({"volumes": shared.values(promoted.stack)} if promoted.stack.shared_volumes else {}),
        "labels": {},
        "annotations": {},
    }
    for section in dict.fromkeys(SECTIONS.values()):
        own = {
            unit: deepcopy(dict(each.values))
            for unit, (of, each) in templates.items()
            if of.section == section
        }
        if own:
            document[section] = own
    return document


def _way_in(gateway: Gateway | None) -> dict[str, Any]:
    return {
        "ingress": {
            "host": "",
            "hosts": [],
            "class": "",
            "tls": "",
            "annotations": {},
        },
        "gateway": {
            "kind": "deploy",
            "port": 80,
            "parent": {"name": "", "namespace": "", "listener": ""},
            "plugins": plugins.values(gateway) if gateway else {},
        },
    }


def _values_yaml(name: str, document: Mapping[str, Any]) -> str:
    """The defaults, with what each of them does."""
    lines = [
        f"# The values of {name}, with their defaults. An environment's file says only what differs there.",
        "# Rendered by devenv from devenv.yaml: change that, and render again.",
    ]
    for key, value in document.items():
        if key in COMMON:
            lines += ["", f"# {COMMON[key].about}", *to_yaml({key: value}).split("\n")[:-1]]
            continue
        lines += ["", f"{key}:"]
        for unit, own in value.items():
            lines.append(f"  {unit}:")
            for knob, content in own.items():
                lines.append(f"    # {KNOBS[knob].about}")
                lines += [f"    {line}" for line in to_yaml({knob: content}).split("\n")[:-1]]
    return "\n".join(lines) + "\n"


def _schema(promoted: Promoted, templates: Mapping[str, tuple[Unit, Template]]) -> dict[str, Any]:
    """The schema of the values: whatever the templates do not read is refused."""
    properties: dict[str, Any] = {}
    for key, value in _defaults(promoted, templates).items():
        if key in COMMON:
            properties[key] = _described(COMMON[key].about, COMMON[key].schema)
        else:
            properties[key] = closed(
                {unit: closed(_knobs(own, templates[unit][0])) for unit, own in value.items()}
            )
    properties["global"] = {
        "type": "object",
        "description": "Helm's own: values of all charts below another.",
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"Values of {promoted.stack.name}",
        **closed(properties),
    }


def _is_single(unit: Unit) -> bool:
    """Whether two of it would be two stores behind one name."""
    return unit.role == "infra" and not unit.gateway


def _knobs(own: Mapping[str, Any], unit: Unit) -> dict[str, Any]:
    schemas = {knob: KNOBS[knob].schema for knob in own}
    if _is_single(unit) and "replicas" in own:
        schemas["replicas"] = {**KNOBS["replicas"].schema, "maximum": 1}
    if "volumes" in own:
        schemas["volumes"] = closed(dict.fromkeys(own["volumes"], VOLUME))
    return {knob: _described(KNOBS[knob].about, schema) for knob, schema in schemas.items()}


def _described(about: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": about, **schema}
