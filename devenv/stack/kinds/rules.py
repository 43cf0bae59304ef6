"""Rules that a kind can break even if its models validate; each yields `(path, message, suggestion)`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from devenv.errors import did_you_mean
from devenv.manifest.graph import cycles
from devenv.manifest.source import Finding, Path
from devenv.manifest.versions import is_condition
from devenv.stack.kinds.file import Command, GeneratedSecret, KindFile
from devenv.stack.kinds.service import Service

TEMPLATE = re.compile(r"\$\$|\$\{([^}]*)\}?")  # `$$` is Compose's way to write a dollar
RESERVED = frozenset({"name", "NAME", "image", "host", "port", "url", "secret", "client", "stack"})
OF_STACK = ("name", "namespace", "id", "units", "metrics")
_LABEL = re.compile(r"^[a-z](?:[a-z0-9-]*[a-z0-9])?$")
_VARIABLE = re.compile(r"^(\$\{NAME\}_)?[A-Za-z_][A-Za-z0-9_]*$")


def check(name: str, file: KindFile) -> list[Finding]:
    """Everything wrong with a kind, apart from its use of other kinds."""
    if name not in file.services:
        return [(("services",), f"no service called {name}", "name the main service after the file")]
    return [finding for rule in RULES for finding in rule(name, file)]


def _services_have_names(name: str, file: KindFile) -> Iterator[Finding]:
    for service in file.services:
        if not _LABEL.match(service):
            yield ("services", service), "a name is lower-case letters, digits and hyphens", ""


def _words_have_names(name: str, file: KindFile) -> Iterator[Finding]:
    for word in file.block.also:
        path: Path = ("x-devenv", "also", word)
        if not _LABEL.match(word):
            yield path, "a name is lower-case letters, digits and hyphens", ""
        elif word == name:
            yield path, "is the kind's own name", "remove it"


def _ports_are_clear(name: str, file: KindFile) -> Iterator[Finding]:
    names: dict[str, Path] = {}
    for key, service in file.services.items():
        targets = set()
        for index, port in enumerate(service.ports):
            path: Path = ("services", key, "ports", index)
            if port.target in targets:
                yield path, f"{port.target} is listed already", "one entry for each port"
            elif port.outside and port.outside not in [other.name for other in service.ports]:
                yield (*path, "x-outside"), f'{key} has no port "{port.outside}"', "the name of another port"
            elif port.name in names and not port.name.startswith("port-"):
                yield path, f'"{port.name}" is listed already', "each port of a kind has a name of its own"
            targets.add(port.target)
            names.setdefault(port.name, path)
    if file.block.url and not file.services[name].ports:
        yield ("x-devenv", "url"), f"{name} has no port", "add ports:"


def _imports_name_its_own(name: str, file: KindFile) -> Iterator[Finding]:
    imported, options = file.block.imported, file.block.options
    for key, names in (
        ("options", imported.options),
        ("of_others", imported.of_others),
        ("flags", imported.flags),
    ):
        for word, option in names.items():
            if option not in options:
                path: Path = ("x-devenv", "imported", key, word)
                yield path, f'no option "{option}"', did_you_mean(option, options, "one of options")
    ports = [port.name for port in file.services[name].ports]
    places: list[tuple[Path, str]] = [(("ports", port), port) for port in imported.ports]
    places += [(("listens", word), port) for word, port in imported.listens.items()]
    for path, port in places:
        if port not in ports:
            yield ("x-devenv", "imported", *path), f'no port "{port}"', did_you_mean(port, ports, "")


def _gateway_serves_a_port(name: str, file: KindFile) -> Iterator[Finding]:
    gateway = file.block.gateway
    if gateway and gateway.port not in [port.target for port in file.services[name].ports]:
        yield (
            ("x-devenv", "gateway", "port"),
            f"{name} has no port {gateway.port}",
            f"one of the ports of services.{name}",
        )


def _links_lead_to_ports(name: str, file: KindFile) -> Iterator[Finding]:
    names = {
        text
        for key, service in file.services.items()
        for port in service.ports
        for text in ([port.name] if key == name else [f"{key}.{port.name}"])
    }
    for label, port in file.block.links.items():
        if port not in names:
            hint = did_you_mean(port, names, f"it has: {', '.join(sorted(names)) or 'none'}")
            yield ("x-devenv", "links", label), f'no port "{port}"', hint


def _needs_exist(name: str, file: KindFile) -> Iterator[Finding]:
    for key, service in file.services.items():
        for other in service.depends_on:
            path: Path = ("services", key, "depends_on", other)
            if other == key:
                yield path, "depends on itself", "remove it"
            elif other not in file.services:
                yield path, f'no service "{other}"', did_you_mean(other, file.services)
    if trail := next(cycles({key: [*service.depends_on] for key, service in file.services.items()}), []):
        yield ("services", trail[0], "depends_on"), f"a cycle: {' -> '.join(trail)}", "remove one of them"


def _checks_ask_ports(name: str, file: KindFile) -> Iterator[Finding]:
    for key, service in file.services.items():
        asked = (service.healthcheck and service.healthcheck.http) or ""
        if asked and int(asked.partition("/")[0]) not in [port.target for port in service.ports]:
            path: Path = ("services", key, "healthcheck", "x-http")
            yield path, f"{key} has no port {asked.partition('/')[0]}", "devenv asks through a port of it"


def _metrics_are_at_a_port(name: str, file: KindFile) -> Iterator[Finding]:
    port = file.block.metrics.partition("/")[0]
    if port and int(port) not in [port.target for port in file.services[name].ports]:
        yield ("x-devenv", "metrics"), f"{name} has no port {port}", f"one of the ports of services.{name}"


def _configs_and_files_exist(name: str, file: KindFile) -> Iterator[Finding]:
    lists = [option for option, default in file.block.options.items() if isinstance(default, list)]
    for key, service in file.services.items():
        targets = set()
        for index, mount in enumerate(service.configs):
            path: Path = ("services", key, "configs", index)
            if mount.source not in file.configs:
                yield path, f'no config "{mount.source}"', did_you_mean(mount.source, file.configs)
            if mount.target in targets:
                yield path, f"{mount.target} is listed already", ""
            targets.add(mount.target)
        for folder, text in service.files.items():
            if text not in [f"${{{option}}}" for option in lists]:
                hint = 'a list among the options: seed: [], then "${seed}"'
                yield ("services", key, "x-files", folder), f'"{text}" is not a list of files', hint
        folders = set()
        for index, volume in enumerate(service.volumes):
            if volume.target in folders:
                yield ("services", key, "volumes", index), f"{volume.target} is listed already", ""
            folders.add(volume.target)
            if file.volumes and volume.source not in file.volumes:
                hint = did_you_mean(volume.source, file.volumes)
                yield ("services", key, "volumes", index), f'no volume "{volume.source}"', hint


def _options_are_clear(name: str, file: KindFile) -> Iterator[Finding]:
    options, part = file.block.options, file.block.part
    for option in options:
        if option in RESERVED or option.startswith("public_") or option in file.services:
            yield ("x-devenv", "options", option), "is a reserved name", "choose another name"
        elif not re.match(r"^[a-z][a-z0-9_]*$", option):
            yield ("x-devenv", "options", option), "an option is lower-case letters, digits and _", ""
    if part is not None:
        if not isinstance(options.get(part.option), str):
            yield ("x-devenv", "part", "option"), f'no option "{part.option}" that is text', ""
        if part.collects and not isinstance(options.get(part.collects), list):
            yield ("x-devenv", "part", "collects"), f'no option "{part.collects}" that is a list', ""
    for key in file.block.env:
        if not _VARIABLE.match(key):
            hint = "use letters, digits and _; ${NAME}_ in front stands for the store's name"
            yield ("x-devenv", "env", key), "is not a name of an environment variable", hint


def _data_is_of_options(name: str, file: KindFile) -> Iterator[Finding]:
    """A variable is the user's own, in capitals; anything else has to be an option."""
    data, options = file.block.data, file.block.options
    for key, names in (("new", data.new), ("later", [*data.later])) if data else ():
        for index, option in enumerate(names):
            if option not in options and not re.match(r"^[A-Z][A-Z0-9_]*$", option):
                where: Path = ("x-devenv", "data", key, index if key == "new" else option)
                yield where, f'no option "{option}"', did_you_mean(option, options)


