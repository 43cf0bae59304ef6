"""What a promotion changes in a cluster, and whether it may: values in, values out."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from devenv.errors import DevenvError

Object = Mapping[str, Any]
T = TypeVar("T", bound=Mapping[str, Any])

PENDING = ("pending-install", "pending-upgrade", "pending-rollback")
SERVED = ("deployed", "superseded")
OWNER = "devenv.dev/stack"
"""The chart's annotation with the name of its stack: a release without it is not devenv's."""
HOOK = "helm.sh/hook"
"""The annotation of an object that Helm makes anew before or after a release."""

MADE_OF = "devenv.dev/made-of"
"""The annotation of a job that ran along with a release, which later releases have as it was."""

READS = "devenv.dev/reads"
"""The annotation of an object for which an operator reads Secrets: JSON of their names and keys."""

CONTEXT = 3  # lines around a change
MASK = "******"


@dataclass(frozen=True, slots=True)
class Target:
    """An environment of the manifest: where its release lives."""

    environment: str
    context: str
    namespace: str
    release: str

    @property
    def where(self) -> str:
        """For people."""
        return f"context {self.context}, namespace {self.namespace}"

    @property
    def kubectl(self) -> str:
        """How a command begins that people type about it: never about another cluster's namespace."""
        return f"kubectl --context {self.context} -n {self.namespace}"

    @property
    def helm(self) -> str:
        """The same for Helm."""
        return f"helm --kube-context {self.context} -n {self.namespace}"


