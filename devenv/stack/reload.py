"""What a changed file of the project causes: rules from a Dockerfile and the manifest, and decisions."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from devenv.stack import copies, patterns, text
from devenv.stack.model import Reload
from devenv.stack.reloaders import Reloader, reloader, starters
from devenv.stack.text import Text

IGNORED = (
    *(".git", ".hg", ".svn", ".jj", ".bzr", ".devenv"),
    *(
        "__pycache__",
        "*.py[cod]",
        ".pytest_cache",
        ".mypy_cache",
        ".ruff_cache",
        ".hypothesis",
        ".tox",
        ".nox",
    ),
    *(".venv", "venv", ".direnv", "*.egg-info", ".eggs", ".ipynb_checkpoints", ".coverage"),
    *("node_modules", "bower_components", ".parcel-cache", ".turbo", ".angular", ".sass-cache", ".gradle"),
    *("*~", ".*.sw?", ".*.sw??", "4913", "*___jb_*", ".#*", "#*#", ".goutputstream-*", ".~lock.*#"),
    *(".idea", ".vscode", ".DS_Store", "Thumbs.db", ".nfs*", ".fuse_hidden*"),
)
"""Files whose changes cause nothing: version control, caches, installed packages, editors' own files."""


class Action(StrEnum):
    """What is done about a change, the cheapest first."""

    NONE = "none"
    SYNC = "sync"
    RUN = "run"
    RESTART = "restart"
    REBUILD = "rebuild"


_COST = {action: cost for cost, action in enumerate(Action)}


@dataclass(frozen=True, slots=True)
class Sync:
    """Files of the project and where they land in the container.

    `source` is a path or glob below `folder`, "." for all of it, "" for files that come from elsewhere. The
    other fields are as in `copies.Copy`; `built` says why only a build brings a change into the image.
    """

    folder: str
    source: str
    target: str
    reason: str
    built: str = ""
    root: str | None = None
    exclude: tuple[str, ...] = ()
    executable: bool = False
    file: bool = True

    @property
    def shown(self) -> str:
        """The source from the top of the project."""
        return posixpath.normpath(posixpath.join(self.folder, self.source or "."))

    def lands(self, path: str) -> str | None:
        """Where a file of the project lands; "" if that is not certain; None if it is not of these."""
        match = _pattern(self.folder, self.source).match(path) if self.source else None
        if match is None:
            return None
        below = match[1] or ""
        name = below or posixpath.basename(path)
        if any(patterns.compiled(f"/{pattern.lstrip('/')}").match(name) for pattern in self.exclude):
            return None
        if not self.target or not (below or self.file):
            return ""
        if self.root is not None:
            top = posixpath.normpath(posixpath.join(self.folder, self.root))
            below = copies.relative(path, top) or name
        elif not below and self.target.endswith("/"):
            below = name
        return posixpath.join(self.target, below) if below else self.target


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one unit. Every path is relative to the project, with "/" between names.

    `copies` are the Dockerfile's, in its order; `sync` is the manifest's, and replaces where they land.
    `recipe`: the Dockerfile and its ignore file. `context` is None for a unit without a build. `opaque` says
    why a build may use any file of the context. `restart` is None where `reloader` decides.
    `untracked`: which of some paths Git ignores.
    """

    context: str | None = None
    copies: tuple[Sync, ...] = ()
    sync: tuple[Sync, ...] = ()
    ignore: tuple[str, ...] = IGNORED
    run: tuple[tuple[str, tuple[Text, ...]], ...] = ()
    restart: bool | tuple[str, ...] | None = None
    rebuild: tuple[str, ...] = ()
    recipe: tuple[str, ...] = ()
    reloader: Reloader | None = None
    command: str = ""
    starters: tuple[str, ...] = ()
    executables: tuple[str, ...] = ()
    opaque: str = ""
    ignored: Callable[[str], bool] | None = None
    untracked: Callable[[Iterable[str]], Set[str]] | None = None


class Source(NamedTuple):
    """A file of the project that a container holds, and its digest; `x` at its end means executable."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The one action for a batch of changes, and why nothing cheaper would do.

    `files` are the changed files to send and `run` the commands after that, both empty for a rebuild.
    """

    action: Action
    files: tuple[str, ...] = ()
    run: tuple[tuple[Text, ...], ...] = ()
    reason: str = ""
    cheaper: str = ""


class Row(NamedTuple):
    """One rule, for display."""

    what: str
    action: Action
    target: str
    reason: str


class _Landing(NamedTuple):
    """Where a file lands; of two files at one target, the one whose rule comes later (`order`) is there."""

    order: int
    sync: Sync
    target: str


class _Verdict(NamedTuple):
    """What one file causes. `run` are places in the rules of that name; `named`: a rule names the file."""

    action: Action
    reason: str
    cheaper: str = ""
    landings: tuple[_Landing, ...] = ()
    run: tuple[int, ...] = ()
    named: bool = False


def infer(
    dockerfile: str,
    *,
    context: str | None,
    target: str | None = None,
    args: Mapping[str, str] | None = None,
    ignored: Callable[[str], bool] | None = None,
    entrypoint: Sequence[str] | None = None,
    command: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    scripts: Mapping[str, str] | None = None,
    name: str = "Dockerfile",
) -> Rules:
    """The rules that a Dockerfile implies; with `context` None there is none, and only a command tells.

    `args`: the build's arguments, without secret ones. `ignored`: whether `.dockerignore` excludes a path of
    the context. `entrypoint`, `command` and `environment` are the manifest's, `scripts` those of
    `package.json`. `name`: the Dockerfile's path in the context.
    """
    image = copies.image(dockerfile, target, args) if context is not None else copies.Image()
    first = tuple(entrypoint if entrypoint is not None else image.entrypoint)
    rest = tuple(command if command is not None else () if entrypoint is not None else image.command)
    top = posixpath.normpath(context or ".")
    recipe = (name, f"{name}.dockerignore", ".dockerignore") if context is not None else ()
    return Rules(
        context=None if context is None else top,
        copies=tuple(_of_copy(copy, top, name) for copy in image.copies),
        recipe=tuple(posixpath.normpath(posixpath.join(top, file)) for file in recipe),
        reloader=reloader(
            (*first, *rest), {**image.environment, **(environment or {})}, base=image.base, scripts=scripts
        ),
        command=_shown(first, rest),
        starters=tuple(
            posixpath.normpath(posixpath.join(image.workdir, path)) for path in starters((*first, *rest))
        ),
        executables=image.executables,
        opaque=image.opaque,
        ignored=ignored,
    )


def with_manifest(rules: Rules, reload: Reload) -> Rules:
    """The rules with the manifest's: they win, and its `sync` replaces the inferred one."""
    return replace(
        rules,
        sync=tuple(
            Sync(posixpath.normpath(source), ".", target, "reload.sync") for source, target in reload.sync
        ),
        ignore=(*rules.ignore, *reload.ignore),
        run=reload.run,
        restart=reload.restart,
        rebuild=reload.rebuild,
    )


