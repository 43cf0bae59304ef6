"""Manifest + catalogue + world = Stack.

What changes with every edit of the sources is put in afterwards: see `builds`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from devenv.manifest.models import Manifest
from devenv.manifest.rules.scope import Scope
from devenv.stack import text
from devenv.stack.gateway import gateway as gateway_of
from devenv.stack.infraunits import units as infra_units
from devenv.stack.instances import Instances
from devenv.stack.kinds.catalogue import Catalogue, Facts
from devenv.stack.model import Build, File, Identity, Probe, Reload, Stack, Unit
from devenv.stack.routing import Consumer, Gateway, Plugin, Route
from devenv.stack.text import Text
from devenv.stack.workloads import Workloads
from devenv.stack.world import World


def resolve(manifest: Manifest, catalogue: Catalogue, world: World) -> Stack:
    """Build the stack: the manifest with defaults, infra, addresses and digests filled in."""
    of = Instances(manifest, catalogue, world)
    infra = {
        name: infra_units(instance, view=world.view(name), files=world.files)
        for name, instance in of.instances.items()
    }
    setups = {name: [unit.name for unit in units if unit.one_shot] for name, units in infra.items()}
    workloads = Workloads(of, setups)
    gateway = _gateway(of)
    services, jobs = workloads.services(), workloads.jobs()
    stores = [unit for units in infra.values() for unit in units]
    units = tuple(_shipped(_with_gateway(unit, gateway, of), of) for unit in (*stores, *jobs, *services))
    externals = tuple(store.address for store in of.instances.values() if store.address is not None)
    addresses = (text.secrets_in(external.url) for external in externals)
    used = set().union(*(_secrets(unit) for unit in units), _secrets(gateway), *addresses)
    return Stack(
        name=manifest.name,
        namespace=of.names.namespace,
        identity=Identity.of_checkout(manifest.name, world.checkout),
        units=units,
        gateway=gateway,
        secrets=frozenset(used - of.generated),
        generated=frozenset(used & of.generated),
        registry=manifest.registry or "",
        externals=externals,
    )


def _gateway(of: Instances) -> Gateway | None:
    """What the manifest's gateway serves, if it has one."""
    unit = next((name for name, instance in of.instances.items() if instance.kind.block.gateway), None)
    if unit is None:
        return None
    view = of.world.view(unit)
    return gateway_of(
        of.manifest,
        unit=unit,
        fill=of.names.fill(unit),
        view=view,
        extra=of.world.extra,
        plugins=of.instances[unit].plugins,
    )


def _with_gateway(unit: Unit, gateway: Gateway | None, of: Instances) -> Unit:
    """The unit, with the gateway's configuration if it is the gateway."""
    if gateway is None or unit.name != gateway.unit:
        return unit
    kind = of.instances[unit.name].kind.block.gateway
    assert kind is not None
    holds = tuple(sorted(_secrets(gateway)))
    file = File(kind.config, rendered="gateway", digest=gateway.digest, holds=holds)
    return replace(unit, files=(*unit.files, file))


def _shipped(unit: Unit, of: Instances) -> Unit:
    """A unit whose logs go where the stack's logs go; what reads them would read itself for ever."""
    return replace(unit, shipped=True) if "logs" in of.takers and not unit.logs else unit


def host_environment(
    manifest: Manifest, catalogue: Catalogue, world: World, service: str = ""
) -> dict[str, Text]:
    """The variables with which a program on this machine reaches the stack, or the needs of one service."""
    return Instances(manifest, catalogue, world).names.on_host(service)


def secret_variables(manifest: Manifest, catalogue: Catalogue, store: str) -> frozenset[str]:
    """Those of the variables about a store that hold a secret, for all of its parts."""
    world = World("", {})
    instance, view = Instances(manifest, catalogue, world).instances[store], world.view(store)
    parts = ("", *Scope(manifest, Facts(catalogue)).parts(store))
    variables = [item for part in parts for item in instance.injected(view=view, part=part).items()]
    return frozenset(name for name, value in variables if text.secrets([value]))


def _secrets(value: Any) -> set[str]:
    """Names of the secrets anywhere in a value."""
    match value:
        case str() | int() | None:
            return set()
        case text.Sealed():
            return text.secrets_in(value)
        case File():
            return text.secrets_in(value.content) | ({value.secret} if value.secret else set())
        case Unit() | Probe() | Reload() | Gateway() | Consumer() | Route() | Plugin() | Build():
            return set().union(*(_secrets(getattr(value, name)) for name in value.__slots__))
        case dict():
            return set().union(*(_secrets(item) for item in value.values())) if value else set()
        case tuple() | list():
            return set().union(*(_secrets(item) for item in value)) if value else set()
    return set()
