"""Rules about releases: those of the stack, one in each environment, and those of other people's charts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from devenv.manifest.environments import Chart
from devenv.manifest.rules.names import LABEL
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path

EXACT = re.compile(r"v?\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?")
LONGEST = 53  # of a release's name, as Helm has it


def environments_do_not_share_a_release(scope: Scope) -> Iterator[Finding]:
    """Two environments in one namespace of one context would be one release."""
    manifest = scope.manifest
    first: dict[tuple[str, str], str] = {}
    for key, environment in manifest.environments.items():
        namespace = environment.namespace or manifest.namespace or manifest.name
        other = first.setdefault((environment.context, namespace), key)
        if other != key:
            yield (
                ("environments", key, "namespace" if environment.namespace else "context"),
                f"leads to the namespace {namespace} of {environment.context}, which is {other}'s",
                "name another namespace:",
            )


def a_release_can_have_the_name(scope: Scope) -> Iterator[Finding]:
    """What goes to an environment is a release, called as the stack."""
    if scope.manifest.environments and len(scope.manifest.name) > LONGEST:
        why = (
            f"has {len(scope.manifest.name)} characters; with environments: at most {LONGEST}, as Helm has it"
        )
        yield ("name",), why, ""


def charts_are_locked(scope: Scope) -> Iterator[Finding]:
    """Charts of other people have an address, one version, and a release name that is not the stack's."""
    for key, environment in scope.manifest.environments.items():
        for name, chart in environment.charts.items():
            path: Path = ("environments", key, "charts", name)
            if name == scope.manifest.name:
                yield path, f"{name} is the release of the stack itself", "give this one another name"
            elif not LABEL.match(name) or len(name) > LONGEST:
                why = "a release's name is lower-case letters, digits, hyphens, at most 53 of them"
                yield path, why, ""
            yield from _locked(path, chart)


def _locked(path: Path, chart: Chart) -> Iterator[Finding]:
    if not EXACT.fullmatch(chart.version):
        why = f'"{chart.version}" is not one version: what is promoted must be the same each time'
        yield (*path, "version"), why, "write it in full: 3.0.0"
    if chart.repo is None and not chart.chart.startswith("oci://"):
        hint = "write oci://HOST/PATH, or repo: https://... beside it"
        yield (*path, "chart"), f'"{chart.chart}" is no address of a chart', hint
    if chart.repo is not None and not chart.repo.startswith(("https://", "http://")):
        yield (*path, "repo"), f'"{chart.repo}" is no address of a repository', "write https://..."
    if chart.repo is not None and "/" in chart.chart:
        yield (*path, "chart"), "with repo: it is a name there, without a slash", ""
