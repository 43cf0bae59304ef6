"""Which images are kinds of the catalogue, and what their variables, commands and ports mean.

All of it is in the kind's file: its services say most, and `imported` what Compose files write otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from urllib.parse import quote

from devenv.manifest.versions import Supported, name_and_tag
from devenv.stack.kinds.catalogue import Catalogue, Kind
from devenv.stack.kinds.file import GeneratedSecret
from devenv.stack.kinds.service import Service

_OPTION = re.compile(r"\$\{(\w+)\}")
_REFERENCE = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Store:
    """One kind, as images of it are written in Compose files.

    `own`: images that the kind's `version` means; `like`: images that serve in its place as they are;
    `instead`: images for which the kind's own stands in, as they keep their data elsewhere.
    `options`: variable -> option; `patterns`: variable -> how its value holds options; `flags`: word of a
    command -> option. `fixed`: variables that the kind sets itself. `secret`: the options whose values are
    passwords; `generated`: those of them that it makes up. `files`: folder -> the option that lists what lies
    there. `of_others`: variable -> option that only images of `instead` know; `listens`: a variable, or a
    word of a command, with the address of a port of it -> the port. `kept`: variables that are not unneeded.
    `targets`: where the kind puts files of its own. `parts`: image -> the service of the kind that it
    is, or the name of what the kind needs none of. `urls`: option -> the URL where it is set.
    """

    kind: str
    own: tuple[str, ...]
    port: int = 0
    like: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)
    secret: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()
    of_others: Mapping[str, str] = field(default_factory=dict)
    listens: Mapping[str, str] = field(default_factory=dict)
    unneeded: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    seeds: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""
    ports: Mapping[int, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    brought: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    urls: Mapping[str, str] = field(default_factory=dict)
    supported: Supported = field(default_factory=Supported)

    def needs(self, variable: str, value: str) -> bool:
        """Whether a variable means something that the kind does not say already."""
        unneeded = _matches(self.unneeded, variable) and not _matches(self.kept, variable)
        return self.fixed.get(variable, "") != value and not unneeded

    def option_of(self, variable: str, image: str) -> str:
        """The option that a variable of an image sets, or ""."""
        others = self.of_others if repository(image) in self.instead else {}
        return self.options.get(variable) or others.get(variable, "")

    def refuses(self, values: Mapping[str, str]) -> bool:
        """Whether the variables ask for more than the kind can mean."""
        for variable, when in self.refused.items():
            if variable in values and (
                when == "always"
                or (when.startswith("unless ") and when.removeprefix("unless ") not in values)
                or values[variable] == when
            ):
                return True
        return False


def _matches(words: tuple[str, ...], variable: str) -> bool:
    return any(variable == word or (word.endswith("*") and variable.startswith(word[:-1])) for word in words)


class Stores:
    """The kinds of a catalogue by the images that Compose files have for them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._made: dict[str, Store] = {}

    def of(self, image: str) -> Store | None:
        """The kind whose server the image is; only files that have the image's name in them are read."""
        name = repository(image)
        for kind in self._catalogue if name else ():
            if self._catalogue.mentions(kind, name):
                store = self._store(kind)
                if name in (*store.own, *store.like, *store.instead):
                    return store
        return None

    def _store(self, kind: str) -> Store:
        if kind not in self._made:
            self._made[kind] = store_of(self._catalogue[kind])
        return self._made[kind]


