"""Helm, the user's program: releases of a chart in one namespace of one context. Version 3 and 4."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from devenv import proc
from devenv.backends import versions
from devenv.errors import DevenvError, ToolMissing
from devenv.plan.promotion.changes import OWNER, Revision
from devenv.stack.labels import LABEL

GET = "https://helm.sh/docs/intro/install   then again"
NONE: Mapping[str, str] = {}
BUSY = re.compile(
    r"another operation \(install/upgrade/rollback\) is in progress"
    r"|cannot re-?use a name that is still in use"
    r'|secrets "sh\.helm\.release\.\S+" already exists'  # two that began at the same moment
)

KEPT = ("--history-max", "30")  # a promotion that fails makes two, and Helm itself would keep ten
REPEATED = "values don't meet the specifications of the schema(s) in the following chart(s):"
"""What Helm says a second time of values that its line before names."""
STORED = (
    f'{{{{ index .Release.Chart.Metadata.Annotations "{OWNER}" }}}}\n'
    "{{ .Release.Manifest }}{{ range .Release.Hooks }}\n---\n{{ .Manifest }}{{ end }}"
)


MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)? ?(Z|[+-]\d\d:?\d\d)(?: \w+)?")


@dataclass(frozen=True, slots=True)
class Stored:
    """What Helm keeps of a revision: its objects as YAML, hooks as well, and the stack it is of."""

    owner: str
    manifest: str


class HelmFailed(DevenvError):
    """Helm refused, or what it rolled out did not become ready in time."""


class HelmBusy(HelmFailed):
    """The Helm of somebody else is at work on the release; ours has changed nothing."""


def major() -> int:
    """The major version of the user's Helm. Raises `ToolMissing` where it is missing or too old."""
    try:
        printed = proc.run_captured(["helm", "version", "--template", "{{.Version}}"]).stdout.strip()
    except ToolMissing as error:
        error.why, error.hint = "releases are made with it", GET
        raise
    number = re.match(r"v?(\d+)\.(\d+)", printed)
    version = (int(number[1]), int(number[2])) if number else (0, 0)
    if version < versions.HELM:
        what = f"Helm {printed or 'of an unknown version'} is too old"
        raise ToolMissing(what, why=f"it takes {'.'.join(map(str, versions.HELM))} or later, or 4", hint=GET)
    return version[0]