class Unmatched(NamedTuple):
    """A pattern of the manifest that matches no file; `instead` may be what it should be, or ""."""

    rule: str
    pattern: str
    instead: str


def unmatched(rules: Rules, paths: Collection[str]) -> Iterator[Unmatched]:
    """The patterns of `reload.` that match none of the files that a unit is made from.

    The usual mistake is one that starts in the service's own folder.
    """
    named = {
        "rebuild": rules.rebuild,
        "run": tuple(pattern for pattern, _ in rules.run),
        "restart": rules.restart if isinstance(rules.restart, tuple) else (),
        "ignore": rules.ignore[len(IGNORED) :],
    }
    for rule, listed in named.items():
        for pattern in listed:
            if not _matches_any(pattern, paths):
                own = pattern.removeprefix("!").removeprefix("./").lstrip("/")
                instead = joined(rules.context or ".", own)
                fits = instead != own and _matches_any(instead, paths)
                yield Unmatched(f"reload.{rule}", pattern, instead if fits else "")


def _matches_any(pattern: str, paths: Iterable[str]) -> bool:
    return any(map(patterns.compiled(pattern.removeprefix("!")).match, paths))


def targets_of(rules: Rules, path: str) -> tuple[str, ...]:
    """The paths in the container that a change of this file is sent to: none, one or several."""
    return tuple(dict.fromkeys(landing.target for landing in _verdict(rules, path).landings))


def lies(rules: Rules, path: str, *, folder: bool) -> str:
    """Where a file or folder of the project is in the container, however it gets there, or ""."""
    for sync in reversed((*rules.copies, *rules.sync)):
        if folder and path == sync.shown and sync.target:
            return sync.target.rstrip("/") or "/"
        if target := sync.lands(path):
            return target
    return ""


def causes(rules: Rules, path: str) -> bool:
    """Whether anything is done when a file changes."""
    return _verdict(rules, path).action is not Action.NONE