@dataclass(frozen=True, slots=True)
class Revision:
    """A row of a release's history. `moment` is RFC 3339, in UTC."""

    number: int
    status: str
    moment: str
    chart: str
    description: str = ""

    @property
    def when(self) -> str:
        """Its moment, for people; one that Helm wrote in another way stays as it is."""
        day, t, time = self.moment.partition("T")
        return f"{day} {time.removesuffix('Z')} UTC" if t and time.endswith("Z") else self.moment


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a revision came from; kept in its description, for `history` and for people with Helm alone."""

    commit: str = ""
    manifest: str = ""
    who: str = ""

    def __str__(self) -> str:
        words = [
            f"commit {self.commit}" if self.commit else "",
            f"manifest {self.manifest}",
            f"by {self.who}",
        ]
        return "devenv: " + ", ".join(word for word in words if not word.endswith(" "))

    @classmethod
    def read(cls, description: str) -> Origin:
        """What a description says; nothing where devenv did not write it."""
        if not description.startswith("devenv: "):
            return cls()
        words = dict(
            part.split(" ", 1) for part in description.removeprefix("devenv: ").split(", ") if " " in part
        )
        return cls(words.get("commit", ""), words.get("manifest", ""), words.get("by", ""))


def platforms(nodes: Iterable[Object]) -> list[str]:
    """What the nodes run that take pods, as `linux/amd64`: an image is built for one of them."""
    every = list(nodes)
    usual = [node for node in every if not _is_closed(node.get("spec") or {})]
    infos = [node["status"]["nodeInfo"] for node in usual or every]
    return sorted({f"{info['operatingSystem']}/{info['architecture']}" for info in infos})


def _is_closed(spec: Object) -> bool:
    """Whether a node takes only pods that ask for it, as control planes do."""
    taints = {taint.get("effect") for taint in spec.get("taints") or ()}
    return bool(spec.get("unschedulable") or taints & {"NoSchedule", "NoExecute"})


def deployed(history: Sequence[Revision]) -> Revision | None:
    """The revision that serves now; beside one that is half made, the one that did before."""
    rows = [row for row in history if row.status == "deployed"]
    if half_made(history):  # a Helm that gave up on the way back may have left none
        rows = rows or [row for row in history if row.status == "superseded"]
    return rows[-1] if rows else None


def half_made(history: Sequence[Revision]) -> Revision | None:
    """The latest revision, where it failed and Helm did not go back: some of its objects are there."""
    return history[-1] if history and history[-1].status == "failed" else None


def is_installed(history: Sequence[Revision]) -> bool:
    """Whether Helm upgrades what is there, and does not install."""
    return bool(history) and history[-1].status != "uninstalled"


def pending(history: Sequence[Revision]) -> Revision | None:
    """The revision that somebody began and did not end."""
    return history[-1] if history and history[-1].status in PENDING else None


def require_settled(release: str, history: Sequence[Revision], target: Target, *, heal: str) -> None:
    """Raises `DevenvError` for a release that somebody began to change and did not end; `heal` ends that."""
    if begun := pending(history):
        raise DevenvError(
            f"revision {begun.number} of {release} was begun and not ended ({begun.status})",
            where=f"{target.where}, since {begun.when}",
            why="another promotion is under way, or one was killed",
            hint=f"wait if somebody promotes; else: {heal}",
        )


class Verb(StrEnum):
    """What becomes of an object."""

    ADD, CHANGE, REMOVE = "add", "change", "remove"


@dataclass(frozen=True, slots=True)
class Change:
    """One object of the cluster; `lines` begin with "+", "-" or a space."""

    verb: Verb
    kind: str
    name: str
    lines: tuple[str, ...] = ()


def count(changes: Sequence[Change]) -> str:
    """How many objects are added, changed and removed."""
    words = {Verb.ADD: "to add", Verb.CHANGE: "to change", Verb.REMOVE: "to remove"}
    parts = [
        f"{number} {words[verb]}"
        for verb in Verb
        if (number := sum(change.verb is verb for change in changes))
    ]
    return ", ".join(parts) or "nothing to change"


def changes(before: Iterable[Object], after: Iterable[Object]) -> list[Change]:
    """What differs between two sets of objects, by object. The values of Secrets are masked."""
    old, new = _by_name(before), _by_name(after)
    return list(_changes(old, new))


def as_installed(objects: Iterable[T], serving: Iterable[T]) -> list[T]:
    """The objects of a first install, with the jobs that ran along with what serves."""
    jobs = [item for item in serving if MADE_OF in (item["metadata"].get("annotations") or {})]
    return [*(_by_name(objects) | _by_name(jobs)).values()]


def _changes(
    old: Mapping[tuple[str, str], Object], new: Mapping[tuple[str, str], Object]
) -> Iterator[Change]:
    for key in sorted(old.keys() | new.keys()):
        kind, name = key
        if key not in old:
            yield Change(Verb.ADD, kind, name)
        elif key not in new:
            yield Change(Verb.REMOVE, kind, name)
        elif lines := tuple(_differing(old[key], new[key])):
            yield Change(Verb.CHANGE, kind, name, lines)


def _by_name(objects: Iterable[T]) -> dict[tuple[str, str], T]:
    return {(item["kind"], item["metadata"]["name"]): item for item in objects if item}


def _differing(old: Object, new: Object) -> Iterator[str]:
    if old["kind"] == "Secret":
        old, new = _masked(old), _masked(new, old)
    lines = difflib.unified_diff(_lines(old), _lines(new), lineterm="", n=CONTEXT)
    for line in list(lines)[2:]:
        yield line if not line.startswith("@@") else "..."


def _masked(secret: Object, before: Object | None = None) -> Object:
    """Without its values; one that is not as before says so."""
    masked = dict(secret)
    for field in ("data", "stringData"):
        earlier = (before or secret).get(field) or {}
        masked[field] = {
            key: MASK if key not in earlier or earlier[key] == value else f"{MASK} (another)"
            for key, value in (secret.get(field) or {}).items()
        }
    return masked


def _lines(item: Object) -> list[str]:
    """An object as indented lines `key: value`, keys in order."""
    return list(_written(item, 0))


def _written(value: Any, depth: int) -> Iterator[str]:
    """As YAML is usually written: the first line of a part of a list stands behind its hyphen."""
    space = "  " * depth
    if isinstance(value, Mapping):
        for key, inner in sorted(value.items()):
            if isinstance(inner, Mapping | list) and inner:
                yield f"{space}{key}:"
                yield from _written(inner, depth + 1)
            else:
                first, *more = _scalar(inner)
                yield f"{space}{key}: {first}"
                yield from (f"{space}  {line}" for line in more)
        return
    for inner in value:
        if isinstance(inner, Mapping | list) and inner:
            first, *more = _written(inner, depth + 1)
        else:
            first, *lines = _scalar(inner)
            more = [f"{space}  {line}" for line in lines]
        yield f"{space}- {first.lstrip()}"
        yield from more


def _scalar(value: Any) -> list[str]:
    """One line, or for a text of several a bar and its lines."""
    if not isinstance(value, str):
        return [json.dumps(value)]
    return ["|", *value.splitlines()] if "\n" in value else [value]


def secrets_needed(objects: Iterable[Object]) -> dict[str, set[str]]:
    """Secret -> keys that pods read from it, without what is among the objects or made of one of them.

    No key: all of it.
    """
    items = list(objects)
    made = {name: keys for item in items for name, keys in _makes(item)}
    needed: dict[str, set[str]] = {}
    for item in items:
        for name, key in (*_references(item), *_read_for(item)):
            keys = made.get(name, set())
            if keys is not None and (name not in made or (key and key not in keys)):
                needed.setdefault(name, set()).update([key] if key else [])
    return needed


def _makes(item: Object) -> Iterator[tuple[str, set[str] | None]]:
    """The Secret that an object is, or has an operator make, and its keys; None where they are not known."""
    spec = item.get("spec") or {}
    match item["kind"]:
        case "Secret":
            yield item["metadata"]["name"], None
        case "ExternalSecret":
            target = spec.get("target") or {}
            data = (target.get("template") or {}).get("data")
            keys = {*data} if data else {entry["secretKey"] for entry in spec.get("data") or ()}
            yield target.get("name", item["metadata"]["name"]), None if spec.get("dataFrom") else keys
        case "SealedSecret":
            template = spec.get("template") or {}
            keys = {*(spec.get("encryptedData") or ()), *(template.get("data") or ())}
            yield (template.get("metadata") or {}).get("name", item["metadata"]["name"]), keys


def _read_for(item: Object) -> Iterator[tuple[str, str]]:
    """Every Secret that an operator reads for an object, with the key."""
    read = (item["metadata"].get("annotations") or {}).get(READS, "{}")
    yield from ((name, key) for name, keys in json.loads(read).items() for key in keys)


def _references(value: Any) -> Iterator[tuple[str, str]]:
    """Every Secret that an object names, with the key."""
    if isinstance(value, list):
        for inner in value:
            yield from _references(inner)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "secretKeyRef" and not inner.get("optional"):
                yield inner["name"], inner["key"]
            elif key == "secretRef" and not inner.get("optional"):
                yield inner["name"], ""
            elif key == "secret" and isinstance(inner, Mapping) and "secretName" in inner:
                yield inner["secretName"], ""
                yield from ((inner["secretName"], item["key"]) for item in inner.get("items") or ())
            else:
                yield from _references(inner)


def roots(history: Sequence[Revision]) -> dict[int, int]:
    """Revision -> the one whose objects it has: itself, or what was gone back to."""
    root_of: dict[int, int] = {}
    for row in history:
        word, _, number = row.description.rpartition(" ")
        back = word == "Rollback to" and number.isdecimal()
        root_of[row.number] = root_of.get(int(number), int(number)) if back else row.number
    return root_of


def origins(history: Sequence[Revision]) -> dict[int, Origin]:
    """Revision -> where its objects came from."""
    own = {row.number: Origin.read(row.description) for row in history}
    return {number: own.get(root, Origin()) for number, root in roots(history).items()}


def earlier(history: Sequence[Revision]) -> Revision | None:
    """What to go back to: out of what is not whole, to what serves; else to what served other objects."""
    now = deployed(history)
    if now and (pending(history) or half_made(history)):
        return now
    root_of = roots(history)
    others = [
        row
        for row in history
        if row.status == "superseded" and (now is None or root_of[row.number] != root_of[now.number])
    ]
    return others[-1] if others else None