def _copies_are_of_one_volume(name: str, file: KindFile) -> Iterator[Finding]:
    if file.block.dump != "volume":
        return
    if len(file.services[name].volumes) != 1:
        yield ("x-devenv", "dump"), f"{name} needs one volume to be copied", 'volumes: ["data:/folder"]'
    if file.block.load:
        yield ("x-devenv", "load"), "dump: volume is read back the same way", "remove it"


def _texts_name_no_other_in_a_circle(name: str, file: KindFile) -> Iterator[Finding]:
    block = file.block
    texts = {option: default for option, default in block.options.items() if isinstance(default, str)}
    texts |= {"url": block.url, "image": file.services[name].image}
    graph = {
        key: [reference[1].partition(".")[0] for reference in TEMPLATE.finditer(text) if reference[1]]
        for key, text in texts.items()
    }
    trail = next(cycles(graph), []) or next(([key, key] for key, named in graph.items() if key in named), [])
    if trail:
        path = {"url": ("x-devenv", "url"), "image": ("services", name, "image")}
        where = path.get(trail[0], ("x-devenv", "options", trail[0]))
        yield where, f"a cycle: {' -> '.join(trail)}", "write out the value of one of them"


def _versions_are_conditions(name: str, file: KindFile) -> Iterator[Finding]:
    for condition, change in file.block.versions.items():
        path: Path = ("x-devenv", "versions", condition)
        if not is_condition(condition):
            yield path, f'"{condition}" is not a condition', 'write "<18" or ">=9.7"'
        for service in change.services:
            if service not in file.services:
                yield (
                    (*path, "services", service),
                    f'no service "{service}"',
                    did_you_mean(service, file.services),
                )
    try:
        groups = re.compile(file.block.tag).groups
    except re.error as error:
        yield ("x-devenv", "tag"), f"not a regular expression: {error}", ""
    else:
        if file.block.tag and groups != 1:
            yield ("x-devenv", "tag"), "has no group that captures the version", r"write pg(\d+)"


