"""The stores of a Compose project, as infra of a manifest."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from devenv.drafting import images, limits, machine, mounts, reading
from devenv.drafting.addresses import is_secret
from devenv.drafting.interpolation import forms, plain, variables
from devenv.drafting.ports import unset as ports_unset
from devenv.drafting.reading import Mount, inside
from devenv.drafting.scene import Scene, StoreUnit, Unit, variable_of
from devenv.drafting.stores import Store, Stores, repository, version_of
from devenv.drafting.tables import HOST_CLOCK, IN_UTC, UNNEEDED

_OF_THE_KIND = (
    "restart", "healthcheck", "shm_size", "user", "read_only", "init", "stop_grace_period", "stop_signal",
    "tmpfs", "ulimits", "sysctls", "cap_add", "cap_drop", "security_opt", "working_dir",
)  # fmt: skip


def recognised(service: Mapping[str, Any], stores: Stores) -> Store | None:
    """The kind that a service of Compose is, if the kind can mean all that it says."""
    image = plain(str(service.get("image") or ""))
    store = None if service.get("build") or service.get("entrypoint") else stores.of(image)
    if store is None:
        return None
    version = store.supported.version_of(image)
    if version and store.supported.needed(version, image):
        return None
    values = {name: plain(value or "") for name, value in reading.environment(service).items()}
    if store.refuses(values) or _mounts_over(service, store):
        return None
    try:
        words = reading.words(service.get("command")) or []
    except ValueError:
        return None
    own = {"sh", "bash"} & {*words} or any(word.endswith((".conf", ".cnf")) for word in words)
    return None if own or _is_other_program(words, store, image) or _asks_for_udp(service, store) else store


def _asks_for_udp(service: Mapping[str, Any], store: Store) -> bool:
    """Whether it publishes a port over UDP that the kind does not have."""
    try:
        ports = reading.ports(service)
    except ValueError:
        return False
    return any(port.protocol == "udp" and port.container not in store.ports for port in ports)


def _is_other_program(words: list[str], store: Store, image: str) -> bool:
    """Whether a command begins with more than the server and its options, as `kong migrations up`."""
    server = {*store.words, store.kind, repository(image).rpartition("/")[2]}
    named = takewhile(lambda word: not word.startswith(("-", "/", "$")), words)
    return any(word not in server for word in named)


def _mounts_over(service: Mapping[str, Any], store: Store) -> bool:
    """Whether it brings files of its own where the kind has some."""
    binds = [mount.target.rstrip("/") for mount in reading.mounts(service) if mount.kind == "bind"]
    binds += [target.rstrip("/") for _, target in reading.configs(service)]
    return any(target == own or own.startswith(f"{target}/") for target in binds for own in store.targets)


def options(scene: Scene, unit: Unit, store: Store) -> StoreUnit:
    """The store with its options as Compose writes them; a value may hold `${...}` of Compose's."""
    values: dict[str, str] = {}
    written = reading.environment(unit.keys)
    for variable, value in scene.variables(unit).items():
        if variable not in written and value and scene.world.variables.get(variable) == plain(value):
            value = f"${{{variable}}}"  # env_file: .env, which also fills in the variables of the others
        name, is_file = variable.removesuffix("_FILE"), variable.endswith("_FILE")
        option = store.options.get(name)
        if option is None or option in values:
            continue
        if is_file and (secret := _secret_of_others(scene, unit, plain(value or ""))):
            values[option] = f"${{{secret}}}"
        elif is_file:
            text = scene.world.texts.get(_secret_file(scene, plain(value or "")))
            if text is not None:
                values[option] = text.strip().replace("$", "$$")
        else:
            values[option] = f"${{{variable}}}" if value is None else value
    for variable, pattern in store.patterns.items():
        if match := re.fullmatch(pattern, plain(scene.variables(unit).get(variable) or "")):
            values |= match.groupdict()
    values |= _flagged(unit, store)[0]
    for option, default in store.without.items():
        if option not in values:
            values[option] = values.get(default[1:], "") if default.startswith("$") else default
    return StoreUnit(unit.name, store, values)


def sources(scene: Scene, store: StoreUnit) -> set[str]:
    """The variables that its passwords come from."""
    passwords = (store.options.get(option, "") for option in store.kind.secret)
    return {_source(scene, password) for password in passwords} - {""}


def _source(scene: Scene, value: str) -> str:
    """The variable that a password comes from: one without a default, or with a value here."""
    names = [variable.name for variable in variables(value)]
    whole = len(names) == 1 and value in (f"${{{names[0]}}}", f"${names[0]}")
    return names[0] if whole or any(name in scene.world.variables for name in names) else ""