def landed(rules: Rules, path: str, digest: str) -> dict[str, Source]:
    """Path in the container -> the file of the project that is sent there, for one file."""
    landings = _verdict(rules, path).landings
    return {landing.target: _moded(rules, landing, Source(path, digest)) for landing in landings}


def base(rules: Rules, folder: str, contents: Mapping[str, str]) -> dict[str, str]:
    """Of the digests of a folder's files, by path in it: those of files that a build alone brings."""
    return {
        path: digest
        for path, digest in contents.items()
        if _verdict(rules, joined(folder, path)).action is Action.REBUILD
    }


def synced(rules: Rules, folder: str, contents: Mapping[str, str]) -> dict[str, Source]:
    """Path in the container -> the file of the folder that is sent there."""
    landings = [
        (landing, Source(path, digest))
        for path, digest in ((joined(folder, path), digest) for path, digest in contents.items())
        for landing in _verdict(rules, path).landings
    ]
    landings.sort(key=lambda pair: pair[0].order)
    return {landing.target: _moded(rules, landing, source) for landing, source in landings}


def emptied(
    rules: Rules, gone: Mapping[str, str], wanted: Mapping[str, Source]
) -> dict[str, tuple[str, ...]]:
    """Source folder of which nothing is left -> those paths in a container that came from it.

    `gone`: path in the container that nothing is wanted at -> where in the project its file was, or "".
    """
    without = {
        sync.shown: sync
        for sync in (*rules.copies, *rules.sync)
        if sync.source and not sync.built and gone and not any(map(sync.lands, _paths(wanted)))
    }
    kept: dict[str, list[str]] = {}
    for target, path in gone.items():
        for shown, sync in without.items():
            if _came_from(sync, target, path):
                kept.setdefault(shown, []).append(target)
                break
    return {shown: tuple(targets) for shown, targets in kept.items()}


def _paths(wanted: Mapping[str, Source]) -> Iterator[str]:
    return (source.path for source in wanted.values())


def _came_from(sync: Sync, target: str, path: str) -> bool:
    """Whether a file of a container may have come from a rule's folder; one that it names may be deleted."""
    if path:
        return path != sync.shown and sync.lands(path) == target
    top = sync.target.rstrip("/")
    return target.startswith(f"{top}/") and target != sync.lands(sync.shown)


def decide(rules: Rules, paths: Iterable[str]) -> Decision:
    """The cheapest action that covers all changed, new and vanished files, taken as one."""
    ordered = sorted(set(paths))
    if not ordered:
        return Decision(Action.NONE, reason="nothing changed")
    verdicts = _tracked(rules, ordered, [_verdict(rules, path) for path in ordered])
    action = max((verdict.action for verdict in verdicts), key=_COST.__getitem__)
    place = next(index for index, verdict in enumerate(verdicts) if verdict.action is action)
    count = sum(verdict.action is action for verdict in verdicts) - 1
    reason = f"{ordered[place]}: {verdicts[place].reason}" + (f" (and {count} more)" if count else "")
    if action is Action.REBUILD:
        return Decision(action, reason=reason, cheaper=verdicts[place].cheaper)
    commands = sorted({index for verdict in verdicts for index in verdict.run})
    return Decision(
        action,
        files=tuple(path for path, verdict in zip(ordered, verdicts, strict=True) if verdict.landings),
        run=tuple(rules.run[index][1] for index in commands),
        reason=reason,
        cheaper=verdicts[place].cheaper,
    )


def _tracked(rules: Rules, paths: Sequence[str], verdicts: list[_Verdict]) -> list[_Verdict]:
    """The verdicts, but for files that Git ignores: by themselves they start nothing, and build nothing.

    Unless a rule, `!` in `reload.ignore` or a COPY names what Git ignores.
    """
    dear = [
        path
        for path, verdict in zip(paths, verdicts, strict=True)
        if verdict.action in (Action.RESTART, Action.REBUILD) and not verdict.named
    ]
    if rules.untracked is None or not dear or not (untracked := rules.untracked(dear)):
        return verdicts
    syncs = (*rules.copies, *rules.sync)
    tops = {sync: (sync.shown, f"{sync.shown}/any") for sync in syncs if sync.source}
    ignored = rules.untracked({path for paths in tops.values() for path in paths})
    named = [sync for sync, paths in tops.items() if not ignored.isdisjoint(paths)]
    quiet = {
        path
        for path in untracked
        if not patterns.negated(rules.ignore, path) and all(sync.lands(path) is None for sync in named)
    }
    return [
        _quiet(verdict) if path in quiet else verdict for path, verdict in zip(paths, verdicts, strict=True)
    ]