@dataclass(frozen=True)
class Helm:
    """One namespace of a context, as Helm reaches it."""

    context: str
    namespace: str
    major: int

    @classmethod
    def find(cls, context: str, namespace: str) -> Helm:
        """Raises `ToolMissing` where Helm is missing or too old."""
        return cls(context, namespace, major())

    def history(self, release: str) -> list[Revision]:
        """All revisions that Helm keeps, the oldest first; none where there is no release."""
        ended = self._run("history", release, "--max", "256", "-o", "json")
        if ended.code:
            if "release: not found" in ended.stderr:
                return []
            raise self._failed(f"the history of {release} cannot be read", ended)
        return [
            Revision(
                number=int(row["revision"]),
                status=str(row["status"]),
                moment=in_utc(row["updated"]),
                chart=str(row["chart"]),
                description=str(row.get("description") or ""),
            )
            for row in json.loads(ended.stdout or "[]")
        ]

    def releases(self, **labels: str) -> dict[str, Revision]:
        """The latest revision of each release of the namespace that has these of our labels, by name."""
        selector = ",".join(f"{LABEL}{key}={value}" for key, value in labels.items())
        everything = [] if self.major >= 4 else ["--all"]  # Helm 4 leaves none out
        rows = json.loads(self._out("list", "-o", "json", "--selector", selector, *everything) or "[]")
        return {
            row["name"]: Revision(int(row["revision"]), row["status"], in_utc(row["updated"]), row["chart"])
            for row in rows
        }

    def stored(self, release: str, revision: int) -> Stored:
        """What Helm keeps of a revision."""
        text = self._out("get", "all", release, "--revision", str(revision), "--template", STORED)
        owner, _, manifest = text.partition("\n")
        return Stored(owner, manifest)

    def lint(self, chart: Path, values: Sequence[Path], *, kubernetes: str) -> None:
        """Raises `HelmFailed` for a chart or values that Helm finds fault with on a version of Kubernetes."""
        version = ["--kube-version", kubernetes]
        ended = proc.run_merged(["helm", "lint", str(chart), "--strict", *version, *_files(values)])
        if ended.code:
            raise HelmFailed("helm lint refuses the chart", why="\n".join(faults(ended.stdout)))

    def rendered(
        self,
        release: str,
        chart: Path | str,
        values: Sequence[Path],
        *,
        kubernetes: str,
        upgrade: bool,
        looks: bool = False,
        source: Sequence[str] = (),
    ) -> str:
        """The objects that an upgrade, or else a first install, would apply, as YAML, its hooks as well.

        `kubernetes` is the cluster's version: by itself, Helm takes the one that it was built for. `looks`:
        templates look into the cluster, as they will then, which takes Helm a while. `source`: flags that say
        where a chart comes from that is no folder.
        """
        flags = ["--kube-version", kubernetes, *(["--is-upgrade"] if upgrade else [])]
        flags += ["--dry-run=server"] if looks else []
        return self._out("template", release, str(chart), *source, *flags, *_files(values))

    def upgrade(
        self,
        release: str,
        chart: Path | str,
        values: Sequence[Path],
        *,
        within: int,
        description: str,
        on_interrupt: Callable[[], None],
        stop: proc.Stop | None = None,
        source: Sequence[str] = (),
        labels: Mapping[str, str] = NONE,
    ) -> None:
        """Install or upgrade, wait until all is ready, and go back if it is not in so many seconds.

        `stop` has it go back at once. `source` as for `rendered`; `labels` are ours of the release.

        Raises `HelmFailed`.
        """
        marks = [f"{LABEL}{key}={value}" for key, value in labels.items()]
        atomic = "--rollback-on-failure" if self.major >= 4 else "--atomic"
        argv = [
            "upgrade", release, str(chart), "--install", "--create-namespace", "--reset-values", atomic,
            "--description", description, *KEPT, *source, *(["--labels", ",".join(marks)] if marks else []),
            *_files(values),
        ]  # fmt: skip
        self._roll_out(argv, release, within, on_interrupt, stop)

    def install(
        self,
        release: str,
        chart: Path,
        values: Sequence[Path],
        *,
        within: int,
        on_interrupt: Callable[[], None],
        stop: proc.Stop | None = None,
    ) -> None:
        """Install and wait until all is ready; what is not, stays. Raises `HelmFailed`."""
        argv = ["install", release, str(chart), *_files(values)]
        self._roll_out(argv, release, within, on_interrupt, stop)

    def rollback(
        self,
        release: str,
        revision: int,
        *,
        within: int,
        on_interrupt: Callable[[], None],
        stop: proc.Stop | None = None,
    ) -> None:
        """Go back to a revision and wait until it is ready. Raises `HelmFailed`."""
        argv = ["rollback", release, str(revision), *KEPT]
        self._roll_out(argv, release, within, on_interrupt, stop)

    def uninstall(self, release: str) -> None:
        """Remove all objects of a release and its history. Raises `HelmFailed`."""
        self._out("uninstall", release, "--wait")

    def _roll_out(
        self,
        argv: Sequence[str],
        release: str,
        within: int,
        on_interrupt: Callable[[], None],
        stop: proc.Stop | None,
    ) -> None:
        waiting = ("--wait", "--wait-for-jobs", "--timeout", f"{within}s")
        ended = proc.run_unbroken(self._argv([*argv, *waiting]), on_interrupt, stop)
        if ended.code:
            raise self._refused(release, ended)

    def _out(self, *argv: str) -> str:
        ended = self._run(*argv)
        if ended.code:
            raise self._failed(f"helm {argv[0]} failed", ended)
        return ended.stdout

    def _run(self, *argv: str) -> proc.Output:
        return proc.run_captured(self._argv(argv))

    def _argv(self, argv: Sequence[str]) -> list[str]:
        return ["helm", *argv, "--kube-context", self.context, "--namespace", self.namespace]

    def _refused(self, release: str, ended: proc.Output) -> DevenvError:
        failed = self._failed(f"{release} was not rolled out", ended)
        if BUSY.search(failed.why):
            what, hint = f"{release} is being changed by somebody else", "wait for that, then again"
            return HelmBusy(what, where=failed.where, why=failed.why, hint=hint)
        return failed

    def _failed(self, what: str, ended: proc.Output) -> DevenvError:
        where, why = f"context {self.context}, namespace {self.namespace}", reason(ended)
        if "cluster unreachable" in why.lower():
            hint = f"kubectl --context {self.context} get namespaces   must answer"
            what = "the Kubernetes cluster does not answer"
            if "getting credentials" in why:  # by the program that the kubeconfig names
                what = f'signing in to "{self.context}" did not work'
            return ToolMissing(what, where=where, why=why, hint=hint)
        return HelmFailed(what, where=where, why=why)


def in_utc(moment: str) -> str:
    """A moment as RFC 3339 in UTC. Helm writes it in the zone of whoever deployed, in lists as Go does."""
    match = MOMENT.fullmatch(moment)
    if match is None:
        return moment
    day, time, zone = match.groups()
    return f"{datetime.fromisoformat(f'{day}T{time}{zone}').astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _files(values: Sequence[Path]) -> list[str]:
    return [word for file in values for word in ("--values", str(file))]


def reason(ended: proc.Output) -> str:
    """Why Helm failed, in its own last lines."""
    if ended.code < 0:
        return f"helm was ended by signal {-ended.code}"
    lines = [line for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
    return "\n".join(line.removeprefix("Error: ") for line in lines[-5:])


def faults(linted: str) -> list[str]:
    """What `helm lint` finds fault with, without what it says of values a second time."""
    marks = ("[ERROR]", "[WARNING]", "- at ")
    lines = [line for line in linted.splitlines() if line.lstrip().startswith(marks)]
    again = next((index for index, line in enumerate(lines) if line.endswith(REPEATED)), 0)
    return lines[:again] if again else lines
