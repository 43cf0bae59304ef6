"""The services of a Compose project that are no stores, as services and jobs of a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from devenv.drafting import images, limits, mounts, reading, routes
from devenv.drafting.addresses import hosts_in, is_secret, rewrite_words, rewritten
from devenv.drafting.draft import Fate
from devenv.drafting.interpolation import forms, ours, plain, variables
from devenv.drafting.reading import Published
from devenv.drafting.scene import SECTIONS, Scene, Unit, variable_of
from devenv.drafting.stores import repository
from devenv.drafting.tables import FIELDS, IMAGE_PORTS, PORT_NAMES, READ, UNNEEDED
from devenv.manifest.fragments import INSTEAD
from devenv.manifest.graph import cycles
from devenv.manifest.workloads import Service

_ESCAPABLE = frozenset(INSTEAD) | {"extends", "healthcheck"}


def convert(scene: Scene, unit: Unit) -> None:
    """Write a service or job, in the order in which people write one."""
    images.convert(scene, unit)
    _commands(scene, unit)
    _ports(scene, unit)
    routes.convert(scene, unit)
    _uses(scene, unit)
    _environment(scene, unit)
    mounts.convert(scene, unit)
    _health(scene, unit)
    _resources(scene, unit)
    _aliases(scene, unit)
    _capabilities(scene, unit)
    for key, value in unit.keys.items():
        if key in FIELDS:
            _field(scene, unit, key, value)
        elif key in UNNEEDED:
            scene.draft.say("dropped", key, UNNEEDED[key])
        elif key in READ or key.startswith("x-") or value in (None, [], {}):
            continue
        elif key in _ESCAPABLE:
            scene.draft.say("by hand", unit.at(key), INSTEAD.get(key, "no field says it"))
        else:
            scene.draft.escape(unit.path, {key: value}, unit.at(key))


def _field(scene: Scene, unit: Unit, key: str, value: Any) -> None:
    field, convert = FIELDS[key]
    section = SECTIONS[unit.role]
    written = convert(value)
    if key == "restart" and not scene.has(section, field):
        scene.draft.say("dropped", "restart", "a crash is seen, and devenv restart NAME starts it again")
    elif not scene.has(section, field):
        if unit.role == "job" and field == "replicas":
            scene.draft.say("dropped", unit.at(key), "a job runs once")
        else:
            scene.draft.escape(unit.path, {key: value}, unit.at(key))
    else:
        instead = {} if key in ("scale", "restart") else {key: value}
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
            words = reading.words(value) or []
        except ValueError as error:
            scene.draft.say("by hand", unit.at(key), f"not a command: {str(error).lower()}")
            continue
        options = rewrite_words(scene, words)
        scene.draft.set((*unit.path, key), *(_line(option) for option in options), origin=unit.at(key))


def _line(words: list[str]) -> str | list[str]:
    """The words as one line where that is split into the same, else as a list."""
    simple = all(word and not set(word) & set(" \t\n'\"\\$|&;<>()`*?~#{}[]") for word in words)
    return " ".join(words) if simple else words


# -- ports


def _ports(scene: Scene, unit: Unit) -> None:
    try:
        published = reading.ports(unit.keys)
    except ValueError:
        scene.draft.say("by hand", unit.at("ports"), "a port without a number, or a range of more than 20")
        published = []
    if unit.role == "job":
        if published:
            scene.draft.say("dropped", unit.at("ports"), "a job has no ports")
        return
    main: list[Published] = []
    for port in published:
        if port.container in {other.container for other in main if other.protocol == port.protocol}:
            scene.draft.escape(unit.path, {"ports": [port.written]}, unit.at(f"ports {port.written}"))
        elif port.protocol == "tcp" or (port.protocol == "udp" and udp()):
            main.append(port)
        else:
            scene.draft.escape(unit.path, {"ports": [_compose(port)]}, unit.at(f"ports {port.written}"))
    numbers = {port.container for port in main}
    others = [number for number in inner_ports(scene, unit, published=bool(main)) if number not in numbers]
    main += [Published(number) for number in dict.fromkeys(others)]
    if not main:
        return
    scheme = PORT_NAMES.get(main[0].container, "http")
    if len(main) == 1 and main[0].protocol == "tcp" and scheme == "http":
        scene.draft.set((*unit.path, "port"), main[0].container, origin=unit.at("ports"))
        _publish(scene, unit, {"": main[0]})
        return
    names = port_names(main)
    for name, port in names.items():
        value = port.container if port.protocol == "tcp" else f"{port.container}/udp"
        instead = {} if port.protocol == "tcp" else {"ports": [_compose(port)]}
        scene.draft.set(
            (*unit.path, "ports", name), value, origin=unit.at(f"ports {port.written}"), instead=instead
        )
    _publish(scene, unit, names)


@cache
def udp() -> bool:
    """Whether the language takes `53/udp` for a port."""
    try:
        Service.model_validate({"ports": {"dns": "53/udp"}})
    except ValidationError:
        return False
    return True


def _compose(port: Published) -> str:
    host = f"{plain(port.host)}:" if port.host else ""
    return f"{host}{port.container}/{port.protocol}"


def inner_ports(scene: Scene, unit: Unit, *, published: bool) -> list[int]:
    """Ports that units reach it on; if none is known, the one that its healthcheck or its image says."""
    numbers = [
        int(text)
        for item in reading.listed(unit.keys.get("expose"))
        if (text := plain(str(item)).partition("/")[0]).isdecimal()
    ]
    numbers += scene.reached.get(unit.name, [])
    if published or numbers:
        return numbers
    if port := limits.port_of_check(unit.keys):
        return [port]
    if unit.keys.get("command") or unit.keys.get("entrypoint"):
        return []  # another program than the one that the image is known for
    image = repository(plain(str(unit.keys.get("image") or ""))).rpartition("/")[2]
    usual = 0 if "build" in unit.keys else IMAGE_PORTS.get(image, 0)
    guess = images.exposed(scene, unit) or usual
    return [guess] if guess else []


def port_names(ports: list[Published]) -> dict[str, Published]:
    """The ports by names: what the number is known for, else the number."""
    names: dict[str, Published] = {}
    for port in ports:
        name = PORT_NAMES.get(port.container, "") if port.protocol == "tcp" else "udp"
        if not name or name in names:
            name = f"{name or 'port'}-{port.container}"[:15]
        names[name] = port
    return names


def _publish(scene: Scene, unit: Unit, names: Mapping[str, Published]) -> None:
    draft, path = scene.draft, (*unit.path, "publish")
    hosts = {name: port.host for name, port in names.items() if port.host}
    for port in names.values():
        if port.address and port.address not in ("127.0.0.1", "localhost", "::1", "[::1]"):
            draft.say(
                "derived", unit.at(f"ports {port.written}"), "published for this machine alone: 127.0.0.1"
            )
    if not any(port.host is not None for port in names.values()):
        draft.set(path, False, origin=unit.at("ports"), quiet=True)
    for name, host in hosts.items():
        if name and len(names) > 1:
            draft.set((*path, name), *map(limits.number, forms(host)), origin=unit.at("ports"))
        elif plain(host) != str(names[name].container) or host != plain(host):
            draft.set(path, *map(limits.number, forms(host)), origin=unit.at("ports"))
        else:
            draft.set(path, int(host), origin=unit.at("ports"))


# -- what it needs


def depends(scene: Scene, unit: Unit) -> dict[str, str]:
    """The units that Compose has it wait for -> the condition."""
    needed: dict[str, str] = {}
    for original, condition in reading.dependencies(unit.keys).items():
        other = scene.unit(original)
        if other is None:
            scene.draft.say("by hand", unit.at(f"depends_on {original}"), f"there is no service {original}")
        elif other.role != "router" and other is not unit:
            needed[other.name] = condition
    return needed


def _uses(scene: Scene, unit: Unit) -> None:
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
            graph[unit.name].append(other)
            if any(cycles(graph)):
                graph[unit.name].remove(other)
            else:
                scene.draft.say(
                    "derived", unit.original, f"uses {other}: an address of its variables or command names it"
                )
    return graph


def _is_job(scene: Scene, name: str) -> bool:
    return any(unit.name == name and unit.role == "job" for unit in scene.units.values())


def _mentioned(scene: Scene, unit: Unit) -> list[str]:
    hosts = [host for host, _ in mentioned(scene, unit)]
    routers = {other.name for other in scene.units.values() if other.role == "router"}
    return [name for name in dict.fromkeys(hosts) if name not in routers]


def mentioned(scene: Scene, unit: Unit) -> list[tuple[str, int]]:
    """The units whose addresses its variables and commands have, with their ports."""
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
    return hosts


# -- its variables


def _environment(scene: Scene, unit: Unit) -> None:
    values = reading.environment(unit.keys)
    files: list[str] = []
    for file, required in scene.env_files(unit):
        if file not in scene.world.env_files:
            fate: Fate = "by hand" if required else "dropped"
            scene.draft.say(fate, unit.at(f"env_file {file}"), f"it is not there; then env_file: [{file}]")
            continue
        own = {key: value.replace("$", "$$") for key, value in scene.world.env_files[file].items()}
        if scene.has(SECTIONS[unit.role], "env_file") and reading.inside(file):
            files.append(file)  # what in it is called otherwise here is written under env:, which wins
            own = {key: value for key, value in own.items() if rewritten(scene, value, key)[0] != ours(value)}
        else:
            scene.draft.say("derived", unit.at(f"env_file {file}"), "its variables stand under env:")
        values = {**own, **values}
    if files:
        scene.draft.set((*unit.path, "env_file"), files, origin=unit.at("env_file"))
    secrets: list[str] = []
    for variable, value in values.items():
        if name := _secret(scene, unit, variable, value):
            if name == variable:
                secrets.append(variable)
            else:
                path = (*unit.path, "env", variable)
                scene.draft.set(path, f"${{secret.{name}}}", origin=unit.at("environment"))
            continue
        text = f"${{{variable}:-}}" if value is None else value
        options = rewritten(scene, text, variable) or [""]
        instead = {"environment": [variable]} if value is None else {}
        origin = unit.at(f"environment.{variable}")
        scene.draft.set((*unit.path, "env", variable), *options, origin=origin, instead=instead)
    if secrets:
        scene.draft.set((*unit.path, "secrets"), secrets, origin=unit.at("environment"))


def _secret(scene: Scene, unit: Unit, variable: str, value: str | None) -> str:
    """The name of the secret that a variable holds, or "" where it is none or one of a store's."""
    text = value if value is not None else f"${{{variable}}}"
    if not is_secret(variable, plain(text) or "x" * bool(value is None or "$" in text)):
        return ""
    if "${" in rewritten(scene, text, variable)[0].replace("${env.", ""):
        return ""
    names = [item.name for item in variables(text)]
    if not names:
        return moved(scene, unit, variable, text)
    if (text not in (f"${names[0]}",) and not text.startswith(f"${{{names[0]}")) or not text.endswith(
        ("}", names[0])
    ):
        return ""
    if default := plain(text):
        if names[0] not in scene.world.variables:
            scene.draft.secrets[names[0]] = default
            scene.draft.say(
                "derived",
                unit.at(f"environment.{variable}"),
                f"the secret {names[0]}; its default went to .devenv/secrets.env",
            )
    else:
        scene.draft.say(
            "derived",
            unit.at(f"environment.{variable}"),
            f"the secret {names[0]}, from the environment or .env",
        )
    return names[0]


