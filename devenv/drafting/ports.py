"""The ports of a service, and those of this machine that lead to them."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.drafting import images, limits, reading
from devenv.drafting.interpolation import forms, plain, variables
from devenv.drafting.reading import Published
from devenv.drafting.scene import Scene, Unit
from devenv.drafting.stores import repository
from devenv.drafting.tables import IMAGE_PORTS, PORT_NAMES


def convert(scene: Scene, unit: Unit) -> None:
    """Write its ports, and which of this machine lead to them."""
    try:
        published = reading.ports(unit.keys, scene.world.variables)
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
        elif port.protocol in ("tcp", "udp"):
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
        scene.draft.set((*unit.path, "port"), *_inside(main[0]), origin=unit.at("ports"))
        _publish(scene, unit, {"": main[0]})
        return
    names = port_names(main)
    for name, port in names.items():
        values = _inside(port) if port.protocol == "tcp" else [f"{port.container}/udp"]
        instead = {} if port.protocol == "tcp" else {"ports": [_compose(port)]}
        scene.draft.set(
            (*unit.path, "ports", name), *values, origin=unit.at(f"ports {port.written}"), instead=instead
        )
    _publish(scene, unit, names)


def _inside(port: Published) -> list[int | str]:
    """A port in the container as the manifest may say it."""
    return [*map(limits.number, forms(port.variable or str(port.container)))]


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


def unset(port: Published) -> str:
    """What to say of a port of this machine that a variable without a value names."""
    names = ", ".join(variable.name for variable in variables(port.host))
    return f"{names} is not set, so any free port leads to it; or publish: {port.container}"


def say_unkept(scene: Scene, unit: Unit, port: Published) -> None:
    """Say which variables of a port are not written: those whose values are more than a port."""
    kept = {variable.name for text in (port.host or "", port.variable) for variable in variables(text)}
    names = [variable.name for variable in variables(port.written) if variable.name not in kept]
    if names:
        note = f"written without {', '.join(names)}, whose value is more than a port"
        scene.draft.say("derived", unit.at(f"ports {port.written}"), note)


def _publish(scene: Scene, unit: Unit, names: Mapping[str, Published]) -> None:
    draft, path = scene.draft, (*unit.path, "publish")
    hosts = {name: port.host for name, port in names.items() if port.host}
    for name, host in [*hosts.items()]:
        if not plain(host, scene.world.variables):
            draft.say("by hand", unit.at(f"ports {names[name].written}"), unset(names[name]))
            del hosts[name]
    for port in names.values():
        say_unkept(scene, unit, port)
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