def _quiet(verdict: _Verdict) -> _Verdict:
    if verdict.action is Action.REBUILD:
        return _Verdict(Action.NONE, f"Git ignores it, and {verdict.reason}")
    return _Verdict(Action.SYNC, "Git ignores it, so it restarts nothing", "", verdict.landings)


def rows(rules: Rules) -> list[Row]:
    """The rules as a table, the ones that win first."""
    table = [Row(pattern, Action.REBUILD, "", "reload.rebuild") for pattern in rules.rebuild]
    table += [Row(path, Action.REBUILD, "", "it says how the image is built") for path in rules.recipe[:1]]
    table += [
        Row(pattern, Action.RUN, "", text.masked(text.join(" ", command))) for pattern, command in rules.run
    ]
    if isinstance(rules.restart, tuple):
        table += [Row(pattern, Action.RESTART, "", "reload.restart") for pattern in rules.restart]
    if rules.opaque:
        return [
            *table,
            *_sync_rows(rules, rules.sync),
            Row(rules.context or ".", Action.REBUILD, "", rules.opaque),
        ]
    named = {sync.shown for sync in rules.sync}
    inferred = [copy for copy in rules.copies if copy.source and copy.shown not in named]
    built = [copy for copy in inferred if copy.built]
    table += [Row(copy.shown, Action.REBUILD, "", copy.built) for copy in built]
    landing = [
        copy for copy in inferred if not copy.built and not any(_covers(other, copy) for other in built)
    ]
    if rules.sync:
        table += _sync_rows(rules, rules.sync)
        left_out = [copy for copy in landing if not any(_covers(sync, copy) for sync in rules.sync)]
        return table + [Row(copy.shown, Action.REBUILD, "", _LEFT_OUT) for copy in left_out]
    return table + list(_sync_rows(rules, landing))


_LEFT_OUT = "reload.sync leaves it out, so only a build brings it"


def _sync_rows(rules: Rules, syncs: Iterable[Sync]) -> Iterator[Row]:
    for sync in syncs:
        why = _restarts(rules, sync.shown, (sync.target,))
        action = Action.RESTART if why and not isinstance(rules.restart, tuple) else Action.SYNC
        after = why or (rules.reloader.shown if rules.reloader and rules.restart is None else "")
        yield Row(sync.shown, action, sync.target, f"{sync.reason}; {after}" if after else sync.reason)


def _verdict(rules: Rules, path: str) -> _Verdict:
    explicit = tuple(
        _Landing(len(rules.copies) + index, sync, target)
        for index, sync in enumerate(rules.sync)
        if (target := sync.lands(path))
    )
    inside = copies.relative(path, rules.context) if rules.context is not None else None
    if not explicit and not inside:
        return _Verdict(Action.NONE, "it belongs to nothing that this service holds")
    if pattern := patterns.match(rules.rebuild, path):
        return _Verdict(Action.REBUILD, f"rebuild rule {pattern}", "reload.rebuild asks for it", named=True)
    if path in rules.recipe:
        return _Verdict(Action.REBUILD, "it says how the image is built", "only a build reads it", named=True)
    if pattern := patterns.match(rules.ignore, path):
        return _Verdict(Action.NONE, f"ignored: {pattern}")
    excluded = bool(inside) and rules.ignored is not None and rules.ignored(inside or "")
    landed, built = _inferred(rules, path, explicit) if inside and not excluded else ((), "")
    landings = explicit or landed
    run = tuple(index for index, (pattern, _) in enumerate(rules.run) if patterns.match((pattern,), path))
    named = run or (isinstance(rules.restart, tuple) and patterns.match(rules.restart, path))
    if built and not (named and landings):
        return _Verdict(Action.REBUILD, built, "a build may use it, so sending it is not enough")
    if landings:
        return _sent(rules, path, landings, run)
    return _Verdict(
        Action.NONE, ".dockerignore excludes it" if excluded else "no COPY brings it into the image"
    )


def _inferred(rules: Rules, path: str, explicit: Sequence[_Landing]) -> tuple[tuple[_Landing, ...], str]:
    """Where the Dockerfile lets a file land, and why only a build brings a change there, or ""."""
    if rules.opaque and not explicit:
        return (), rules.opaque
    landings: list[_Landing] = []
    reasons: list[str] = []
    for order, copy in enumerate(rules.copies):
        if any(not _deeper(copy, landing.sync) for landing in explicit):
            continue
        target = copy.lands(path)
        if target is None:
            if copy.source and copies.relative(copy.shown, path):
                reasons.append(f"{copy.reason} takes files from it")
            continue
        over = _lands_over(rules.copies[order + 1 :], copy, path, target)
        unclear = (
            "" if target or copy.built else f"{copy.reason}: where a file lands depends on the base image"
        )
        left_out = _LEFT_OUT if rules.sync and not explicit else ""
        reasons += filter(None, (copy.built, over, unclear, left_out))
        if target and not over:
            landings.append(_Landing(order, copy, target))
    return tuple(landings), reasons[0] if reasons else ""