def _flagged(unit: Unit, store: Store) -> tuple[dict[str, str], list[str]]:
    """The options that words of its command set, and the words that mean something else."""
    values: dict[str, str] = {}
    left: list[str] = []
    words = reading.words(unit.keys.get("command")) or []
    at = 0
    while at < len(words):
        name, equals, value = words[at].partition("=")
        following = words[at + 1] if at + 1 < len(words) and not words[at + 1].startswith("-") else ""
        if option := store.flags.get(name, ""):
            values[option] = value if equals else following
            at += not equals
        elif words[at] not in store.words:
            left.append(words[at])
        elif words[at].startswith("-") and following and following not in store.words:
            left += [words[at], following]
            at += 1
        at += 1
    return values, left


def _secret_file(scene: Scene, target: str) -> str:
    """The file of the project that Compose mounts as a secret there."""
    secret = scene.project.secrets.get(posixpath.basename(target)) or {}
    return reading.relative(str(secret.get("file", "")), scene.project.folder) if "file" in secret else ""


def _secret_of_others(scene: Scene, unit: Unit, target: str) -> str:
    """The variable of the secret that Compose mounts there, where a service has it as a file as well."""
    name = posixpath.basename(target)
    others = (keys for original, keys in scene.project.services.items() if original != unit.original)
    mounted = {secret for keys in others for secret, _ in reading.secrets(keys)}
    settings = scene.project.secrets.get(name) or {}
    return str(settings.get("environment") or variable_of(name)) if name in mounted else ""


def convert(scene: Scene, unit: Unit, store: StoreUnit) -> None:
    """Write a store, and say what became of everything that Compose has of it."""
    draft, kind = scene.draft, store.kind
    draft.set((*unit.path, "kind"), kind.kind) if unit.name != kind.kind else draft.set(unit.path, {})
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
        elif key in ("deploy", "mem_limit", "cpus"):
            continue
        elif key in UNNEEDED:
            draft.say("dropped", key, UNNEEDED[key])
        elif key not in (
            "image",
            "environment",
            "env_file",
            "command",
            "ports",
            "volumes",
            "profiles",
            "secrets",
            "depends_on",
            "platform",
            "extra_hosts",
            "configs",
        ):
            draft.escape(unit.path, {key: unit.keys[key]}, unit.at(key))
    if memory := limits.memory(unit.keys):
        draft.set((*unit.path, "memory"), *forms(memory), origin=unit.at("mem_limit"))


def convert_part(scene: Scene, unit: Unit) -> None:
    """Say what becomes of what a store brings by itself, or does not need."""
    for name in scene.owner(unit):
        store = scene.stores[name].kind
        if unit.name not in (part if name == store.kind else f"{name}-{part}" for part in store.brought):
            scene.draft.say("dropped", unit.original, f"the kind {store.kind} needs none")
            continue
        scene.draft.say("derived", unit.original, f"the kind {store.kind} brings it, as {unit.name}")
        for key in unit.keys:
            if key not in ("image", "ports", "depends_on", "environment", *_OF_THE_KIND, *UNNEEDED):
                scene.draft.say(
                    "by hand", unit.at(key), f"the kind {store.kind} has settings of its own for it"
                )


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
        if name := _source(scene, value):
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
        if variable in kind.refused or not kind.needs(variable, plain(value or "")):
            draft.say("dropped", unit.at(f"environment.{variable}"), f"the kind {kind.kind} needs none")
        else:
            _variable(scene, unit, variable, value)


def _variable(scene: Scene, unit: Unit, variable: str, value: str | None) -> None:
    path, origin = (*unit.path, "env", variable), unit.at("environment")
    text = f"${{{variable}:-}}" if value is None else value
    names = [item.name for item in variables(text)]
    if is_secret(variable, plain(text) or "x" * bool(names)):
        name = names[0] if names else f"{variable_of(unit.name)}_{variable_of(variable)}"
        if plain(text) and name not in scene.world.variables:
            scene.draft.secrets[name] = plain(text)
        scene.draft.set(path, f"${{secret.{name}}}", origin=origin)
    else:
        scene.draft.set(path, *forms(text), origin=origin)


def _command(scene: Scene, unit: Unit, kind: Store) -> None:
    words = reading.words(unit.keys.get("command")) or []
    arguments = _flagged(unit, kind)[1]
    if not arguments:
        if words:
            scene.draft.say("dropped", unit.at("command"), f"the kind {kind.kind} starts its server so")
    else:
        scene.draft.set(
            (*unit.path, "args"), *forms(arguments), origin=unit.at("command"), instead={"command": words}
        )


def _ports(scene: Scene, unit: Unit, kind: Store) -> None:
    published: dict[str, tuple[Any, ...]] = {}
    names = dict(kind.ports)
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
        draft.escape(unit.path, {"volumes": [_written(mount)]}, origin)


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


def _written(mount: Mount) -> str:
    return str(mount.written)


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