def moved(scene: Scene, unit: Unit, variable: str, text: str) -> str:
    """The secret that holds a value which stood in plain text: one for each value of a variable."""
    name = variable_of(variable)
    if scene.moved.get(name, text) != text:
        name = f"{variable_of(unit.name)}_{name}"
    if name not in scene.moved:
        scene.draft.say(
            "derived",
            unit.at(f"environment.{variable}"),
            f"a secret; its value went to .devenv/secrets.env as {name}",
        )
    scene.moved[name] = text
    scene.draft.secrets[name] = plain(text)
    return name


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


def _aliases(scene: Scene, unit: Unit) -> None:
    """Names by which something other than variables may reach it: only files of the project could say."""
    others = [name for name in reading.aliases(unit.keys) if name not in (unit.name,)]
    if unit.original != unit.name:
        others.append(unit.original)
        scene.draft.say("derived", unit.original, f"is called {unit.name}, in every address too")
    used = [name for name in dict.fromkeys(others) if _in_files(scene, name)]
    if not used:
        return
    if scene.has(SECTIONS[unit.role], "aliases"):
        instead = {"networks": {"default": {"aliases": used}}}
        scene.draft.set((*unit.path, "aliases"), used, origin=unit.at("aliases"), instead=instead)
    else:
        scene.draft.escape(unit.path, {"networks": {"default": {"aliases": used}}}, unit.at("aliases"))


def _in_files(scene: Scene, name: str) -> bool:
    from devenv.drafting.addresses import named_in

    return any(named_in(text, name) for text in scene.world.texts.values())


def _capabilities(scene: Scene, unit: Unit) -> None:
    wanted = {key: reading.listed(unit.keys.get(f"cap_{key}")) for key in ("add", "drop")}
    wanted = {key: names for key, names in wanted.items() if names}
    if not wanted:
        return
    instead = {f"cap_{key}": names for key, names in wanted.items()}
    if scene.has(SECTIONS[unit.role], "capabilities"):
        scene.draft.set((*unit.path, "capabilities"), wanted, origin=unit.at("cap_add"), instead=instead)
    else:
        scene.draft.escape(unit.path, instead, unit.at("cap_add"))
