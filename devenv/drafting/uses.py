"""What a service waits for, and whose addresses it has."""

from __future__ import annotations

from devenv.drafting import reading
from devenv.drafting.addresses import hosts_in
from devenv.drafting.scene import Scene, Unit
from devenv.manifest.graph import cycles


def depends(scene: Scene, unit: Unit) -> dict[str, str]:
    """The units that Compose has it wait for -> the condition."""
    needed: dict[str, str] = {}
    for original, condition in reading.dependencies(unit.keys).items():
        other = scene.unit(original)
        if other is None:
            scene.draft.say("by hand", unit.at(f"depends_on {original}"), f"there is no service {original}")
        elif other.role == "part":
            needed |= dict.fromkeys(scene.owner(other), condition)
        elif original in reading.optional(unit.keys) and scene.profiles(other) and not scene.profiles(unit):
            scene.draft.say("dropped", unit.at(f"depends_on {original}"), "only a profile starts it")
        elif other.role != "router" and other is not unit:
            needed[other.name] = condition
    return needed


def convert(scene: Scene, unit: Unit) -> None:
    """Write what it uses."""
    uses = scene.uses.get(unit.name, [])
    if uses:
        scene.draft.set((*unit.path, "uses"), uses, origin=unit.at("depends_on"))


def all_uses(scene: Scene) -> dict[str, list[str]]:
    """Unit -> what it uses: `depends_on`, and the hosts in its variables where that closes no circle."""
    units = [unit for unit in scene.units.values() if unit.role in ("service", "job")]
    graph = {unit.name: [*depends(scene, unit)] for unit in units}
    for unit in units:
        for other in _mentioned(scene, unit):
            if other == unit.name or other in graph[unit.name] or _is_job(scene, other):
                continue
            if _starts_apart(scene, unit, other):
                continue
            graph[unit.name].append(other)
            if any(cycles(graph)):
                graph[unit.name].remove(other)
            else:
                scene.draft.say(
                    "derived",
                    unit.original,
                    f"uses {other}: an address in its variables, command or files names it",
                )
    return graph


def _is_job(scene: Scene, name: str) -> bool:
    return any(unit.name == name and unit.role == "job" for unit in scene.units.values())


def _starts_apart(scene: Scene, unit: Unit, name: str) -> bool:
    """Whether a profile starts a unit that does not start this one: nothing waits for it then."""
    profiles = next((scene.profiles(other) for other in scene.units.values() if other.name == name), [])
    return bool(profiles) and not {*profiles} & {*scene.profiles(unit)}


def _mentioned(scene: Scene, unit: Unit) -> list[str]:
    hosts = [host for host, _ in mentioned(scene, unit)]
    others = {other.name: other for other in scene.units.values() if other.role in ("router", "part")}
    owners = [scene.owner(others[name]) if name in others else [name] for name in hosts]
    return list(dict.fromkeys(name for names in owners for name in names))


def mentioned(scene: Scene, unit: Unit) -> list[tuple[str, int]]:
    """The units whose addresses its variables, its commands and the texts that it mounts have, with ports."""
    hosts: list[tuple[str, int]] = []
    for variable, value in scene.variables(unit).items():
        hosts += hosts_in(scene, value or "", variable)
    for key in ("command", "entrypoint"):
        try:
            words = reading.words(unit.keys.get(key)) or []
        except ValueError:
            words = []
        for word in words:
            hosts += hosts_in(scene, word)
    for name, _ in reading.configs(unit.keys):
        hosts += hosts_in(scene, str((scene.project.configs.get(name) or {}).get("content") or ""))
    return hosts
