"""The sources of the units that reload: where they belong in containers, and what images brought of them."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.gitignore import GitIgnored
from devenv.stack import text
from devenv.stack.builds import digest_of
from devenv.stack.copies import image as image_of
from devenv.stack.dockerfile import base_image, has_shell, words
from devenv.stack.reloading.decisions import base as fixed
from devenv.stack.reloading.decisions import synced, targets_of
from devenv.stack.reloading.rules import (
    Rules,
    Source,
    Unmatched,
    infer,
    joined,
    of_process,
    unmatched,
    with_manifest,
)
from devenv.stack.reloading.ruletable import rows
from devenv.writing import write_whole

if TYPE_CHECKING:
    from devenv.memory import Memory
    from devenv.sources import Sources
    from devenv.sources.digests import Digests
    from devenv.sources.folder import Folder
    from devenv.stack.model import Build, Stack, Unit
    from devenv.stack.world import BuildKey

CONTENTS = Path("cache/contents")
KEEP = 64  # images whose contents are on record
EITHER = "?"  # for a digest: the file changed while the image was built

Held = Mapping[str, Source]
"""Path in a container -> the file there, and where in the project it came from."""

BUILT = "only a build brings its files into the image"
"""Why nothing is sent to a service whose Dockerfile does something with all that it copies."""


@dataclass(frozen=True)
class Synced:
    """The rules of a stack's units, with the files they are about.

    `state` is the project's `.devenv`. `unruled`: service -> why nothing can be sent to it; `builds` are the
    rules of those of them whose changes build.
    """

    state: Path = Path()
    rules: Mapping[str, Rules] = field(default_factory=dict)
    unruled: Mapping[str, str] = field(default_factory=dict)
    builds: Mapping[str, Rules] = field(default_factory=dict)
    folders: Mapping[BuildKey, Folder] = field(default_factory=dict)
    contents: Mapping[BuildKey, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, ruled: Mapping[str, Rules | str], state: Path, read: Sources) -> Synced:
        """Of the rules of a stack's services, or why they have none."""
        rules = {name: own for name, own in ruled.items() if not isinstance(own, str)}
        return cls(
            state,
            {name: own for name, own in rules.items() if not own.unsent},
            {name: why for name, own in ruled.items() if (why := _unsent(own))},
            {name: own for name, own in rules.items() if own.unsent},
            read.folders,
            read.contents,
        )

    @property
    def followed(self) -> Mapping[str, Rules]:
        """The rules of all services of which a changed file causes something."""
        return {**self.rules, **self.builds}

    def marked(self, stack: Stack) -> Stack:
        """The stack with its units told whether they reload, and start with what is sent to them."""

        def mark(unit: Unit) -> Unit:
            if unit.name not in self.rules:
                return unit
            return replace(unit, reloads=True, sourceless=self.sourceless(unit))

        return replace(stack, units=tuple(map(mark, stack.units)))

    def keys(self, unit: Unit) -> list[BuildKey]:
        """The folders that a unit's files come from: its build context, and what is only synced."""
        own = [unit.build.key] if unit.build else []
        rules = self.rules.get(unit.name)
        trees = [(sync.folder, "") for sync in rules.sync] if rules else []
        return own + [key for key in trees if key in self.folders]

    def wanted(self, unit: Unit) -> dict[str, Source]:
        """Path in the unit's containers -> the file of the project that belongs there."""
        files = dict[str, Source]()
        if rules := self.rules.get(unit.name):
            for key in self.keys(unit):
                files |= synced(rules, key[0], self.contents[key])
        return files

    def unmatched(self, unit: Unit) -> list[Unmatched]:
        """The patterns of the unit's `reload:` that match none of its files."""
        files = [joined(key[0], path) for key in self.keys(unit) for path in self.contents[key]]
        return list(unmatched(self.rules[unit.name], files))

    def held(self, unit: Unit, image: str) -> Held | None:
        """What an image of the unit brought; None where that is not on record."""
        if unit.build is None:
            return {}
        contents = self.recorded(unit, image)
        return None if contents is None else self._brought(unit, contents)

    def recorded(self, unit: Unit, image: str) -> Mapping[str, str] | None:
        """The digests of the build context that an image was made from; None where they are not on record."""
        if unit.build is None:
            return {}
        with suppress(OSError, ValueError):
            contents = json.loads(self._record(image).read_text(encoding="utf-8"))
            return contents if isinstance(contents, dict) else None
        return self._contents(unit) if image.endswith(f":{unit.build.digest}") else None

    def _brought(self, unit: Unit, contents: Mapping[str, str]) -> Held:
        """The files that its Dockerfile copies, of those that a change sends there.

        What the manifest's `sync` leaves out or sends elsewhere is the image's alone.
        """
        assert unit.build is not None
        rules = self.rules[unit.name]
        files = synced(replace(rules, sync=()), unit.build.context, contents)
        if not rules.sync:
            return files
        return {
            target: source for target, source in files.items() if target in targets_of(rules, source.path)
        }

    def sourceless(self, unit: Unit) -> bool:
        """Whether a unit's image lacks files that its containers need: mounted ones, in a Compose file."""
        if not self.rules[unit.name].sync:
            return False
        brought = self._brought(unit, self.contents[unit.build.key]) if unit.build else {}
        return not self.wanted(unit).keys() <= brought.keys()

    def remember(self, units: Iterable[Unit], built: Collection[str], cache: Digests) -> None:
        """Record what the images brought that these units were started from."""
        made = {unit.image for unit in units if unit.name in built}
        for unit in units:
            if unit.build is None or unit.name not in self.rules:
                continue
            file = self._record(unit.image)
            with suppress(OSError):
                if unit.image not in made and file.exists():
                    os.utime(file)  # it knows more: what changed while the image was built
                    continue
                contents = self._made_of(unit, cache) if unit.image in made else self._contents(unit)
                if contents is None:
                    file.unlink(missing_ok=True)
                    continue
                file.parent.mkdir(parents=True, exist_ok=True)
                write_whole(file, json.dumps(contents), mode=0o644)
        self._forget()

    def _made_of(self, unit: Unit, cache: Digests) -> Mapping[str, str] | None:
        """What the new image of a unit was made from. It may hold either of what changed since that was read.

        None where what only a build brings is among it.
        """
        assert unit.build is not None
        before, now = self._contents(unit), self.folders[unit.build.key].contents(cache)
        changed = {path for path in before.keys() | now if before.get(path) != now.get(path)}
        either = dict.fromkeys(changed, EITHER)
        return None if fixed(self.rules[unit.name], unit.build.context, either) else {**before, **either}

    def _contents(self, unit: Unit) -> Mapping[str, str]:
        assert unit.build is not None
        return self.contents[unit.build.key]

    def _forget(self) -> None:
        with suppress(OSError):
            records = sorted((self.state / CONTENTS).iterdir(), key=lambda file: file.stat().st_mtime)
            for file in records[:-KEEP]:
                file.unlink(missing_ok=True)

    def _record(self, image: str) -> Path:
        return self.state / CONTENTS / f"{image.rpartition(':')[2]}.json"


