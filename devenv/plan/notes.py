"""Notes beside a plan, a line each: ports and namespaces that moved, files that changed."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from devenv.errors import DevenvError
from devenv.plan.model import Observed, ObservedUnit
from devenv.plan.namespace import former_place
from devenv.stack.fingerprints import outdated
from devenv.stack.model import Build, Stack, Unit
from devenv.stack.ports import Claim, Conflict, Key
from devenv.stack.reloading.rules import Unmatched
from devenv.stack.world import BuildKey, Outline, Path

Contents = Mapping[str, str]
"""Path -> digest of every file that goes into an image."""
APART = 2  # ports of one owner that have a line each


def moved_ports(
    claims: Sequence[Claim],
    ports: Mapping[Key, int],
    taken: Mapping[int, str],
    current: Mapping[Key, tuple[int, int]],
) -> Iterator[str]:
    """A line for each port that moves now, or one for many that one program holds, as another checkout does.

    Ports that moved in an earlier `up` were reported by that one.
    """
    moved: dict[str, list[Claim]] = {}
    for claim in claims:
        wanted = claim.wanted
        host = ports.get(claim.key, wanted)
        if wanted in taken and host != wanted and current.get(claim.key) != (wanted, host):
            moved.setdefault(taken[wanted].partition(" of ")[2] or taken[wanted], []).append(claim)
    for owner, group in moved.items():
        if len(group) > APART:
            wanted_ports = list(dict.fromkeys(str(claim.wanted) for claim in group))
            units = ", ".join(dict.fromkeys(claim.unit for claim in group))
            are = "are" if len(wanted_ports) > 1 else "is"
            yield f"{', '.join(wanted_ports)} {are} taken by {owner}: other ports lead to {units}"
        else:
            for wanted, same in groupby(group, key=lambda claim: claim.wanted or 0):
                where = ", ".join(f"{claim.unit} is on {ports[claim.key]}" for claim in same)
                yield f"{wanted} is taken by {taken[wanted]}: {where}"


def refused_port(conflict: Conflict) -> str:
    """What `plan` prints for a port that `up` would refuse."""
    wanted = conflict.claim.wanted
    return f"{wanted} is taken by {conflict.owner}: {conflict.claim.unit} publishes it, and up would refuse"


def ports_taken(conflicts: Sequence[Conflict], shown: str) -> DevenvError:
    """The error for published ports that other programs hold; `shown` names the manifest."""
    lines = [f"{conflict.claim.wanted} is taken by {conflict.owner}" for conflict in conflicts]
    units = ", ".join(f"{conflict.claim.unit} publishes {conflict.claim.wanted}" for conflict in conflicts)
    return DevenvError(
        "port " + "; port ".join(lines),
        where=f"{shown}: {units}",
        why="checked before anything was created; nothing was changed",
        hint="devenv up --remap-ports   picks free ports, the same each time",
    )


def moved_namespace(outline: Outline, observed: Observed, namespace: str) -> Iterator[str]:
    """A line if another checkout has the namespace named after the stack."""
    if namespace not in (observed.namespace, outline.namespace, outline.name):
        yield f"another checkout has the namespace {outline.name}: this one is in {namespace}"


def only_for_new_data(stack: Stack, observed: Observed, fingerprints: Mapping[str, str]) -> Iterator[str]:
    """A line for each store with data whose changed options apply only to new data."""
    for unit in stack.units:
        current = observed.units.get(unit.name)
        if unit.data is None or current is None or former_place(stack, observed, current):
            continue
        if current.state == "created" or current.half_made:
            continue
        later = dict(unit.data.later)
        changed = outdated(current.fingerprint, fingerprints[unit.name])
        if fixed := [name for name in changed if name not in later]:
            names, single = " and ".join(fixed), len(fixed) == 1
            yield (
                f"{unit.name} has data: {names} {'counts' if single else 'count'} only for new data; "
                f"set {'it' if single else 'them'} back, or make all data anew: devenv down --volumes"
            )


def said_in_vain(stack: Stack) -> list[str]:
    """A line for each word on how to run a store that something else runs."""
    return [
        f"infra.{external.name}.{key} does nothing: something else runs {external.name}"
        for external in stack.externals
        for key in external.ignored
    ]


def one_of_many(stack: Stack) -> list[str]:
    """A line for each service of which one runs here, and several on a cluster."""
    return [
        f"one {unit.name} runs here; its replicas: {unit.replicas} count on a cluster"
        for unit in stack.units
        if unit.replicas > 1
    ]


def data_left(stack: Stack, observed: Observed) -> Iterator[str]:
    """Where data stays whose unit goes, has no volume any more, or is of a stack with another name now."""
    for name, current in observed.units.items():
        place = former_place(stack, observed, current)
        yield from _no_longer_its_own(name, stack, current)
        if current.volumes and (name not in stack or place or not stack.unit(name).volumes):
            yield (
                f"the data of {name}{f' in {place}' if place and name in stack else ''} stays in "
                f"{' and '.join(current.volumes)}; devenv down --volumes removes it with all other"
            )


def _no_longer_its_own(name: str, stack: Stack, current: ObservedUnit) -> Iterator[str]:
    """Volumes of a unit in whose place there is a shared one now, which is another."""
    for volume in stack.unit(name).shared_volumes if name in stack else ():
        own = f"{name}-{volume.name}"
        if left := [each for each in current.volumes if each.endswith((f"_{own}", f"{own}-{name}-0"))]:
            now = f"{volume.name} is a volume of its own now"
            yield f"{now}; what {name} had under that name stays in {left[0]}"


def secret_arguments(stack: Stack) -> list[tuple[Path, str]]:
    """Place and message of every build argument with a secret in it, once per build."""
    builds: dict[Build, Unit] = {}
    for unit in sorted(stack.units, key=lambda unit: unit.role == "job"):  # it may only be `like` a service
        if unit.build is not None:
            builds.setdefault(unit.build, unit)
    return [
        (
            ("jobs" if unit.role == "job" else "services", unit.name, "build", "args", key),
            "the secret stays in the history of the image, for everybody who gets it",
        )
        for build, unit in builds.items()
        for key, value in build.args
        if not isinstance(value, str)
    ]


NEEDLESS = re.compile(r"(?:.*?/)??(node_modules|bower_components|\.venv|venv|site-packages|\.git)/")
"""A folder that a build makes for itself or that no image needs, from the start of a path."""
MANY = 1000  # files of such a folder from which on they are worth a note


def hidden_by_volumes(unit: Unit, copied: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A line about each volume that covers what the build copies, in a cluster, where a volume begins empty.

    `copied`: what copies, for people, and where to.
    """
    places = [(shown, target, f"{target.rstrip('/')}/") for shown, target in copied]
    for volume in unit.volumes:
        below = f"{volume.target.rstrip('/')}/"
        if place := next((place for place in places if place[2].startswith(below)), None):
            yield (
                f"{unit.name}: the volume {volume.name} hides what {place[0]} puts at {place[1]}: "
                "Compose fills a new volume with that, a cluster never does; leave the volume out, "
                "and copy the files into each image that needs them"
            )


