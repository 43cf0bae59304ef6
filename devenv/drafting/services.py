"""The services of a Compose project that are no stores, as services and jobs of a manifest."""

from __future__ import annotations

import re
from typing import Any

from devenv.drafting import environment, images, limits, machine, mounts, ports, reading, routes, uses
from devenv.drafting.addresses import rewrite_words
from devenv.drafting.commandline import split
from devenv.drafting.interpolation import forms, variables
from devenv.drafting.scene import Scene, Unit
from devenv.drafting.tables import FIELDS, OF_SERVICES, READ, UNNEEDED
from devenv.manifest.fragments import INSTEAD
from devenv.manifest.rules.names import as_label

_ESCAPABLE = frozenset(INSTEAD) | {"extends", "healthcheck"}


def convert(scene: Scene, unit: Unit) -> None:
    """Write a service or job, in the order in which people write one."""
    images.convert(scene, unit)
    _commands(scene, unit)
    ports.convert(scene, unit)
    routes.convert(scene, unit)
    uses.convert(scene, unit)
    environment.convert(scene, unit)
    mounts.convert(scene, unit)
    _health(scene, unit)
    _resources(scene, unit)
    _capabilities(scene, unit)
    for key, value in unit.keys.items():
        if key in FIELDS and value is not None:
            _field(scene, unit, key, value)
        elif key in UNNEEDED:
            scene.draft.say("dropped", key, UNNEEDED[key])
        elif key in READ or key.startswith("x-") or value in (None, [], {}):
            continue
        elif key == "extra_hosts":
            machine.hosts(scene, unit, value)
        elif key == "dns":
            machine.resolvers(scene, unit, value)
        elif key == "security_opt":
            machine.security(scene, unit, value)
        elif key in _ESCAPABLE:
            scene.draft.say("by hand", unit.at(key), INSTEAD.get(key, "no field says it"))
        else:
            scene.draft.escape(unit.path, {key: value}, unit.at(key))
    for field, value in scene.project.fields.get(unit.original, {}).items():
        scene.draft.set((*unit.path, field), value, origin=unit.at(field))


def _field(scene: Scene, unit: Unit, key: str, value: Any) -> None:
    if unit.role == "job" and key in OF_SERVICES:
        scene.draft.say("dropped", unit.at(key), OF_SERVICES[key])
        return
    field, convert = FIELDS[key]
    written = convert(value)
    if key == "restart" and ":" in str(value):
        scene.draft.say("derived", unit.at(key), f"{written}, without the limit of {value}")
    if key == "init" and written is True:
        return  # as every service has it
    instead = {} if key in OF_SERVICES else {key: value}
    scene.draft.set((*unit.path, field), *forms(written), origin=unit.at(key), instead=instead)


# -- what runs


def _commands(scene: Scene, unit: Unit) -> None:
    for key in ("entrypoint", "command"):
        value = unit.keys.get(key)
        if value in (None, "", []):
            if key in unit.keys and value is not None:
                scene.draft.escape(unit.path, {key: value}, unit.at(key))
            continue
        try:
            words = _words(scene, unit, key, value)
        except ValueError as error:
            scene.draft.say("by hand", unit.at(key), f"not a command: {str(error).lower()}")
            continue
        options = rewrite_words(scene, words)
        scene.draft.set((*unit.path, key), *(_line(option) for option in options), origin=unit.at(key))


def _words(scene: Scene, unit: Unit, key: str, value: Any) -> list[str]:
    """The words that Compose runs; a row for what it leaves out, and for variables that are several words."""
    if not isinstance(value, str):
        return reading.words(value) or []
    line = split(value, scene.world.variables)
    if line.rest:
        shell = f"sh -c '{value}' would run all of it"
        scene.draft.say(
            "by hand", unit.at(key), f"Compose leaves out what begins with {line.rest[0]}: {shell}"
        )
    kept = {variable.name for variable in variables(line.words)}
    for variable in variables(value.removesuffix(line.rest)):
        if variable.name not in kept:
            note = f"written without {variable.name}, whose value is no single word"
            scene.draft.say("by hand", unit.at(key), note)
    return line.words


def _line(words: list[str]) -> str | list[str]:
    """The words as one line where that is split into the same, else as a list."""
    simple = all(word and not set(word) & set(" \t\n'\"\\$|&;<>()`*?~#{}[]") for word in words)
    return " ".join(words) if simple else words


