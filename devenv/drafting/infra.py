"""The stores of a Compose project, as infra of a manifest."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from devenv.drafting import images, limits, machine, mounts, reading
from devenv.drafting.interpolation import forms, plain, variables
from devenv.drafting.ports import say_unkept
from devenv.drafting.ports import unset as ports_unset
from devenv.drafting.reading import Mount, inside
from devenv.drafting.recognising import flagged, listening, source
from devenv.drafting.scene import Scene, StoreUnit, Unit, variable_of
from devenv.drafting.stores import Store, repository, version_of
from devenv.drafting.tables import HOST_CLOCK, IN_UTC, UNNEEDED
from devenv.drafting.uses import mentioned
from devenv.stack.secretnames import is_secret

_OF_THE_KIND = (
    "restart", "healthcheck", "shm_size", "user", "read_only", "init", "stop_grace_period", "stop_signal",
    "tmpfs", "ulimits", "sysctls", "cap_add", "cap_drop", "security_opt", "working_dir",
)  # fmt: skip
_CONVERTED = (
    "image", "environment", "command", "ports", "volumes", "profiles", "secrets", "depends_on", "platform",
    "extra_hosts", "configs", "deploy", "mem_limit", "cpus",
)  # fmt: skip
"""The keys of which something else says what becomes of them."""


def convert(scene: Scene, unit: Unit, store: StoreUnit) -> None:
    """Write a store, and say what became of everything that Compose has of it."""
    draft, kind = scene.draft, store.kind
    if unit.name == kind.kind:
        draft.set(unit.path, {})
    else:
        draft.set((*unit.path, "kind"), kind.kind)
    _image(scene, unit, kind)
    _options(scene, unit, store)
    _environment(scene, unit, kind)
    _command(scene, unit, kind)
    _ports(scene, unit, kind)
    images.platform(scene, unit)
    machine.hosts(scene, unit, unit.keys.get("extra_hosts"))
    mounts.configs(scene, unit)
    for mount in reading.mounts(unit.keys, scene.project.folder):
        _mount(scene, unit, kind, mount)
    for key in unit.keys:
        if key in _OF_THE_KIND:
            draft.say("dropped", unit.at(key), f"the kind {kind.kind} brings its own")
        elif key == "env_file":
            draft.say("derived", unit.at(key), "what of it the kind has options for is written there")
        elif key in UNNEEDED:
            draft.say("dropped", key, UNNEEDED[key])
        elif key == "dns":
            machine.resolvers(scene, unit, unit.keys[key])
        elif key not in _CONVERTED:
            draft.escape(unit.path, {key: unit.keys[key]}, unit.at(key))
    if memory := limits.memory(unit.keys):
        draft.set((*unit.path, "memory"), *forms(memory), origin=unit.at("mem_limit"))


def convert_part(scene: Scene, unit: Unit) -> None:
    """Say what becomes of what a store brings by itself, or does not need."""
    for name in scene.owner(unit):
        store = scene.stores[name].kind
        if unit.name not in (part if name == store.kind else f"{name}-{part}" for part in store.brought):
            if users := [other.name for other in scene.units.values() if _names(scene, other, unit)]:
                note = f"{', '.join(users)} names it, and the kind {store.kind} has none"
                scene.draft.say("by hand", unit.original, note)
            else:
                scene.draft.say("dropped", unit.original, f"the kind {store.kind} needs none")
            continue
        scene.draft.say("derived", unit.original, f"the kind {store.kind} brings it, as {unit.name}")
        for key in unit.keys:
            if key not in ("image", "ports", "depends_on", "environment", *_OF_THE_KIND, *UNNEEDED):
                scene.draft.say(
                    "by hand", unit.at(key), f"the kind {store.kind} has settings of its own for it"
                )


def _names(scene: Scene, user: Unit, unit: Unit) -> bool:
    """Whether a service or job has an address of a unit."""
    return user.role in ("service", "job") and unit.name in dict(mentioned(scene, user))


_VARIANT = re.compile(r"-(?:alpine|slim|bookworm|bullseye|buster|trixie|jammy|noble|focal)[\d.]*")


def _version(image: str, kind: Store) -> str:
    """The version that a tag of the kind's own image says; "" for a variant that the kind does not have."""
    tag = image.rpartition("/")[2].partition(":")[2]  # with its digest
    if not kind.suffix:
        return tag
    version = tag.removesuffix(kind.suffix)
    if kind.suffix not in version:  # the kind's own variant stands in for one of another system
        version = _VARIANT.sub("", version)
    return version if "$" in version or re.fullmatch(r"v?\d+(?:\.\d+)*", version) else ""