def _conditions_name_options(name: str, file: KindFile) -> Iterator[Finding]:
    for condition in file.block.when:
        option = condition.partition("=")[0]
        names = [*file.block.options, *file.block.joins, *file.block.takes]
        if option not in names:
            yield ("x-devenv", "when", condition), f'no option "{option}"', did_you_mean(option, names)


def _uses_are_kinds(name: str, file: KindFile) -> Iterator[Finding]:
    for index, use in enumerate(file.block.uses):
        if use.partition("/")[0] == name:
            yield ("x-devenv", "uses", index), "uses itself", "remove it"
    for index, joined in enumerate(file.block.joins):
        path: Path = ("x-devenv", "joins", index)
        if joined == name:
            yield path, "joins itself", "remove it"
        elif joined in file.block.options:
            yield path, f"{joined} is an option as well", "call the option otherwise"


def _references_resolve(name: str, file: KindFile) -> Iterator[Finding]:
    kinds = {use.partition("/")[0] for use in (*file.block.uses, *file.block.joins)}
    names = attributes(name, file)
    for path, whole, inside in references(file):
        head, _, tail = inside.partition(".")
        if not whole.endswith("}"):
            yield path, f'"{whole}" is not closed', "close it with }, or write $$ for a literal $"
        elif head == "secret":
            if not re.match(r"^[A-Za-z_][A-Za-z0-9_]*$", tail):
                yield path, f'"{tail}" is not a name of a secret', "use letters, digits and _"
        elif inside == "client" and path[:2] == ("x-devenv", "env"):
            continue
        elif inside not in names and head not in kinds:
            hint = did_you_mean(inside, names, "an option, or host, port, url, name; $$ for a literal $")
            yield path, f"${{{inside}}} is not a known reference", hint


