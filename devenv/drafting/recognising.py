"""Which services of a Compose project are stores of the catalogue, and with which options."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from itertools import pairwise, takewhile
from typing import Any

from devenv.drafting import reading
from devenv.drafting.interpolation import plain, variables
from devenv.drafting.scene import Scene, StoreUnit, Unit, variable_of
from devenv.drafting.stores import Store, Stores, repository


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
    written, image = reading.environment(unit.keys), plain(str(unit.keys["image"]))
    for variable, value in scene.variables(unit).items():
        if variable not in written and value and scene.world.variables.get(variable) == plain(value):
            value = f"${{{variable}}}"  # env_file: .env, which also fills in the variables of the others
        name, is_file = variable.removesuffix("_FILE"), variable.endswith("_FILE")
        option = store.option_of(name, image)
        if not option or option in values:
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
    values |= flagged(unit, store)[0]
    for option, default in store.without.items():
        if option not in values:
            values[option] = values.get(default[1:], "") if default.startswith("$") else default
    return StoreUnit(unit.name, store, values)


def sources(scene: Scene, store: StoreUnit) -> set[str]:
    """The variables that its passwords come from."""
    passwords = (store.options.get(option, "") for option in store.kind.secret)
    return {source(scene, password) for password in passwords} - {""}


def source(scene: Scene, value: str) -> str:
    """The variable that a password comes from: one without a default, or with a value here."""
    names = [variable.name for variable in variables(value)]
    whole = len(names) == 1 and value in (f"${{{names[0]}}}", f"${names[0]}")
    return names[0] if whole or any(name in scene.world.variables for name in names) else ""


def flagged(unit: Unit, store: Store) -> tuple[dict[str, str], list[str]]:
    """The options that words of its command set, and the words that mean something else."""
    values: dict[str, str] = {}
    left: list[str] = []
    words = reading.words(unit.keys.get("command")) or []
    places = {*store.data, *(mount.target for mount in reading.mounts(unit.keys) if mount.kind != "bind")}
    at = 0
    while at < len(words):
        name, equals, value = words[at].partition("=")
        following = words[at + 1] if at + 1 < len(words) and not words[at + 1].startswith("-") else ""
        if (option := store.flags.get(name, "")) or name in store.listens:
            values |= {option: value if equals else following} if option else {}
            at += not equals
        elif words[at] not in store.words and words[at] not in places:
            left.append(words[at])
        elif words[at].startswith("-") and following and following not in store.words:
            left += [words[at], following]
            at += 1
        at += 1
    return values, left


def listening(unit: Unit, store: Store) -> dict[int, str]:
    """Ports that its command or its variables move the kind's to -> the kind's name for each."""
    words = reading.words(unit.keys.get("command")) or []
    values = {name: value for name, _, value in (word.partition("=") for word in words)}
    values |= {name: value or "" for name, value in reading.environment(unit.keys).items()}
    values |= {name: value for name, value in pairwise(words) if name in store.listens}
    numbers = {name: plain(values[name]).rpartition(":")[2] for name in store.listens if name in values}
    return {int(number): store.listens[name] for name, number in numbers.items() if number.isdecimal()}


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
