"""A Compose project as a draft of a manifest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from devenv.drafting import environment, infra, reading, recognising, routes, services, uses
from devenv.drafting.addresses import named_in, rewritten
from devenv.drafting.draft import Draft, telling
from devenv.drafting.ending import ends
from devenv.drafting.images import file_of
from devenv.drafting.interpolation import plain, variables
from devenv.drafting.reading import Project
from devenv.drafting.scene import (
    Role,
    Scene,
    Unit,
    World,
    contested,
    hosts,
    inactive,
    stack_name,
    unit_names,
    variable_of,
)
from devenv.drafting.stores import Store, Stores, repository
from devenv.drafting.tables import IMAGE_PORTS, UNNEEDED
from devenv.manifest.rules.names import as_label
from devenv.manifest.rules.scope import unit_name
from devenv.manifest.source import as_text
from devenv.stack.secretnames import is_secret, passwords_in

_NETWORK = {
    "external": "what others have in it is not reached by name; infra: {NAME: {external: URL}}",
    "internal": "units of a stack reach the internet",
}
_TOP = {"version": UNNEEDED["version"], "networks": UNNEEDED["networks"]}


def wanted(project: Project) -> Iterator[str]:
    """The paths of the project that the conversion looks at: as `relative` writes them, also missing ones."""
    for keys in project.services.values():
        for mount in reading.mounts(keys, project.folder):
            if mount.kind == "bind":
                yield mount.source
        build = reading.build(keys)
        if build is not None:
            context = reading.relative(str(as_text(build.get("context", "."))), project.folder)
            yield context
            yield file_of(context, plain(str(build.get("dockerfile") or "Dockerfile")))
        for item in reading.listed(keys.get("env_file")):
            yield reading.relative(str(item.get("path") if isinstance(item, dict) else item), project.folder)
    for section in (project.secrets, project.configs):
        for settings in section.values():
            if isinstance(settings, Mapping) and "file" in settings:
                yield reading.relative(str(settings["file"]), project.folder)


def convert(project: Project, world: World, stores: Stores, gateways: Collection[str] = ()) -> Draft:
    """The draft; nothing of the project is in neither the draft nor its table.

    `gateways`: images whose place the stack's own gateway takes.
    """
    draft = Draft(f"Written by `devenv init --from-compose {' '.join(project.files)}`.".replace(" `.", "`."))
    scene = Scene(project, world, draft, _units(project, world, stores, gateways))
    scene.hosts = hosts(project, scene.units)
    scene.servers = frozenset(unit.name for unit in scene.units.values() if _serves(unit.keys, stores))
    for name, owners in contested(project, scene.units):
        if not any(named_in(text, name) for unit in scene.units.values() for text in _texts(scene, unit)):
            continue
        note = f"{' and '.join(owners)} are called so: in addresses it is {scene.hosts[name]} now"
        draft.say("by hand", name, note)
    for unit in scene.units.values():
        store = recognising.recognised(unit.keys, stores) if unit.role == "store" else None
        if store is not None:
            scene.stores[unit.name] = recognising.options(scene, unit, store)
            scene.secrets |= recognising.sources(scene, scene.stores[unit.name])
    _move_secrets(scene)
    for unit in scene.units.values():
        if unit.role in ("service", "job"):
            for name, port in uses.mentioned(scene, unit):
                scene.reached.setdefault(name, []).extend([port] if port else [])
        if port := routes.label_port(unit.keys):
            scene.reached.setdefault(unit.name, []).append(port)
    scene.uses = uses.all_uses(scene)
    for unit in scene.units.values():
        if unit.role == "job" and ends(unit.original, unit.keys):
            draft.say(
                "derived", unit.original, "a job, as its command ends; what depends on it waits for that"
            )
    if name := stack_name(project, world.folder):
        draft.set(("name",), name, origin="name")
    workloads = [unit for role in ("service", "job") for unit in scene.units.values() if unit.role == role]
    for unit in workloads:
        services.convert(scene, unit)
    for unit in workloads:
        services.aliases(scene, unit)
    for unit in scene.units.values():
        if unit.role == "store":
            infra.convert(scene, unit, scene.stores[unit.name])
        elif unit.role == "part":
            infra.convert_part(scene, unit)
        elif unit.role == "router":
            _router(scene, unit)
    routes.offers(scene)
    _profiles(scene)
    _top(scene)
    _kept(scene)
    _in_plain_text(draft)
    return draft


def _texts(scene: Scene, unit: Unit) -> Iterator[str]:
    """The values of a unit's variables, and its commands."""
    yield from (value for value in scene.variables(unit).values() if value)
    yield from (str(unit.keys[key]) for key in ("command", "entrypoint") if key in unit.keys)