def large_contexts(contents: Mapping[BuildKey, Contents]) -> Iterator[str]:
    """A line for each build that is sent a large folder that it hardly needs."""
    for (context, dockerfile), files in contents.items():
        counts = _needless(files) if len(files) >= MANY else Counter[tuple[str, str]]()
        for name in sorted({name for name, _ in counts}):
            folders = [folder for other, folder in counts if other == name]
            number = sum(counts[name, folder] for folder in folders)
            if number >= MANY:
                folder = folders[0] if len(folders) == 1 else f"**/{name}"
                own = f"{dockerfile}.dockerignore"
                ignore = posixpath.normpath(posixpath.join(context, own if own in files else ".dockerignore"))
                yield (
                    f"{folder} has {number} of the {len(files)} files that are sent to build {context}; "
                    f"leave it out: echo '{folder}' >> {ignore}"
                )


def _needless(files: Contents) -> Counter[tuple[str, str]]:
    """Name and path of each needless folder, and how many files are in it."""
    counts: Counter[tuple[str, str]] = Counter()
    for folder, number in Counter(path.rpartition("/")[0] for path in files).items():
        if match := NEEDLESS.match(f"{folder}/"):
            counts[match[1], match[0].rstrip("/")] += number
    return counts


def changed_files(
    stack: Stack, before: Mapping[str, Contents], now: Mapping[BuildKey, Contents]
) -> dict[str, str]:
    """Image -> which files changed since the last build, if that build is on record."""
    causes = {}
    for unit in stack.units:
        if unit.build is None:
            continue
        contents = now[unit.build.context, unit.build.dockerfile]
        last = before.get(build_key(unit.build), contents)
        names = sorted(name for name in contents.keys() | last if contents.get(name) != last.get(name))
        if names:
            more = f" and {len(names) - 2} more" if len(names) > 2 else ""
            causes[unit.image] = f"sources changed: {', '.join(names[:2])}{more}"
    return causes


def build_key(build: Build) -> str:
    """A build's context and Dockerfile as one string."""
    return f"{build.context}:{build.dockerfile}"


def unmatched_patterns(patterns: Mapping[str, Iterable[Unmatched]]) -> Iterator[str]:
    """A line for each rule of hot reload that matches no file; an `ignore` may be for files to come."""
    for unit, rules in patterns.items():
        for rule, pattern, instead in rules:
            if rule != "reload.ignore" or instead:
                hint = f'; "{instead}" does, as patterns start at the top of the project' if instead else ""
                yield f'{unit}: {rule} "{pattern}" matches no file{hint}'


def unknown_images(stack: Stack, declared: Collection[str]) -> list[str]:
    """A line about what is assumed of the images that could not be asked."""
    own = [unit.name for unit in stack.units if unit.role in ("service", "job") and not unit.hosted]
    names = [name for name in own if stack.unit(name).image not in declared]
    if not names:
        return []
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return [
        f"images that are not here cannot be asked ({listed}): taken to run as root, with a shell, and"
        " without ENTRYPOINT and HEALTHCHECK"
    ]
