"""The rules of hot reload as a table, for display."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from devenv.stack import text
from devenv.stack.reloading.decisions import LEFT_OUT, Action, covers, restarts
from devenv.stack.reloading.rules import Rules, Sync


class Row(NamedTuple):
    """One rule, for display."""

    what: str
    action: Action
    target: str
    reason: str


def rows(rules: Rules) -> list[Row]:
    """The rules as a table, the ones that win first; only what a build brings, where nothing can be sent."""
    if rules.plain:
        return list(_rows_of_process(rules))
    table = _rows(rules)
    return [row for row in table if row.action is Action.REBUILD] if rules.unsent else table


def _rows_of_process(rules: Rules) -> Iterator[Row]:
    for pattern in rules.rebuild:
        asked = rules.restart if isinstance(rules.restart, tuple) else ()
        why = "reload.restart" if pattern in asked else "it says what is installed"
        yield Row(pattern, Action.RESTART, "", why)
    if rules.opaque:
        yield Row(rules.context or ".", Action.RESTART, "", rules.opaque)
    elif rules.reloader:
        yield Row(rules.context or ".", Action.NONE, "", rules.reloader.shown)


def _rows(rules: Rules) -> list[Row]:
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
    table += [
        Row(", ".join(copy.read[:2]), Action.REBUILD, "", copy.reader) for copy in inferred if copy.read
    ]
    landing = [
        copy for copy in inferred if not copy.built and not any(covers(other, copy) for other in built)
    ]
    if rules.sync:
        table += _sync_rows(rules, rules.sync)
        left_out = [copy for copy in landing if not any(covers(sync, copy) for sync in rules.sync)]
        return table + [Row(copy.shown, Action.REBUILD, "", LEFT_OUT) for copy in left_out]
    return table + list(_sync_rows(rules, landing))


def _sync_rows(rules: Rules, syncs: Iterable[Sync]) -> Iterator[Row]:
    for sync in syncs:
        why = restarts(rules, sync.shown, (sync.target,))
        action = Action.RESTART if why and not isinstance(rules.restart, tuple) else Action.SYNC
        after = why or (rules.reloader.shown if rules.reloader and rules.restart is None else "")
        yield Row(sync.shown, action, sync.target, f"{sync.reason}; {after}" if after else sync.reason)
