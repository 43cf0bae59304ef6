"""Rules about `uses`: what a unit needs before it starts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from devenv.manifest.graph import cycles
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path


def uses_exist(scope: Scope) -> Iterator[Finding]:
    """`uses` names existing services, jobs, kinds or parts of kinds."""
    names = {**dict.fromkeys(scope.kinds, "kind"), **scope.names}
    for path, workload in scope.workloads.items():
        for index, use in enumerate(workload.uses):
            at: Path = (*path, "uses", index)
            name, slash, part = use.partition("/")
            if name == path[1]:
                yield at, "uses itself", "remove it"
            elif name not in names and name not in scope.kinds:
                hint = scope.kind_meant(name, scope.names)
                yield at, f'no service, job or infra kind "{name}"', hint
            elif slash:
                kind = scope.kinds.get(scope.infra.get(name, ""))
                if kind is None or kind.part is None:
                    yield at, f'"{name}" has no parts', f'write "{name}"'
                elif not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9_{'.' if kind.dots else ''}-]*", part):
                    letters = "letters, digits, dots, _ and -" if kind.dots else "letters, digits, _ and -"
                    yield at, f'"{part}" is not a name of a {kind.part}', f"use {letters}"


def one_store_has_one_word(scope: Scope) -> Iterator[Finding]:
    """Two words for the same store are two stores only if both are named under `infra`."""
    words: dict[tuple[str, str], str] = {}
    for name, kind in scope.infra.items():
        facts = scope.kinds.get(name)
        if facts is None or facts.name != kind or scope.word(name) != name:
            continue
        first = words.setdefault((kind, facts.image), name)
        if first != name and not {first, name} <= scope.names.keys():
            shown = name if name not in scope.names else first
            other = first if shown == name else name
            hint = f"write {other}, or name both: infra: {{{other}: {{}}, {shown}: {{}}}}"
            for at in _named(scope, shown):
                yield at, f"{shown} and {other} are two words for one store", hint


def _named(scope: Scope, name: str) -> Iterator[Path]:
    for path, workload in scope.workloads.items():
        for index, use in enumerate(workload.uses):
            if use.partition("/")[0] == name:
                yield (*path, "uses", index)


def uses_have_no_cycle(scope: Scope) -> Iterator[Finding]:
    """Nothing uses itself, directly or through others."""
    graph = {
        path[1]: [use.partition("/")[0] for use in workload.uses]
        for path, workload in scope.workloads.items()
    }
    sections = {path[1]: path[0] for path in scope.workloads}
    for trail in cycles(graph):
        yield (sections[trail[0]], trail[0], "uses"), f"a cycle: {' -> '.join(trail)}", "remove one of them"


def nobody_waits_for_what_is_manual(scope: Scope) -> Iterator[Finding]:
    """Nothing that starts by itself waits for a service or job that is started by hand."""
    manual = {path[1] for path, workload in scope.workloads.items() if workload.manual}
    for path, workload in scope.workloads.items():
        for index, use in enumerate(workload.uses):
            if use in manual and not workload.manual:
                hint = f"remove manual: from {use}, or {use} from uses:"
                yield (
                    (*path, "uses", index),
                    f"{use} is only started by hand, so this would wait for it forever",
                    hint,
                )
