"""What changed files of the project cause: decisions by the rules of a unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from devenv.stack import copies, patterns
from devenv.stack.reloading.rules import Rules, Source, Sync, joined
from devenv.stack.text import Text


class Action(StrEnum):
    """What is done about a change, the cheapest first."""

    NONE = "none"
    SYNC = "sync"
    RUN = "run"
    RESTART = "restart"
    REBUILD = "rebuild"


_COST = {action: cost for cost, action in enumerate(Action)}


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


def targets_of(rules: Rules, path: str) -> tuple[str, ...]:
    """The paths in the container that a change of this file is sent to: none, one or several."""
    return tuple(dict.fromkeys(landing.target for landing in _verdict(rules, path).landings))


def causes(rules: Rules, path: str) -> bool:
    """Whether anything is done when a file changes."""
    return _changed(rules, path).action is not Action.NONE


def landed(rules: Rules, path: str, digest: str) -> dict[str, Source]:
    """Path in the container -> the file of the project that is sent there, for one file."""
    landings = _changed(rules, path).landings
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


def decide(rules: Rules, paths: Iterable[str]) -> Decision:
    """The cheapest action that covers all changed, new and vanished files, taken as one."""
    ordered = sorted(set(paths))
    if not ordered:
        return Decision(Action.NONE, reason="nothing changed")
    verdicts = _tracked(rules, ordered, [_changed(rules, path) for path in ordered])
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


LEFT_OUT = "reload.sync leaves it out, so only a build brings it"


@lru_cache(maxsize=20_000)  # of a branch switch
def _changed(rules: Rules, path: str) -> _Verdict:
    """The verdict on a file that changed: it is asked for at every step until the file has arrived."""
    return _verdict(rules, path)


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
    landings = (*landed, *explicit)  # with explicit ones, the former are COPYs of a part of what is synced
    run = tuple(index for index, (pattern, _) in enumerate(rules.run) if patterns.match((pattern,), path))
    named = run or (isinstance(rules.restart, tuple) and patterns.match(rules.restart, path))
    if built and not (named and landings):
        return _Verdict(Action.REBUILD, built, "a build may use it, so sending it is not enough")
    if not explicit and (pattern := patterns.match((*rules.outputs, *rules.ignore), path)):
        return _Verdict(Action.NONE, f"ignored: {pattern}, as the image makes its own")
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
        left_out = LEFT_OUT if rules.sync and not explicit else ""
        reader = copy.reader if patterns.match(copy.read, path) else ""
        reasons += filter(None, (copy.built, reader, over, unclear, left_out))
        if target and not over:
            landings.append(_Landing(order, copy, target))
    return tuple(landings), reasons[0] if reasons else ""


def covers(whole: Sync, part: Sync) -> bool:
    """Whether all that one rule is about, and a file of its name, is in the folder of the other."""
    return copies.relative(part.shown, whole.shown) is not None


def _deeper(copy: Sync, sync: Sync) -> bool:
    """Whether a COPY is of a part of what the manifest syncs, and so says more of it."""
    return copy.shown != sync.shown and covers(sync, copy)


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
    if restart := restarts(rules, path, [landing.target for landing in landings]):
        named = bool(run) or isinstance(rules.restart, tuple)
        return _Verdict(Action.RESTART, restart, "the program read it when it started", landings, run, named)
    if run:
        pattern, _ = rules.run[run[0]]
        return _Verdict(Action.RUN, f"run rule {pattern}", "reload.run asks for it", landings, run)
    *_, last = landings
    by_itself = rules.reloader.shown if rules.reloader and rules.restart is None else "no rule restarts"
    return _Verdict(Action.SYNC, f"{last.sync.reason} puts it at {last.target}; {by_itself}", "", landings)


def restarts(rules: Rules, path: str, targets: Iterable[str]) -> str:
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
        return rules.distrust or f"{rules.command or 'the program'} does not reload by itself"
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
