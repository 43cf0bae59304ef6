"""The infra kinds, read from Compose files: ours in `compose/`, a project's own in its `infra/`.

A kind is data: options with defaults, the variables injected into its users, and its services. No code
here depends on a particular kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, partial, reduce
from itertools import chain
from typing import Any, Literal, Protocol

from pydantic import ValidationError

from devenv.errors import ManifestInvalid, Problem, did_you_mean
from devenv.manifest import source
from devenv.manifest.parse import problems_of
from devenv.manifest.rules.scope import KindFacts, Kinds
from devenv.manifest.source import Finding, Path, Source
from devenv.manifest.versions import Supported, matches, name_and_tag
from devenv.stack.kinds import rules as kindrules
from devenv.stack.kinds.file import TAKEN, Block, GeneratedSecret, KindFile, Option
from devenv.stack.kinds.service import Service
from devenv.stack.world import merge


@dataclass(frozen=True)
class Kind:
    """One infra kind as its file describes it."""

    name: str
    file: KindFile
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def block(self) -> Block:
        """The content of `x-devenv`."""
        return self.file.block

    @property
    def options(self) -> Mapping[str, Option]:
        """Option -> default."""
        return self.block.options

    def called(self, word: str) -> Kind:
        """The kind as another word for it means it: with that image, and its version by default."""
        what = self.block.also[word]
        if not what.image:
            return self
        name = name_and_tag(what.image)[0]
        block = dict(self.raw["x-devenv"])
        if what.version is not None:
            block["options"] = {**block["options"], "version": what.version}
        if name in self.block.oldest:
            block["oldest"] = {name: self.block.oldest[name], **block["oldest"]}
        raw = merge({**self.raw, "x-devenv": block}, {"services": {self.name: {"image": what.image}}})
        return Kind(self.name, KindFile.model_validate(raw), raw)

    def of_version(self, version: str) -> KindFile:
        """The file with the changes for this version."""
        changes = [
            change.services
            for condition, change in self.block.versions.items()
            if matches(version, condition)
        ]
        return self.with_changes(changes) if changes else self.file

    def with_changes(self, changes: Iterable[Mapping[str, Any]]) -> KindFile:
        """The file with changes merged into its services. Raises pydantic's `ValidationError`."""
        return self.laid_over({"services": change} for change in changes).file

    def laid_over(self, changes: Iterable[Mapping[str, Any]]) -> Kind:
        """The kind with changes merged into its file. Raises pydantic's `ValidationError`."""
        raw = reduce(merge, changes, self.raw)
        return Kind(self.name, KindFile.model_validate(raw), raw)

    def with_options(self, options: Mapping[str, str]) -> Kind:
        """The kind as it is where the manifest sets these options, or the stack has what it joins."""
        changes = [
            change
            for condition, change in self.block.when.items()
            if _holds(*condition.partition("="), options)
        ]
        return self.laid_over(changes) if changes else self

    @cached_property
    def supported(self) -> Supported:
        """The versions that it supports."""
        return Supported(self.block.oldest, self.block.tag, self.block.needs)

    @cached_property
    def facts(self) -> KindFacts:
        """The facts that the manifest's rules check against."""
        part = self.block.part
        services = self.file.services.values()
        return KindFacts(
            name=self.name,
            image=self.file.services[self.name].image,
            options={name: _type(default) for name, default in self.block.options.items()},
            attributes=kindrules.attributes(self.name, self.file) - {"name", "NAME", "image"},
            part=part.option if part else None,
            dots=bool(part and part.dots),
            ports=frozenset(port.name for service in services for port in service.ports if not port.outside),
            services=tuple(self.file.services),
            uses=tuple(self.block.uses),
            volumes=frozenset(volume.source for service in services for volume in service.volumes),
            stores=frozenset(
                name
                for name, service in self.file.services.items()
                if service.volumes and service.once is None
            ),
            files=frozenset(
                option.removeprefix("${").removesuffix("}")
                for service in services
                for option in service.files.values()
            ),
            targets=frozenset(_targets(self.file.services[self.name])),
            gateway=self.block.gateway is not None,
            takes=frozenset(self.block.takes),
            joins=tuple(self.block.joins),
            supported=self.supported,
        )


class Recall(Protocol):
    """Returns what `make` does, or what it did for the same inputs before."""

    def __call__(self, *inputs: str, make: Callable[[], Kind]) -> Kind:
        """The inputs cover all that the value depends on."""
        ...


def _make(*inputs: str, make: Callable[[], Kind]) -> Kind:
    return make()


