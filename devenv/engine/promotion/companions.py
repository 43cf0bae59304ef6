"""Charts of other people, as releases of their own before the stack's, in its namespace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv.backends import helmcharts
from devenv.backends.helm import HelmFailed
from devenv.backends.kube.resources import Resources, kind_of
from devenv.engine.promotion.promote import parsed
from devenv.engine.promotion.rollout import Order, Rollout, explained
from devenv.errors import UsageError
from devenv.plan.promotion.changes import Revision, changes, deployed, is_installed, require_settled
from devenv.plan.promotion.companions import Companion, Due
from devenv.plan.promotion.rollout import parts
from devenv.stack import text
from devenv.stack.environments import environment

if TYPE_CHECKING:
    from devenv.backends.helm import Helm
    from devenv.engine.project import Project
    from devenv.engine.promotion.promote import Release

Say = Callable[[str, str], None]


def companions(project: Project, name: str) -> list[Companion]:
    """Those of an environment, in order. The files with their values are there."""
    root = project.workspace.root
    charts = environment(project.manifest.parsed[0], name).charts
    return [
        Companion(
            release,
            chart.chart,
            chart.version,
            chart.repo or "",
            chart.values or "",
            text.digest((root / chart.values).read_text(encoding="utf-8"))[:8] if chart.values else "",
        )
        for release, chart in charts.items()
    ]


@dataclass
class Companions:
    """The companions of a stack in one environment's namespace."""

    release: Release
    stack: str
    root: Path
    wanted: list[Companion]

    @property
    def _helm(self) -> Helm:
        return self.release.helm

    @cached_property
    def installed(self) -> dict[str, Revision]:
        """Release -> its latest revision, of those that were installed for this stack; asked for once."""
        return self._helm.releases(companion=self.stack)

    def due(self) -> list[Due]:
        """Those that are not as they should be.

        Raises `DevenvError` for a chart that cannot be had, and for a release that is not settled.
        """
        return list(self._due()) if self.wanted else []

    def _due(self) -> Iterator[Due]:
        for companion in self.wanted:
            history = self._helm.history(companion.name)
            self._require_settled(companion, history)
            if companion.name in self.installed and companion.serves(history):
                continue
            now = deployed(history)
            before = parsed(self._helm.stored(companion.name, now.number).manifest) if now else []
            objects = self._objects(companion, upgrade=is_installed(history))
            differing = tuple(changes(before, objects))
            foreign = history[-1].chart if history and companion.name not in self.installed else ""
            yield Due(companion, differing, foreign)

    def _require_settled(self, companion: Companion, history: list[Revision]) -> None:
        target, name, serving = self.release.target, companion.name, deployed(history)
        heal = f"rollback {name} {serving.number}" if serving else f"uninstall {name}"
        require_settled(name, history, target, heal=f"{target.helm} {heal}")

    def beyond_namespace(self, companion: Companion) -> list[str]:
        """Objects of a chart that would not go away with its namespace, or that the cluster cannot have.

        Raises `DevenvError` for a chart that cannot be had.
        """
        resources, namespace = Resources(self.release.client), self.release.target.namespace
        return [
            f"{item['kind']} {item['metadata']['name']}"
            for item in parsed(self._rendered(companion, "--include-crds", upgrade=False))
            if item["metadata"].get("namespace", namespace) != namespace or not _is_placed(resources, item)
        ]

    def _objects(self, companion: Companion, *, upgrade: bool = False) -> list[dict[str, Any]]:
        """What a chart brings; asked for once."""
        if companion.name not in self._brought:
            self._brought[companion.name] = parsed(self._rendered(companion, upgrade=upgrade))
        return self._brought[companion.name]

    @cached_property
    def _brought(self) -> dict[str, list[dict[str, Any]]]:
        return {}

    def _rendered(self, companion: Companion, *more: str, upgrade: bool) -> str:
        version = str(self.release.client.get("/version")["gitVersion"])
        try:
            return self._helm.rendered(
                companion.name,
                companion.chart,
                self._values(companion),
                kubernetes=version,
                upgrade=upgrade,
                looks=upgrade,
                source=[*self._source(companion), *more],
            )
        except HelmFailed as error:
            raise helmcharts.unread(companion, error.why) from error

    def _values(self, companion: Companion) -> list[Path]:
        return [self.root / companion.values] if companion.values else []

    @staticmethod
    def _source(companion: Companion) -> list[str]:
        repo = ["--repo", companion.repo] if companion.repo else []
        return ["--version", companion.version, *repo, *helmcharts.plain(companion.chart)]

    def promote(self, due: Due, who: str, say: Say, *, within: int) -> None:
        """Release one and wait until it is ready; Helm goes back by itself if it is not.

        Its pods may end while they wait for each other, as operators' do: Helm has its whole time.

        Raises `UnitFailed` with the card of what was in the way, else `HelmFailed`; after Ctrl-C
        `KeyboardInterrupt`.
        """
        companion = due.companion
        say("chart", f"{companion.name}  {companion.address} {companion.version}")
        order = Order(self.release.target.namespace, parts(self._objects(companion)), within, step="chart")
        with Rollout(self.release.connect, order, say) as rollout:
            try:
                with self.release.interruptible(
                    "chart", f"Helm goes back with {companion.name}", say
                ) as stopped:
                    self._helm.upgrade(
                        companion.name,
                        companion.chart,
                        self._values(companion),
                        within=within,
                        description=f"{companion.mark}, by {who}",
                        on_interrupt=stopped,
                        stop=self.release.record.stop("upgrade", within),
                        source=self._source(companion),
                        labels={"companion": self.stack},
                    )
            except HelmFailed as error:
                again = f"the stack itself was not touched; fix it, then devenv promote {self._environment}"
                raise explained(error, rollout.cause, again) from error

    @property
    def _environment(self) -> str:
        return self.release.target.environment

    def left(self) -> list[str]:
        """Releases that were installed for this stack, and that its manifest names no more."""
        return sorted(self.installed.keys() - {companion.name for companion in self.wanted})

    def retire(self) -> list[str]:
        """Remove all that were installed for this stack, the last first. Raises `HelmFailed`."""
        order = [companion.name for companion in self.wanted]
        names = sorted(
            self.installed, key=lambda name: order.index(name) if name in order else -1, reverse=True
        )
        for name in names:
            self._helm.uninstall(name)
        return names


def _is_placed(resources: Resources, item: Mapping[str, Any]) -> bool:
    try:
        return resources.is_placed(kind_of(item))
    except UsageError:  # what it is an object of may come with a chart
        return False