# -- the rest


def _health(scene: Scene, unit: Unit) -> None:
    if unit.role == "job":
        if unit.keys.get("healthcheck"):
            scene.draft.say("dropped", unit.at("healthcheck"), "a job counts as done when it ends with 0")
        return
    fields = scene.draft.value.get("services", {}).get(unit.name, {})
    ports = [*fields.get("ports", {}).values()] or [fields.get("port", 0)]
    health = limits.health(unit.keys, ports[0] if isinstance(ports[0], int) else 0)
    if health is not None:
        quiet = health == "none"
        scene.draft.set((*unit.path, "health"), health, origin=unit.at("healthcheck"), quiet=quiet)


def _resources(scene: Scene, unit: Unit) -> None:
    for key, value in (("cpu", limits.cpus(unit.keys)), ("memory", limits.memory(unit.keys))):
        if value and value not in ("0", "0.0"):
            values = (limits.decimal(item) if key == "cpu" else item for item in forms(value))
            scene.draft.set((*unit.path, "resources", key), *values, origin=unit.at("deploy.resources"))
    deploy = unit.keys.get("deploy") or {}
    for key, value in deploy.items():
        origin = unit.at(f"deploy.{key}")
        if key == "replicas" and unit.role == "service":
            scene.draft.set((*unit.path, "replicas"), *map(limits.number, forms(value)), origin=origin)
        elif key == "restart_policy":
            condition = {"any": "always"}.get(
                str((value or {}).get("condition", "any")), str((value or {}).get("condition", "any"))
            )
            if "restart" not in unit.keys:
                _field(scene, unit, "restart", {"none": "no"}.get(condition, condition))
        elif key == "resources" and (devices := ((value or {}).get("reservations") or {}).get("devices")):
            scene.draft.escape(
                unit.path, {"deploy": {"resources": {"reservations": {"devices": devices}}}}, origin
            )
        elif key not in ("resources", "labels"):
            scene.draft.say("dropped", f"deploy.{key}", "it is for a swarm")


def aliases(scene: Scene, unit: Unit) -> None:
    """Write its other names that files of the project have, or words of commands that are no addresses."""
    others = [name for name, own in scene.hosts.items() if own == unit.name != name]  # links name it too
    if unit.original != unit.name:
        scene.draft.say("derived", unit.original, f"is called {unit.name}, in every address too")
    used = [name for name in others if _in_files(scene, name) or _in_words(scene, name)]
    for address in {*used}.intersection(reading.fixed_addresses(unit.keys)):
        scene.draft.say(
            "by hand", unit.at("networks"), f"files name {address}, which nobody has here: {unit.name}"
        )
        used.remove(address)
    if not used:
        return
    everywhere = [name for name in used if unit.role == "service" and as_label(name) == name]
    if everywhere:
        instead = {"networks": {"default": {"aliases": everywhere}}}
        scene.draft.set((*unit.path, "aliases"), everywhere, origin=unit.at("aliases"), instead=instead)
    if others := [name for name in used if name not in everywhere]:
        scene.draft.escape(unit.path, {"networks": {"default": {"aliases": others}}}, unit.at("aliases"))


def _in_words(scene: Scene, name: str) -> bool:
    word = re.compile(rf"(?<![\w./-]){re.escape(name)}(?![\w./-])")
    return any(word.search(text) for place, text in scene.draft.texts() if ".env" not in place)


def _in_files(scene: Scene, name: str) -> bool:
    from devenv.drafting.addresses import named_in

    routers = [unit.keys for unit in scene.units.values() if unit.role == "router"]
    theirs = {mount.source for keys in routers for mount in reading.mounts(keys, scene.project.folder)}
    return any(named_in(text, name) for file, text in scene.world.texts.items() if file not in theirs)


def _capabilities(scene: Scene, unit: Unit) -> None:
    wanted = {key: reading.listed(unit.keys.get(f"cap_{key}")) for key in ("add", "drop")}
    wanted = {key: names for key, names in wanted.items() if names}
    if not wanted:
        return
    instead = {f"cap_{key}": names for key, names in wanted.items()}
    scene.draft.set((*unit.path, "capabilities"), wanted, origin=unit.at("cap_add"), instead=instead)