def store_of(kind: Kind) -> Store:
    """A kind as Compose files write it."""
    block, main, imported = kind.block, kind.file.services[kind.name], kind.block.imported
    name = repository(main.image)
    texts = {option for option in block.options if option not in ("version", "memory", "image")}
    variables = _variables(main, texts)
    others = {
        repository(service.image): key
        for key, service in kind.file.services.items()
        if key != kind.name and "${image}" not in service.image
    }
    generated = tuple(key for key, value in block.options.items() if isinstance(value, GeneratedSecret))
    words, flags = _command(main, texts)
    return Store(
        kind.name,
        own=(name,),
        port=main.ports[0].target if main.ports else 0,
        like=tuple(imported.like),
        instead=tuple(imported.instead),
        options={**variables.options, **imported.options},
        patterns=variables.patterns,
        flags={**flags, **imported.flags},
        fixed=variables.fixed,
        without=dict(imported.without),
        secret=tuple(dict.fromkeys((*generated, *(["password"] if "password" in block.options else [])))),
        generated=generated,
        of_others=dict(imported.of_others),
        listens=dict(imported.listens),
        unneeded=(*variables.unneeded, *imported.unneeded),
        kept=tuple(imported.kept),
        words=(*words, *imported.words),
        data=(*(volume.target for volume in main.volumes), *imported.data),
        seeds=block.data.scripts if block.data else "",
        files={target: match[1] for target, text in main.files.items() if (match := _OPTION.fullmatch(text))},
        targets=tuple(config.target for config in main.configs),
        refused=dict(imported.refused),
        suffix=main.image.partition("${version}")[2],
        ports={
            **{port.target: port.name for port in main.ports if port.published is None},
            **{number: port for port, numbers in imported.ports.items() for number in numbers},
        },
        parts={**others, **{image: part for part, images in imported.parts.items() for image in images}},
        brought=tuple(others.values()),
        uses=tuple(use.partition("/")[0] for use in block.uses),
        defaults={key: str(value) for key, value in block.options.items() if key not in generated},
        url=block.url,
        urls={
            option: change["x-devenv"]["url"]
            for option, change in block.when.items()
            if option in block.options and "url" in change.get("x-devenv", {})
        },
        supported=kind.supported,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Variables:
    """What the variables of a kind's own service mean; `Store` says what each is."""

    options: Mapping[str, str]
    patterns: Mapping[str, str]
    fixed: Mapping[str, str]
    unneeded: tuple[str, ...]


def _variables(service: Service, texts: set[str]) -> _Variables:
    environment = {key: str(value) for key, value in service.environment.items()}
    own = {key: match[1] for key, text in environment.items() if (match := _OPTION.fullmatch(text))}
    options = {key: option for key, option in own.items() if option in texts}
    patterns = {
        key: _pattern(text)
        for key, text in environment.items()
        if key not in options and texts & {*_OPTION.findall(text)}
    }
    fixed = {key: text for key, text in environment.items() if "${" not in text}
    rest = environment.keys() - options.keys() - patterns.keys() - fixed.keys()
    return _Variables(options, patterns, fixed, tuple(key for key in environment if key in rest))


def _command(service: Service, options: set[str]) -> tuple[list[str], dict[str, str]]:
    """The words of a kind's command that mean nothing more, and the flags that set options."""
    words = [str(word) for word in service.command or ()]
    flags: dict[str, str] = {}
    for word, following in pairwise([*words, ""]):
        name, _, value = (
            word.partition("=") if word.startswith("-") and "=" in word else (word, "", following)
        )
        if (match := _OPTION.fullmatch(value)) and match[1] in options and name.startswith("-"):
            flags[name] = match[1]
    return [word for word in words if "${" not in word and word not in flags], flags


def _pattern(template: str) -> str:
    """A text with options as a regular expression: an option twice has the same value twice."""
    pattern, seen = "", set[str]()
    for part in re.split(r"(\$\{\w+\})", template):
        match = _OPTION.fullmatch(part)
        if match is None:
            pattern += re.escape(part)
        else:
            pattern += f"(?P={match[1]})" if match[1] in seen else rf"(?P<{match[1]}>\S+)"
            seen.add(match[1])
    return pattern


_DEFAULT_REGISTRIES = (
    "docker.io/", "index.docker.io/", "registry.hub.docker.com/", "public.ecr.aws/docker/", "library/",
)  # fmt: skip


@cache
def repository(image: str) -> str:
    """`docker.io/library/postgres:16` as `postgres`."""
    name = image.partition("@")[0]
    last = name.rpartition("/")[2]
    name = name[: len(name) - len(last)] + last.partition(":")[0]
    for prefix in _DEFAULT_REGISTRIES:
        name = name.removeprefix(prefix)
    return name


def version_of(image: str) -> str:
    """The version that a tag says, or "" for `latest` and none."""
    tag = name_and_tag(image)[1]
    return "" if tag in ("latest", "") else tag


def urls(store: Store, host: str, values: Mapping[str, str]) -> Iterator[str]:
    """The URLs by which a store is reached with these options; without a login too where none was set."""
    fillings = {**store.defaults, **values, "host": host, "port": str(store.port)}
    url = next((url for option, url in store.urls.items() if values.get(option)), store.url)
    filled = _REFERENCE.sub(lambda match: fillings.get(match[0][2:-1], ""), url)
    yield filled
    secrets = {option: quote(fillings[option], safe="") for option in store.secret if option in fillings}
    encoded = {**fillings, **secrets}
    yield _REFERENCE.sub(lambda match: encoded.get(match[0][2:-1], ""), url)
    if store.secret and not any(values.get(option) for option in store.secret):
        yield re.sub(r"//[^/@]*@", "//", filled)