def _unsent(own: Rules | str) -> str:
    if isinstance(own, str):
        return own
    return "" if own.plain else own.unsent


def rules_of(
    stack: Stack, root: Path, read: Sources, memory: Memory, *, plain: bool = False
) -> dict[str, Rules | str]:
    """The rules of each service, as its Dockerfile or `reload:` says, or why a change causes nothing.

    `plain`: they run as processes of this machine.
    """
    untracked = GitIgnored(root)
    services = {
        unit.name: _rules_of_process(unit, read) if plain else _rules(unit, read, memory)
        for unit in stack.units
        if unit.role == "service"
    }
    return {
        name: rules if isinstance(rules, str) else replace(rules, untracked=untracked)
        for name, rules in services.items()
    }


def _rules(unit: Unit, read: Sources, memory: Memory) -> Rules | str:
    build = unit.build if unit.build and not unit.build.remote else None
    if not build and not unit.reload:
        why = "its build is of a repository" if unit.build else "it has no build"
        return f"{why}, and no reload: says what to send"
    key = build.key if build else ("", "")
    dockerfile = read.recipes[key].dockerfile if build else ""
    scripts, linked = read.scripts.get(key), sorted(read.linked.get(key, ()))
    inputs = (
        dockerfile,
        scripts,
        linked,
        unit.build,
        unit.image,
        unit.entrypoint,
        unit.command,
        unit.env,
        unit.reload,
    )
    rules = memory.recall(
        "rules", repr(inputs), make=lambda: _inferred(unit, build, dockerfile, scripts, linked)
    )
    if isinstance(rules, str) or not build:
        return rules
    return replace(rules, ignored=read.folders[key].excludes)


def _rules_of_process(unit: Unit, read: Sources) -> Rules | str:
    if unit.build is None or unit.build.remote:
        why = "its build is of a repository" if unit.build else "it has no build"
        return f"{why}, so nothing says which files are its own"
    key = unit.build.key
    host = words(text.masked(unit.host)) if unit.host is not None else None
    image = image_of(read.recipes[key].dockerfile, unit.build.target, _open(unit.build.args))
    own = [*(_words(unit.entrypoint) or image.entrypoint), *(_words(unit.command) or image.command)]
    rules = of_process(unit.build.context, host or own, unit.reload, read.scripts.get(key))
    return replace(rules, ignored=read.folders[key].excludes)


def _inferred(
    unit: Unit,
    build: Build | None,
    dockerfile: str,
    scripts: Mapping[str, str] | None,
    linked: Collection[str],
) -> Rules | str:
    shell = has_shell(base_image(dockerfile, build.target, _open(build.args)) if build else unit.image)
    rules = infer(
        dockerfile,
        context=build.context if build else None,
        target=build.target if build else None,
        args=_open(build.args) if build else None,
        entrypoint=_words(unit.entrypoint),
        command=_words(unit.command),
        environment=_open(unit.env),
        workdir=unit.workdir,
        scripts=scripts,
        linked=linked,
        name=build.dockerfile if build else "Dockerfile",
    )
    if unit.reload is not None:
        rules = with_manifest(rules, unit.reload)
    if not shell:
        unsent = "its image has no shell, which sending files needs"
    elif any(row.target for row in rows(rules)):
        return rules
    else:
        unsent = rules.opaque or BUILT
    return replace(rules, unsent=unsent) if build else unsent


def _open(values: Iterable[tuple[str, text.Text]]) -> dict[str, str]:
    """Those that hold no secret."""
    return {name: value for name, value in values if isinstance(value, str)}


def _words(words: tuple[text.Text, ...] | None) -> list[str] | None:
    return None if words is None else list(map(text.masked, words))


def bases(stack: Stack, rules: Mapping[str, Rules], read: Sources, memory: Memory) -> dict[str, str]:
    """Unit -> a digest of those of its sources that a build alone brings."""
    return {
        unit.name: memory.recall(
            "base",
            repr(replace(rules[unit.name], ignored=None, untracked=None)),
            read.builds[unit.build.key],
            make=lambda unit=unit: digest_of(  # type: ignore[misc]
                fixed(rules[unit.name], unit.build.context, read.contents[unit.build.key])
            ),
        )
        for unit in stack.units
        if unit.build is not None and unit.name in rules
    }
