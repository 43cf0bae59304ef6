"""What a service of Compose has of the machine below it: addresses, rights, paths."""

from __future__ import annotations

from typing import Any

from devenv.drafting import reading
from devenv.drafting.interpolation import forms, plain
from devenv.drafting.reading import Mount
from devenv.drafting.scene import Scene, Unit
from devenv.manifest.fragments import GATEWAY
from devenv.manifest.rewriting import NO_NEW_PRIVILEGES, host_entries
from devenv.stack.external import MACHINE


def hosts(scene: Scene, unit: Unit, value: Any) -> None:
    """Names with addresses, but for this machine's, which every unit has that says it."""
    values = [
        *scene.variables(unit).values(),
        str(unit.keys.get("command")),
        str(unit.keys.get("entrypoint")),
    ]
    says_it = any(MACHINE in (text or "") for text in values)
    addresses = host_entries(value)
    if says_it and addresses.get(MACHINE) == GATEWAY:
        scene.draft.say("dropped", unit.at(f"extra_hosts {MACHINE}"), "a unit that names this machine has it")
        del addresses[MACHINE]
    for name, address in addresses.items():
        if owner := scene.hosts.get(address):
            note = f"{address} was the fixed address of {owner}, which has none here: say {owner} instead"
            scene.draft.say("by hand", unit.at(f"extra_hosts {name}"), note)
            continue
        instead = {"extra_hosts": [f"{name}:{address}"]}
        path = (*unit.path, "hosts", name)
        scene.draft.set(path, *forms(address), origin=unit.at("extra_hosts"), instead=instead)


def resolvers(scene: Scene, unit: Unit, value: Any) -> None:
    """Servers that it asks for names, but for units: those have no fixed addresses here."""
    others = []
    for server in map(str, reading.listed(value)):
        if owner := scene.hosts.get(plain(server)):
            note = f"{server} was the fixed address of {owner}, which has none here: the engine is asked"
            scene.draft.say("by hand", unit.at("dns"), note)
        else:
            others.append(server)
    if others:
        scene.draft.escape(unit.path, {"dns": others}, unit.at("dns"))


def security(scene: Scene, unit: Unit, value: Any) -> None:
    """What no program in it may become; profiles and labels of this machine stay Compose's."""
    others = [str(option) for option in reading.listed(value)]
    for option in [option for option in others if NO_NEW_PRIVILEGES.fullmatch(option)]:
        scene.draft.set((*unit.path, "no_new_privileges"), True, origin=unit.at("security_opt"))
        others.remove(option)
    if others:
        scene.draft.escape(unit.path, {"security_opt": others}, unit.at("security_opt"))


def path(scene: Scene, unit: Unit, mount: Mount, origin: str) -> None:
    """A path of this machine, outside of the project."""
    field, instead = (*unit.path, "host_paths", mount.target), {"volumes": [mount.written]}
    if scene.draft.has(field):
        scene.draft.escape(unit.path, instead, origin)
        return
    own = mount.source if mount.read_only else {"path": mount.source, "write": True}
    scene.draft.set(field, own, origin=origin, instead=instead)