def _image(scene: Scene, unit: Unit, kind: Store) -> None:
    image, draft = str(unit.keys["image"]), scene.draft
    name, version = repository(plain(image)), version_of(plain(image))
    if name in kind.like or (name in kind.own and version and not (tag := _version(image, kind))):
        draft.set((*unit.path, "image"), *forms(image), origin=unit.at("image"))
        draft.say("kept", unit.at("image"), f"a store of the kind {kind.kind}, with this image")
    elif name in kind.own:
        if version:
            draft.set((*unit.path, "version"), *forms(tag), version, origin=unit.at("image"))
        draft.say(
            "kept" if version else "derived",
            unit.at("image"),
            f"a store of the kind {kind.kind}" + ("" if version else ", in the version that it pins"),
        )
    else:
        draft.say(
            "derived",
            unit.at("image"),
            f"a store of the kind {kind.kind}, with its own image in place of {plain(image)}",
        )


def _options(scene: Scene, unit: Unit, store: StoreUnit) -> None:
    """The options that are no passwords, and the passwords where they come from variables."""
    draft = scene.draft
    for option, value in store.options.items():
        if option not in store.kind.secret:
            draft.set((*unit.path, option), *forms(value), origin=unit.at("environment"))
            continue
        name = source(scene, value)
        if name in scene.project.unknown and option in store.kind.generated:
            draft.say("derived", unit.at(option), "a password of this checkout's own")
        elif name:
            draft.set((*unit.path, option), f"${{secret.{name}}}", origin=unit.at("environment"))
            draft.say("derived", unit.at(option), f"the secret {name}, from the environment or .env")
        elif plain(value):
            variable = f"{variable_of(unit.name)}_{option.upper()}"
            draft.secrets[variable] = plain(value)
            if option not in store.kind.generated:
                draft.set((*unit.path, option), f"${{secret.{variable}}}", origin=unit.at("environment"))
            draft.say(
                "derived",
                unit.at(option),
                f"a password of this checkout's own; its value went to .devenv/secrets.env as {variable}",
            )


def _environment(scene: Scene, unit: Unit, kind: Store) -> None:
    draft = scene.draft
    own = {name for option in kind.options for name in (option, f"{option}_FILE")}
    for variable, value in reading.environment(unit.keys).items():
        pattern = kind.patterns.get(variable)
        if variable in own or (pattern and re.fullmatch(pattern, plain(value or ""))):
            continue
        if variable in kind.of_others:
            option = kind.option_of(variable, str(unit.keys["image"]))
            note = "the kind has an option for it" if option else "the image does nothing with it"
            draft.say("dropped", unit.at(f"environment.{variable}"), note)
        elif variable in kind.refused or not kind.needs(variable, plain(value or "")):
            draft.say("dropped", unit.at(f"environment.{variable}"), f"the kind {kind.kind} needs none")
        else:
            _variable(scene, unit, variable, value)


def _variable(scene: Scene, unit: Unit, variable: str, value: str | None) -> None:
    path, origin = (*unit.path, "env", variable), unit.at("environment")
    text = f"${{{variable}:-}}" if value is None else value
    names = [item.name for item in variables(text)]
    private = scene.is_private(unit, variable) and value != ""
    if private or is_secret(variable, plain(text) or "x" * bool(names)):
        name = names[0] if names else f"{variable_of(unit.name)}_{variable_of(variable)}"
        if plain(text) and name not in scene.world.variables:
            scene.draft.secrets[name] = plain(text)
        scene.draft.set(path, f"${{secret.{name}}}", origin=origin)
    else:
        scene.draft.set(path, *forms(text), origin=origin)


def _command(scene: Scene, unit: Unit, kind: Store) -> None:
    words = reading.words(unit.keys.get("command")) or []
    arguments = flagged(unit, kind)[1]
    if not arguments:
        if words:
            scene.draft.say("dropped", unit.at("command"), f"the kind {kind.kind} starts its server so")
    else:
        scene.draft.set(
            (*unit.path, "args"), *forms(arguments), origin=unit.at("command"), instead={"command": words}
        )


