"""Objects of Kubernetes as a Compose project: a service of each workload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from devenv.drafting.kubernetes.addresses import Addresses
from devenv.drafting.kubernetes.before import needed
from devenv.drafting.kubernetes.imported import Build, Imported
from devenv.drafting.kubernetes.objects import (
    Address,
    Item,
    Objects,
    Workload,
    word,
)
from devenv.drafting.kubernetes.pod import number_of, service
from devenv.drafting.kubernetes.rest import unread
from devenv.drafting.kubernetes.routes import routes
from devenv.drafting.stores import Stores
from devenv.manifest.rules.names import as_label


def imported(items: Iterable[Item], builds: Mapping[str, Build], stores: Stores) -> Imported:
    """The project, with a row for each object of which nothing is made."""
    result = Imported(Objects(items), builds, stores)
    objects = result.objects
    behind = {address.name: _behind(result, address) for address in objects.addresses}
    result.units = _names(objects, behind)
    result.addresses = _addresses(objects, behind, result.units)
    for workload in objects.workloads:
        _workload(result, workload)
    routes(result)
    unread(result)
    return result


def _behind(result: Imported, address: Address) -> Workload | None:
    """The workload that a Service leads to; the first of several, as of versions of one program."""
    workloads = [own for own in result.objects.workloads if not own.is_job and address.selects(own.labels)]
    if names := ", ".join(own.name for own in workloads[1:]):
        note = f"it leads to {names} as well: here each has an address of its own"
        result.say("by hand", f"Service {address.name}", note)
    return workloads[0] if workloads else None


def _names(objects: Objects, behind: Mapping[str, Workload | None]) -> dict[tuple[str, str, str], str]:
    """Workload -> its name here: that of the only Service before it, as others know it so, else its own."""
    names: dict[tuple[str, str, str], str] = {}
    for workload in objects.workloads:
        services = [name for name, own in behind.items() if own is workload]
        wanted = [*(services if len(services) == 1 else ()), workload.name]
        wanted += [f"{workload.name}-{number}" for number in range(2, len(objects.workloads) + 2)]
        labels = [as_label(name) or as_label(f"unit-{name}") for name in wanted]
        names[workload.identity] = next(label for label in labels if label and label not in names.values())
    return names


def _addresses(
    objects: Objects, behind: Mapping[str, Workload | None], names: Mapping[tuple[str, str, str], str]
) -> Addresses:
    units: dict[str, str] = {}
    ports: dict[str, dict[int, int]] = {}
    for address in objects.addresses:
        if workload := behind[address.name]:
            units[address.name] = names[workload.identity]
            numbers = {port: _inner(workload, target) for port, target in address.ports.items()}
            ports[address.name] = {port: number for port, number in numbers.items() if number}
    return Addresses(units, ports, objects.namespaces)


def _inner(workload: Workload, target: str) -> int:
    """The port of a pod that a Service leads to."""
    return next((number for each in workload.containers if (number := number_of(each, target))), 0)


def _workload(result: Imported, workload: Workload) -> None:
    unit, what = result.units[workload.identity], f"{workload.kind} {workload.name}"
    if not workload.containers:
        result.say("by hand", what, "it has no containers")
        return
    main, *beside = workload.containers
    keys = service(result, unit, workload, main)
    if conditions := needed(result, unit, workload, service):
        keys["depends_on"] = conditions
    copies = word(workload.spec, "replicas")
    if not workload.is_job and copies.isdecimal() and copies != "1":
        keys["deploy"] = {"replicas": int(copies)}
    result.services[unit] = keys
    result.jobs |= {unit} if workload.is_job else set()
    if workload.kind == "CronJob":
        result.fields[unit]["manual"] = True
        result.say("derived", what, f"devenv run {unit} runs it; nothing runs it by the clock")
    for other in beside:
        note = "it shares the network of its pod: make it a service of its own, or leave it out"
        result.say("by hand", f"{unit}: container {word(other, 'name')} ({word(other, 'image')})", note)
    if unit != workload.name:
        result.say("derived", what, f"is called {unit}, as the Service before it")
    if others := [name for name, own in result.addresses.units.items() if own == unit != name]:
        result.fields[unit]["aliases"] = others