def _in_plain_text(draft: Draft) -> None:
    """Say where a value that moved to the secrets still stands, as in a script."""
    for place, text in draft.texts():
        names = [
            name
            for name, value in draft.secrets.items()
            if telling(value) and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text)
        ]
        if names:
            which = " or ".join(names)
            draft.say("by hand", place, f"holds the value of {which} in plain text: refer to it instead")


def _units(project: Project, world: World, stores: Stores, gateways: Collection[str]) -> dict[str, Unit]:
    names = unit_names([*project.services])
    ending = {
        name
        for keys in project.services.values()
        for name, condition in reading.dependencies(keys).items()
        if condition == "service_completed_successfully"
    }
    labelled = any("traefik." in key for keys in project.services.values() for key in routes.labels(keys))
    kinds = _kinds(project, world, stores)
    parts = {
        image: (original, part) for original, kind in kinds.items() for image, part in kind.parts.items()
    }
    units = {}
    for original, keys in project.services.items():
        role: Role = "service"
        name = names[original]
        if _image(keys) in gateways:
            role = "router"
        elif original in kinds:
            role = "store"
        elif _image(keys) in parts and not keys.get("build"):
            role = "part"
            owner, part = parts[_image(keys)]
            name = unit_name(part, kind=kinds[owner].kind, name=names[owner])
        elif original in ending | project.jobs or _ends(keys, world) or ends(original, keys):
            role = "job"
        elif labelled and routes.is_router(keys):
            role = "router"
        units[original] = Unit(original, name, role, keys)
    return units


def _ends(keys: Mapping[str, Any], world: World) -> bool:
    """Whether a service is run by hand and ends: only a profile starts it, nothing starts it again."""
    never = str(as_text(keys.get("restart"))) in ("no", "false") if "restart" in keys else False
    return (
        never and bool(inactive(keys, world.variables)) and not keys.get("ports") and not keys.get("expose")
    )


def _kinds(project: Project, world: World, stores: Stores) -> dict[str, Store]:
    """The services that are stores; one that uses another kind is none where that is not here, once.

    Nor is one that only a profile starts: stores always start.
    """
    recognised = {
        original: store
        for original, keys in project.services.items()
        if not inactive(keys, world.variables) and (store := recognising.recognised(keys, stores))
    }
    counts = Counter(store.kind for store in recognised.values())
    return {
        original: store
        for original, store in recognised.items()
        if all(counts[use] == 1 for use in store.uses) and (not store.parts or counts[store.kind] == 1)
    }


def _move_secrets(scene: Scene) -> None:
    """Find the values that move, before any text is written that repeats one of them."""
    units = [unit for unit in scene.units.values() if unit.role in ("service", "job")]
    of_stores = _passwords(scene)
    for unit in units:
        scene.secrets |= {environment.source(*item) for item in scene.variables(unit).items()} - {""}
        files = [file for file, _ in scene.env_files(unit)]
        scene.secrets |= {variable for _, variable in environment.secrets_of_env(scene, files)}
        for variable, value in reading.environment(unit.keys).items():
            if not value or [*variables(value)] or value in of_stores:
                continue
            if is_secret(variable, plain(value)):
                environment.moved(scene, unit, variable, value)
    for unit in units:
        for variable, value in reading.environment(unit.keys).items():
            kept = {*scene.moved.values(), *of_stores}
            passwords = [text for text in dict.fromkeys(passwords_in(value or "")) if text not in kept]
            if passwords and re.fullmatch(r"\$\{[\w.-]+\}", rewritten(scene, value or "", variable)[0]):
                continue  # a store's own address
            for password in passwords:
                name = f"{variable}_PASSWORD"
                taken = variable_of(name) in {*scene.secrets, *scene.world.variables}
                environment.moved(scene, unit, f"{unit.name}_{name}" if taken else name, password)