def may_be_missing(file: KindFile, there: str) -> Iterator[Finding]:
    """References to kinds that the stack may be without; `there`: the one that it surely has."""
    joins = set(file.block.joins) - {use.partition("/")[0] for use in file.block.uses} - {there}
    for path, whole, inside in references(file):
        if (joined := inside.partition(".")[0]) in joins:
            yield path, f"{whole}: a stack may be without {joined}", f"write it below x-devenv.when.{joined}"


def references(file: KindFile) -> Iterator[tuple[Path, str, str]]:
    """Every `${...}`: its path, the whole reference, and the name in it without a `.json` suffix."""
    for path, text in strings(file):
        for reference in TEMPLATE.finditer(text) if "${" in text else ():
            if reference[1] is not None:
                yield path, reference[0], reference[1].removesuffix(".json")


def attributes(name: str, file: KindFile) -> frozenset[str]:
    """Every name that `${...}` may have in a kind's file, except secrets and attributes of other kinds."""
    names = {"name", "NAME", "image", *(f"stack.{key}" for key in OF_STACK)} | _addresses(file.services[name])
    names |= {"url", "public_url"} if file.block.url else set()
    for option, default in file.block.options.items():
        names.add(option)
        if isinstance(default, list):
            names |= {f"{option}.{index}" for index in range(10)}
    for key, service in file.services.items():
        if key != name:
            names |= {f"{key}.{attribute}" for attribute in _addresses(service) | {"url", "public_url"}}
    return frozenset(names)


def _addresses(service: Service) -> set[str]:
    ports = [key for port in service.ports for key in (port.name, str(port.target))]
    named = [f"{attribute}.{key}" for attribute in _OF_PORTS for key in ports]
    return {"host", "public_host", *(_OF_PORTS if ports else ()), *named}


_OF_PORTS = ("port", "public_port", "address", "public_address")


def strings(file: KindFile) -> Iterator[tuple[Path, str]]:
    """Every text that is filled in, with its path."""
    block = file.block
    for option, default in block.options.items():
        if not isinstance(default, GeneratedSecret):
            yield from _strings(default, ("x-devenv", "options", option))
    for word, what in block.also.items():
        yield from _strings(what.image, ("x-devenv", "also", word, "image"))
    yield from _strings(block.url, ("x-devenv", "url"))
    yield from _strings(block.env, ("x-devenv", "env"))
    yield from _strings(block.gateway.plugins if block.gateway else {}, ("x-devenv", "gateway", "plugins"))
    for key, command in (("dump", block.dump), ("load", block.load)):
        if isinstance(command, Command):
            yield from _strings(command.exec, ("x-devenv", key, "exec"))
    for index, way in enumerate(block.process):
        scripts = way.model_dump(include={"command", "new", "environment", "check", "clients", "asked"})
        yield from _strings(scripts, ("x-devenv", "process", *([index] if len(block.process) > 1 else [])))
    for key, service in file.services.items():
        raw = service.model_dump(by_alias=True, exclude_unset=True, exclude={"files"})
        yield from _strings(raw, ("services", key))
    for key, config in file.configs.items():
        yield ("configs", key, "content"), config.content


def _strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    match value:
        case str():
            yield path, value
        case dict():
            for key, item in value.items():
                yield path, key
                yield from _strings(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from _strings(item, (*path, index))


RULES: tuple[Callable[[str, KindFile], Iterator[Finding]], ...] = (
    _services_have_names,
    _words_have_names,
    _ports_are_clear,
    _imports_name_its_own,
    _gateway_serves_a_port,
    _links_lead_to_ports,
    _needs_exist,
    _checks_ask_ports,
    _metrics_are_at_a_port,
    _configs_and_files_exist,
    _options_are_clear,
    _data_is_of_options,
    _copies_are_of_one_volume,
    _texts_name_no_other_in_a_circle,
    _versions_are_conditions,
    _conditions_name_options,
    _uses_are_kinds,
    _references_resolve,
)