def _covers(whole: Sync, part: Sync) -> bool:
    """Whether all that one rule is about, and a file of its name, is in the folder of the other."""
    return copies.relative(part.shown, whole.shown) is not None


def _deeper(copy: Sync, sync: Sync) -> bool:
    """Whether a COPY is of a part of what the manifest syncs, and so says more of it."""
    return copy.shown != sync.shown and _covers(sync, copy)


def _lands_over(later: Iterable[Sync], copy: Sync, path: str, target: str) -> str:
    """The later COPY whose files take the place of this one, or ""."""
    own = copy.target.rstrip("/")
    for other in later:
        top = other.target.rstrip("/")
        covers = target == other.target or (not other.source and target.startswith(f"{top}/"))
        if covers and top.startswith(f"{own}/") and other.lands(path) != target:
            return f"{other.reason} lands over it"
    return ""


def _sent(rules: Rules, path: str, landings: tuple[_Landing, ...], run: tuple[int, ...]) -> _Verdict:
    """What is done about a file that can be sent."""
    if restart := _restarts(rules, path, [landing.target for landing in landings]):
        named = bool(run) or isinstance(rules.restart, tuple)
        return _Verdict(Action.RESTART, restart, "the program read it when it started", landings, run, named)
    if run:
        pattern, _ = rules.run[run[0]]
        return _Verdict(Action.RUN, f"run rule {pattern}", "reload.run asks for it", landings, run)
    *_, last = landings
    by_itself = rules.reloader.shown if rules.reloader and rules.restart is None else "no rule restarts"
    return _Verdict(Action.SYNC, f"{last.sync.reason} puts it at {last.target}; {by_itself}", "", landings)


def _restarts(rules: Rules, path: str, targets: Iterable[str]) -> str:
    """Why the program has to be started again, or ""."""
    match rules.restart:
        case True:
            return "restart: true"
        case False:
            return ""
        case tuple():
            pattern = patterns.match(rules.restart, path)
            return f"restart rule {pattern}" if pattern else ""
    if rules.reloader is None:
        return f"{rules.command or 'the program'} does not reload by itself"
    for target in targets:
        if target in rules.starters or target.startswith(rules.reloader.outside):
            return f"{rules.reloader.name} does not reload {target}"
    return ""


def _moded(rules: Rules, landing: _Landing, source: Source) -> Source:
    """The source with the mode that the Dockerfile gives it."""
    if source.digest.startswith("->") or source.digest.endswith("x"):
        return source
    if landing.sync.executable or any(
        patterns.is_whole(pattern, landing.target) for pattern in rules.executables
    ):
        return source._replace(digest=f"{source.digest}x")
    return source


def _of_copy(copy: copies.Copy, folder: str, name: str) -> Sync:
    where = f"({posixpath.basename(name)}:{copy.line})"
    return Sync(
        folder,
        copy.source,
        copy.target,
        f"{copy.shown} {where}",
        f"{copy.shown} {copy.used} {where}" if copy.used else "",
        copy.root,
        copy.exclude,
        copy.executable,
        copy.file,
    )


def _shown(entrypoint: Sequence[str], command: Sequence[str]) -> str:
    """The command that starts the program, cut to fit into a line."""
    whole = [*entrypoint, *command]
    line = whole[2] if whole[:2] == ["sh", "-c"] and len(whole) > 2 else " ".join(whole)
    line = " ".join(line.split())
    return line if len(line) <= 40 else f"{line[:37].rstrip()}..."


def joined(folder: str, path: str) -> str:
    """The path in the project of a file of a folder; the folder itself where that is a file."""
    if not path:
        return posixpath.normpath(folder)
    return path if posixpath.normpath(folder) == "." else f"{posixpath.normpath(folder)}/{path}"


@lru_cache(maxsize=512)
def _pattern(folder: str, source: str) -> re.Pattern[str]:
    """Matches a source and all below it; its group is the path below."""
    parts = [re.escape(folder)] if folder != "." else []
    parts += [patterns.translated(source)] if source != "." else []
    return re.compile(f"{'/'.join(parts)}(?:/(.*))?\\Z" if parts else r"(.*)\Z", re.S)