def _passwords(scene: Scene) -> set[str]:
    """The passwords of stores, as Compose writes them and as they are."""
    stores = scene.stores.values()
    texts = [
        store.options[option] for store in stores for option in store.kind.secret if option in store.options
    ]
    return {form for text in texts for form in (text, plain(text, scene.world.variables))}


def _serves(keys: Mapping[str, Any], stores: Stores) -> bool:
    """Whether a service runs a server that many have, with users of its own."""
    image = _image(keys)
    return image.rpartition("/")[2] in IMAGE_PORTS or stores.of(image) is not None


def _image(keys: Mapping[str, Any]) -> str:
    return repository(plain(str(keys.get("image") or "")))


def _router(scene: Scene, unit: Unit) -> None:
    note = (
        "the gateway stands in for Traefik: entrypoints, certificates and the dashboard are not carried over"
    )
    if not routes.is_router(unit.keys):
        note = "the stack's own gateway takes its place; a database that only it used can go"
    scene.draft.say("derived", unit.original, note)


def _profiles(scene: Scene) -> None:
    profiles: dict[str, list[str]] = {}
    for unit in scene.units.values():
        for profile in scene.profiles(unit):
            profiles.setdefault(profile, []).append(unit.name)
    if not profiles:
        return
    always = [
        unit.name
        for unit in scene.units.values()
        if not scene.profiles(unit) and unit.role in ("service", "job")
    ]
    for unit in scene.units.values():
        if not scene.profiles(unit):
            continue
        if unit.role in ("service", "job"):
            scene.draft.set((*unit.path, "manual"), True, origin=unit.at("profiles"))
        else:
            scene.draft.say("by hand", unit.at("profiles"), f"{unit.name} starts with the others")
    for profile, members in profiles.items():
        name = as_label(profile) or "profile"
        scene.draft.set(("profiles", name), [*always, *members], origin=f"profiles {profile}")


def _top(scene: Scene) -> None:
    for variable in variables(scene.project.services):
        if variable.sign.endswith("+"):
            written = f"${{{variable.name}{variable.sign}{variable.rest}}}"
            scene.draft.say("by hand", written, f"written as if {variable.name} were not set")
    for key in scene.project.top:
        if key.startswith("x-") or key in ("include",):
            scene.draft.say("dropped", key, "what refers to it has its content")
        else:
            scene.draft.say("dropped", key, _TOP.get(key, "it means nothing here"))
    for name, settings in scene.project.networks.items():
        for key, note in _NETWORK.items():
            if isinstance(settings, Mapping) and settings.get(key):
                scene.draft.say("by hand", f"networks.{name}.{key}", note)
    used = {
        mount.source
        for unit in scene.units.values()
        for mount in reading.mounts(unit.keys, scene.project.folder)
        if mount.kind == "volume"
    }
    for name in scene.project.volumes:
        if name not in used:
            scene.draft.say("dropped", f"volumes.{name}", "no service mounts it")


def _kept(scene: Scene) -> None:
    """One row for each unit that is as it was."""
    for unit in scene.units.values():
        if unit.role in ("router", "part"):
            continue
        section = scene.draft.value.get(str(unit.path[0]), {}).get(unit.name) or {}
        scene.draft.say(
            "kept",
            unit.original,
            f"{'.'.join(map(str, unit.path))}: {', '.join(section) or 'with its defaults'}",
        )