class Catalogue(Mapping[str, Kind]):
    """Kinds by name, or by another word for them; a kind's file is parsed on first access, or recalled.

    `files`: name -> the path of its file, for display, of the project's own kinds. A word of theirs wins over
    one of ours, and a name over a word.
    """

    def __init__(
        self, texts: Mapping[str, str], files: Mapping[str, str] | None = None, *, recall: Recall = _make
    ) -> None:
        self._texts, self._files, self._recall = texts, files or {}, recall
        self._kinds: dict[str, Kind] = {}
        self._reading: list[str] = []
        self._words: dict[str, str] = {}

    def __getitem__(self, name: str) -> Kind:
        """The kind. Raises `ManifestInvalid` with every problem of its file."""
        if name not in self._kinds:
            if name in self._texts:
                self._kinds[name] = self._read(name, self._texts[name])
            elif kind := self._named(name):
                self._kinds[name] = self[kind].called(name)
            else:
                raise KeyError(name)
        return self._kinds[name]

    def mentions(self, name: str, word: str) -> bool:
        """Whether a word stands in the text of a kind's file, which is not parsed for that."""
        return word in self._texts[name]

    def words(self) -> Collection[str]:
        """The kinds' names, and all other words for them."""
        others = (_words_in(text) for text in self._texts.values() if "also:" in text)
        return [*self._texts, *chain.from_iterable(others)]

    def instead_of(self, word: str) -> str:
        """Why there is no kind of this name, and what does its work; "" where no kind's file says so."""
        files = (name for name, text in self._texts.items() if "instead_of:" in text and word in text)
        return next(
            (self[name].block.instead_of[word] for name in files if word in self[name].block.instead_of), ""
        )

    def _named(self, word: str) -> str:
        """The kind that has this other word, "" if none has."""
        if word not in self._words:
            kinds = self._with_word(word)
            own = [name for name in kinds if name in self._files]
            self._words[word] = next(iter(own or kinds), "")
        return self._words[word]

    def _with_word(self, word: str) -> list[str]:
        """The kinds that have this other word; most files are only searched, since reading takes time."""
        return [
            name
            for name, text in self._texts.items()
            if word and "also:" in text and word in text and word in _words_in(text)
        ]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._texts))

    def __len__(self) -> int:
        return len(self._texts)

    def __contains__(self, name: object) -> bool:
        return name in self._texts or (isinstance(name, str) and bool(self._named(name)))

    def _read(self, name: str, text: str) -> Kind:
        document = cache(partial(source.read, text, file=self._files.get(name, f"compose/{name}.yaml")))
        kind = self._recall("kind", name, text, make=lambda: _kind(name, document()))
        self._reading.append(name)
        try:
            findings = [*self._uses(kind), *self._words_of(kind)]
            problems = [document().problem(*finding) for finding in findings]
        finally:
            self._reading.pop()
        if problems:
            raise ManifestInvalid(problems)
        return kind

    def _words_of(self, kind: Kind) -> Iterator[Finding]:
        """Findings about words that something else is called by."""
        for word in kind.block.also:
            path: Path = ("x-devenv", "also", word)
            if word in self._texts:
                if word not in self._files or kind.name in self._files:
                    yield path, f"{word} is a kind of its own", f"call this file {word}.yaml to replace it"
                continue
            for other in self._with_word(word):
                if other != kind.name and (other in self._files) == (kind.name in self._files):
                    where = self._files.get(other, f"compose/{other}.yaml")
                    yield path, f"{word} is another word for {other} already, in {where}", "remove one"

    def _uses(self, kind: Kind) -> Iterator[Finding]:
        """Findings about the kinds that this kind uses."""
        attributes: dict[str, frozenset[str]] = {}
        for index, use in enumerate(kind.block.uses):
            path: Path = ("x-devenv", "uses", index)
            used, slash, _ = use.partition("/")
            if used not in self:
                yield path, f'no infra kind "{used}"', did_you_mean(used, self.words())
            elif used in self._reading:
                trail = [*self._reading[self._reading.index(used) :], used]
                yield path, f"a cycle: {' -> '.join(trail)}", "remove one of them"
            else:
                facts = self[used].facts
                attributes[used] = facts.attributes
                if slash and facts.part is None:
                    yield path, f'"{used}" has no parts', f'write "{used}"'
        for index, joined in enumerate(kind.block.joins):
            if joined in TAKEN:
                continue  # whichever takes it: all that do have a URL
            if joined not in self:
                hint = did_you_mean(joined, [*self.words(), *TAKEN])
                yield ("x-devenv", "joins", index), f'no infra kind "{joined}"', hint
            else:
                attributes[joined] = self[joined].facts.attributes
        for path, _, inside in _references(kind) if attributes else ():
            used, _, attribute = inside.partition(".")
            if used in attributes and attribute not in attributes[used]:
                hint = did_you_mean(attribute, attributes[used])
                yield path, f'${{{inside}}}: {used} has no "{attribute}"', hint