def _ports(scene: Scene, unit: Unit, kind: Store) -> None:
    published: dict[str, tuple[Any, ...]] = {}
    names = {**kind.ports, **listening(unit, kind)}
    try:
        ports = reading.ports(unit.keys, scene.world.variables)
    except ValueError:
        scene.draft.say("by hand", unit.at("ports"), "a port without a number; then publish:")
        return
    for port in ports:
        name = names.get(port.container, "")
        if not name or name in published:
            scene.draft.say(
                "dropped", unit.at(f"ports {port.written}"), f"the kind {kind.kind} has no such port"
            )
        elif port.host and not plain(port.host, scene.world.variables):
            scene.draft.say("by hand", unit.at(f"ports {port.written}"), ports_unset(port))
        elif port.host:
            published[name] = forms(port.host)
            say_unkept(scene, unit, port)
    main = next(iter(kind.ports.values()))
    if set(published) == {main}:
        scene.draft.set(
            (*unit.path, "publish"), *map(limits.number, published[main]), origin=unit.at("ports")
        )
    else:
        for name, values in published.items():
            scene.draft.set(
                (*unit.path, "publish", name), *map(limits.number, values), origin=unit.at("ports")
            )
    if not ports:
        scene.draft.say("derived", unit.original, "published on this machine too, as every store is")


def _mount(scene: Scene, unit: Unit, kind: Store, mount: Mount) -> None:
    draft, origin = scene.draft, unit.at(f"volumes {mount.written}")
    target = posixpath.normpath(mount.target)
    if mount.kind == "unset":
        draft.say("by hand", origin, "the variable of its path is not set; a store has a volume of its own")
    elif mount.source in HOST_CLOCK:
        draft.say("dropped", origin, IN_UTC)
    elif _only_checks(unit, target):
        draft.say("dropped", origin, f"the kind {kind.kind} brings a healthcheck of its own")
    elif option := _listed_at(kind, target):
        patterns = (
            [*_patterns(scene, mount.source)]
            if scene.world.paths.get(mount.source) == "folder"
            else [mount.source]
        )
        draft.set((*unit.path, option), patterns, origin=origin)
        draft.say("kept", origin, f"as {option}:")
    elif kind.seeds and (target == kind.seeds or target.startswith(f"{kind.seeds}/")):
        _seed(scene, unit, mount, origin)
    elif (
        any(target == folder or target.startswith(f"{folder}/") for folder in kind.data)
        or mount.kind != "bind"
    ):
        draft.say("dropped", origin, "a store has a volume of its own; data of the old one stays where it is")
    elif inside(mount.source) and mount.source not in scene.world.paths:
        draft.say("by hand", origin, f"{mount.source} is not there; then files: {{{target}: {mount.source}}}")
    elif inside(mount.source):
        instead = {"volumes": [mount.written]}
        draft.set((*unit.path, "files", target), mount.source, origin=origin, instead=instead)
    else:
        draft.escape(unit.path, {"volumes": [str(mount.written)]}, origin)


def _listed_at(kind: Store, target: str) -> str:
    """The option that lists files for a folder of the container."""
    return next(
        (option for place, option in kind.files.items() if target == place or target.startswith(f"{place}/")),
        "",
    )


def _only_checks(unit: Unit, target: str) -> bool:
    """Whether what is mounted there is the program of its healthcheck."""
    check = reading.listed((unit.keys.get("healthcheck") or {}).get("test"))
    return any(target in str(word) for word in check)


def _seed(scene: Scene, unit: Unit, mount: Mount, origin: str) -> None:
    draft, kind = scene.draft, scene.world.paths.get(mount.source)
    if kind is None:
        draft.say("by hand", origin, f"{mount.source} is not there; then seed: {mount.source}")
        return
    patterns = [*_patterns(scene, mount.source)] if kind == "folder" else [mount.source]
    if not patterns:
        draft.say("dropped", origin, "nothing in the folder is run by the image")
        return
    path = (*unit.path, "seed")
    before = draft.value.get("infra", {}).get(unit.name, {}).get("seed", [])
    draft.set(path, [*before, *patterns], origin=origin)
    draft.say("kept", origin, "as seed:")


def _patterns(scene: Scene, folder: str) -> Iterator[str]:
    """The files of a folder that the image would run, as patterns."""
    names = [path for path in scene.world.paths if path.startswith(f"{folder}/")]
    for ending in (".sql", ".sql.gz", ".sh", ".js", ".json"):
        if any(name.endswith(ending) for name in names):
            yield f"{folder}/*{ending}"