class Facts(Kinds):
    """The facts of each kind, for the manifest's rules."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def gateways(self) -> Iterator[str]:
        """Names of those that serve routes; only files that speak of a gateway are parsed."""
        return (name for name in self if self._catalogue.mentions(name, "gateway:") and self[name].gateway)

    def takers(self, what: str) -> Iterator[str]:
        """Names of those that take this of a whole stack; only files that speak of taking are parsed."""
        return (
            name for name in self if self._catalogue.mentions(name, "takes:") and what in self[name].takes
        )

    def instead_of(self, word: str) -> str:
        """Why there is no kind of this name; only files that speak of it are parsed."""
        return self._catalogue.instead_of(word)

    def words(self) -> Collection[str]:
        """All words for them; files that have others are read for that."""
        return self._catalogue.words()

    def __getitem__(self, name: str) -> KindFacts:
        return self._catalogue[name].facts

    def __iter__(self) -> Iterator[str]:
        return iter(self._catalogue)

    def __len__(self) -> int:
        return len(self._catalogue)

    def __contains__(self, name: object) -> bool:
        return name in self._catalogue


def _references(kind: Kind) -> Iterator[tuple[Path, str, str]]:
    """Every reference in a kind's file, and in what is laid over it where the stack has what it joins."""
    yield from kindrules.references(kind.file)
    for joined in kind.block.joins:
        for path, whole, inside in kindrules.references(kind.with_options({joined: joined}).file):
            if inside.partition(".")[0] == joined:
                yield ("x-devenv", "when", joined, *path), whole, inside


def _holds(option: str, sign: str, value: str, options: Mapping[str, str]) -> bool:
    """Whether an option is set; with a sign, to this value."""
    return options.get(option, "") == value if sign else bool(options.get(option))


def _targets(service: Service) -> Iterator[str]:
    yield from (volume.target for volume in service.volumes)
    yield from (config.target for config in service.configs)
    yield from service.files


@cache
def _words_in(text: str) -> Collection[str]:
    """The other words in a kind's file, which may have other problems."""
    try:
        block = source.read(text, file="").value["x-devenv"]
        return Block.model_validate({"about": "", "also": block["also"]}).also
    except (ManifestInvalid, ValidationError, KeyError, TypeError):
        return ()


def _type(default: Option) -> Literal["text", "flag", "list", "secret"]:
    match default:
        case "true" | "false":
            return "flag"
        case list():
            return "list"
        case GeneratedSecret():
            return "secret"
    return "text"


def _kind(name: str, document: Source) -> Kind:
    """The kind that a file describes. Raises `ManifestInvalid` with all its problems."""
    raw = document.value
    if not isinstance(raw, dict) or not isinstance(raw.get("x-devenv"), dict):
        message = "the file is empty" if raw is None else "is no kind: it has no x-devenv block"
        raise ManifestInvalid([document.problem((), message, "compare it with compose/valkey.yaml")])
    raw = {key: value for key, value in raw.items() if key == "x-devenv" or not key.startswith("x-")}
    try:
        file = KindFile.model_validate(raw)
    except ValidationError as error:
        raise ManifestInvalid([*problems_of(document, error.errors(), KindFile)]) from None
    kind = Kind(name, file, raw)
    findings = [*kindrules.check(name, file), *kindrules.may_be_missing(file, "")]
    problems = [document.problem(*finding) for finding in findings]
    problems = problems or [*_problems_of_variants(kind, document)]
    if problems:
        raise ManifestInvalid(problems)
    return kind


def _problems_of_variants(kind: Kind, document: Source) -> Iterator[Problem]:
    """Problems of the file with the changes for each version, and for each option that is set, merged in."""
    changes: list[tuple[Path, Mapping[str, Any], str]] = [
        *(
            (("x-devenv", "versions", key), {"services": each.services}, "")
            for key, each in kind.block.versions.items()
        ),
        *((("x-devenv", "when", key), change, key) for key, change in kind.block.when.items()),
    ]
    for where, change, there in changes:
        try:
            file = kind.laid_over([change]).file
        except ValidationError as error:
            details = [{**detail, "loc": (*where, *detail["loc"])} for detail in error.errors()]
            yield from problems_of(document, details, KindFile)  # type: ignore[arg-type]
        else:
            for path, message, hint in (
                *kindrules.check(kind.name, file),
                *kindrules.may_be_missing(file, there),
            ):
                yield document.problem((*where, *path), message, hint)
