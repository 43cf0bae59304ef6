"""Promotion: a stack into the cluster of one of its environments, as a release of Helm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from devenv import documents
from devenv.backends.helm import Helm, HelmFailed, Stored
from devenv.engine.promotion.admission import Admission
from devenv.engine.promotion.parcel import Parcel, packed
from devenv.engine.promotion.rollout import Order, Rollout, explained
from devenv.engine.promotion.secrets import ClusterSecrets
from devenv.engine.promotion.sight import Sight
from devenv.engine.promotion.smoke import Smoke
from devenv.engine.promotion.underway import Record
from devenv.errors import Card, DevenvError, UsageError
from devenv.plan.promotion.changes import (
    SERVED,
    Change,
    Revision,
    Target,
    Verb,
    as_installed,
    changes,
    deployed,
    earlier,
    half_made,
    is_installed,
    pending,
    platforms,
    require_settled,
    roots,
)
from devenv.plan.promotion.rollout import balanced, parts

if TYPE_CHECKING:
    from devenv.backends.kube.client import Client
    from devenv.backends.kube.config import Place
    from devenv.manifest.environments import Environment
    from devenv.stack.model import Stack

WITHIN = 300  # seconds that a rollout may take, as Helm's own default

Say = Callable[[str, str], None]
"""Takes a step of the promotion and a line about it."""


@dataclass
class Release:
    """The release of a stack in one environment. `record`: the Helm that this checkout has at work there."""

    target: Target
    record: Record = field(default_factory=Record)

    @cached_property
    def place(self) -> Place:
        """The context that the environment names. Raises `UsageError` where the kubeconfig has none."""
        from devenv.backends.kube.config import find

        return find(self.target.context)

    @cached_property
    def client(self) -> Client:
        """The cluster's API."""
        return self.connect()

    def connect(self) -> Client:
        """A connection of one's own to it."""
        from devenv.backends.kube.client import Client

        return Client(self.place)

    @cached_property
    def helm(self) -> Helm:
        """Raises `ToolMissing`, and `UsageError` for a context that is not there."""
        _ = self.place
        return Helm.find(self.target.context, self.target.namespace)

    @cached_property
    def history(self) -> list[Revision]:
        """All revisions, the oldest first; asked for once."""
        return self.helm.history(self.target.release)

    @property
    def platforms(self) -> list[str]:
        """What the nodes run, as `linux/amd64`; nothing where we may not ask."""
        try:
            return platforms(self.client.get("/api/v1/nodes")["items"])
        except DevenvError:
            return []

    @cached_property
    def secrets(self) -> ClusterSecrets:
        """The Secrets of its namespace."""
        return ClusterSecrets(self.client, self.target)

    @property
    def sight(self) -> Sight:
        """The cluster that its context led to before."""
        return Sight(self.record.workspace, self.target)

    # -- what must hold before anything is changed

    def guard(self, stack: str) -> None:
        """Raises `DevenvError` for a cluster that is away, and a release of another stack or not settled."""
        self.client.get("/version")
        self.sight.require_same(self.client)
        self.foreign_chart(stack)
        target = self.target
        self.record.require_idle(target, lambda: self._healing)
        require_settled(target.release, self.history, target, heal=self._healing)

    @property
    def _healing(self) -> str:
        """The command that ends what was begun: back to what serves, or away where nothing ever did."""
        return f"devenv {'rollback' if deployed(self.history) else 'retire'} {self.target.environment}"

    @property
    def unmended(self) -> str:
        """What to know of a revision that is half made before another is; "" where none is."""
        failed, environment = half_made(self.history), self.target.environment
        if failed is None:
            return ""
        first = f": devenv rollback {environment} first takes that away" if deployed(self.history) else ""
        return f"revision {failed.number} is half made, and what it alone has may stay{first}"

    def look(self, stack: str) -> None:
        """Guard, and read what serves, for `changes`. Raises `DevenvError`."""
        self.guard(stack)
        _ = self._serving

    def require_ours(self, stack: str) -> None:
        """Raises `UsageError` for a release that something else than this stack was installed as.

        So it does where the context leads to another cluster than at the last promotion.
        """
        self.sight.require_same(self.client)
        if chart := self.foreign_chart(stack):
            raise self._not_ours(chart, "its chart was not made by devenv")

    def foreign_chart(self, stack: str) -> str:
        """The chart that somebody installed as this release without devenv; empty where that is ours.

        Raises `UsageError` for a release of another stack.
        """
        if not self.history:
            return ""
        latest = self.history[-1]
        owner, chart = self._stored(latest.number).owner, latest.chart
        if owner and owner != stack:
            raise self._not_ours(chart, f"it is of the stack {owner}")
        return "" if owner else chart

    def _stored(self, revision: int) -> Stored:
        """What Helm keeps of a revision; asked for once."""
        if revision not in self._kept:
            self._kept[revision] = self.helm.stored(self.target.release, revision)
        return self._kept[revision]

    @cached_property
    def _kept(self) -> dict[int, Stored]:
        return {}

    def _not_ours(self, chart: str, why: str) -> UsageError:
        target = self.target
        return UsageError(
            f"the release {target.release} is not this stack's",
            where=f"{target.where}, chart {chart}",
            why=why,
            hint=f"name another namespace: under environments.{target.environment}",
        )

    # -- what would change

    def objects(self, parcel: Parcel) -> list[dict[str, Any]]:
        """What the chart makes of the values, hooks as well, once Helm has read both.

        A job of a first install is a hook in an upgrade, which by itself is no change of what serves.
        Raises `HelmFailed`.
        """
        version = str(self.client.get("/version")["gitVersion"])
        looks = any("(lookup " in text for text in parcel.chart.values())
        with packed(parcel) as files, ThreadPoolExecutor() as pool:
            read = files.chart, [files.values]

            def rendered(*, upgrade: bool) -> list[dict[str, Any]]:
                looking = upgrade and looks  # before a first install there is nothing to see
                release = self.target.release
                return parsed(
                    self.helm.rendered(release, *read, kubernetes=version, upgrade=upgrade, looks=looking)
                )

            linted = pool.submit(self.helm.lint, *read, kubernetes=version)
            upgrade = is_installed(self.history)
            made = pool.submit(rendered, upgrade=upgrade)
            try:
                linted.result()
            except HelmFailed as error:
                error.where, error.hint = self.target.where, self._linting(error.why)
                raise
            objects = made.result()
            if upgrade and self.changes(objects):
                first = as_installed(rendered(upgrade=False), self._serving)
                return objects if self.changes(first) else first
            return objects

    def _linting(self, why: str) -> str:
        """How people see what Helm finds fault with: the files that it read are gone by then."""
        environment = self.target.environment
        if "values.yaml: - at '/" in why:  # the rest of the values is devenv's own
            return f"fix it under environments.{environment}.values; values.yaml says what each value may be"
        return (
            f"devenv render --chart chart --environment {environment}   writes the files; then"
            f"\nhelm lint --strict chart --values chart/values-{environment}.yaml"
        )

    def changes(self, objects: Sequence[Mapping[str, Any]]) -> list[Change]:
        """What these objects would change of what serves now, and of what a revision is that is half made."""
        rows = changes(self._serving, objects)
        if failed := half_made(self.history):
            named = {(change.kind, change.name) for change in rows}
            more = changes(parsed(self._stored(failed.number).manifest), objects)
            # Helm removes what it finds in the one that serves alone.
            rows += [
                change
                for change in more
                if (change.kind, change.name) not in named and change.verb is not Verb.REMOVE
            ]
        return sorted(rows, key=lambda change: (change.kind, change.name))

    @cached_property
    def _serving(self) -> list[dict[str, Any]]:
        """The objects of the revision that serves; asked for once."""
        now = deployed(self.history)
        return parsed(self._stored(now.number).manifest) if now else []

    def require_admitted(
        self, objects: Sequence[Mapping[str, Any]], changes: Sequence[Change], *, so_far: str
    ) -> None:
        """Have the cluster judge what is to change without keeping it; `so_far` says what was done before.

        Raises `DevenvError`.
        """
        Admission(self.client, self.target, so_far, self._serving).judge(objects, changes)

    # -- changing it

    def promote(
        self, parcel: Parcel, objects: Sequence[Mapping[str, Any]], say: Say, *, within: int = WITHIN
    ) -> None:
        """Roll out and wait until all is ready; Helm goes back by itself if it is not.

        `objects` are what the chart makes of the parcel.

        Raises `UnitFailed` with the card of the unit that was in the way, else `HelmFailed`; after Ctrl-C
        `KeyboardInterrupt`.
        """
        stop = self.record.stop("upgrade", within)
        waits = parts(objects, parcel.stack.units), within
        order = Order(self.target.namespace, *waits, balanced=balanced(objects))
        rolling = Rollout(self.connect, order, say, stop)
        with packed(parcel) as files, rolling as rollout:
            try:
                with self.interruptible(
                    "upgrade", "Helm goes back to what served before", say
                ) as interrupted:
                    self.helm.upgrade(
                        self.target.release,
                        files.chart,
                        [files.values],
                        within=within,
                        description=str(parcel.origin),
                        on_interrupt=interrupted,
                        stop=stop,
                    )
            except HelmFailed as error:
                again = f"fix it, then devenv promote {self.target.environment}"
                raise self._explained(error, rollout.cause, again) from error

    @contextmanager
    def interruptible(self, step: str, meanwhile: str, say: Say) -> Iterator[Callable[[], None]]:
        """What to call at the first Ctrl-C. Says what Helm does then, and in the end what serves.

        Raises `KeyboardInterrupt` where Helm was stopped, or left alone by a second one.
        """
        calls: list[str] = []

        def interrupted() -> None:
            calls.append(step)
            say(step, f"interrupted: {meanwhile}; Ctrl-C again leaves it alone")

        try:
            yield interrupted
        except HelmFailed as error:
            if not calls:
                raise
            say(step, f"stopped: {self._standing()}")
            raise KeyboardInterrupt from error
        except KeyboardInterrupt:
            listed = f"devenv history {self.target.environment}"
            say(step, f"Helm goes on by itself: {listed}   shows what becomes of it")
            raise

    def _explained(self, error: HelmFailed, cause: Card | None, again: str) -> DevenvError:
        """Why a rollout failed: the unit that was in the way, where the release stands, and what to do."""
        return explained(error, cause, f"{self._standing()}; {again}")

    def _standing(self) -> str:
        """Which revision serves now, or that one was begun and left, or is half made."""
        history = self.helm.history(self.target.release)
        if begun := pending(history):
            return f"revision {begun.number} is half made: devenv rollback {self.target.environment} heals it"
        now, environment = deployed(history), self.target.environment
        if (failed := half_made(history)) is None:
            return f"revision {now.number} serves" if now else "nothing serves"
        if now is None:
            return f"revision {failed.number} is half made: devenv retire {environment} takes it away"
        return (
            f"revision {failed.number} is half made, and what is ready of revision {now.number} serves: "
            f"devenv rollback {environment} brings all of that back"
        )

    def rollback(self, revision: int, say: Say, *, within: int = WITHIN) -> None:
        """Go back to a revision and wait until all is ready. Helm does not undo that, if it is not.

        Raises `UnitFailed` with the card of the unit that was in the way, else `HelmFailed`; after Ctrl-C
        `KeyboardInterrupt`.
        """
        if self.record.end(self.target, say, within=within) and self._serves(revision):
            return
        objects = parsed(self._stored(revision).manifest)
        order = Order(self.target.namespace, parts(objects), within, step="rollback")
        stop = self.record.stop("rollback", within)
        with Rollout(self.connect, order, say) as rollout:
            try:
                with self.interruptible("rollback", "Helm stops going back", say) as interrupted:
                    self.helm.rollback(
                        self.target.release, revision, within=within, on_interrupt=interrupted, stop=stop
                    )
            except HelmFailed as error:
                listed = f"devenv history {self.target.environment}   lists what else to go back to"
                raise self._explained(error, rollout.cause, listed) from error

    def _serves(self, revision: int) -> bool:
        """Whether what serves now, with nothing begun beside it, has the objects of a revision."""
        history = self.helm.history(self.target.release)
        now, root_of = deployed(history), roots(history)
        whole = not pending(history) and not half_made(history)
        return bool(now and whole and root_of[now.number] == root_of.get(revision, revision))

    def verify(
        self, stack: Stack, say: Say, *, environment: Environment | None = None, within: int = WITHIN
    ) -> None:
        """Smoke what was rolled out, and go back to what served before if it fails.

        `environment` says what serves the routes, by default the chart's own gateway.

        Raises `DevenvError`; after Ctrl-C `KeyboardInterrupt`, and what was rolled out stays.
        """
        try:
            Smoke(self.client, self.target, environment=environment).test(stack, say)
        except KeyboardInterrupt:
            say("smoke", f"interrupted: {self._standing()}, and nobody has tried it")
            raise
        except DevenvError as error:
            before = deployed(self.history)  # from before the upgrade
            if before is None:
                away = f"devenv retire {self.target.environment}   takes it away"
                error.hint = "\n".join(filter(None, (error.hint, f"it serves all the same: {away}")))
                raise
            say("smoke", error.what)  # also where the way back fails, which has a reason of its own
            say("rollback", f"to revision {before.number}")
            self.rollback(before.number, say, within=within)
            again = f"fix it, then devenv promote {self.target.environment}"
            error.hint = f"revision {before.number} serves again; {again}"
            raise

    def earlier(self, revision: int) -> int:
        """The revision to go back to, by default the one that served before. Raises `UsageError`."""
        listed = f"devenv history {self.target.environment}"
        asked = next((row for row in self.history if row.number == revision), None)
        if revision and asked is None:
            raise UsageError(f"no revision {revision}", hint=listed)
        if asked and asked.status not in SERVED:
            raise UsageError(f"revision {revision} never served", why=f"it is {asked.status}", hint=listed)
        row = asked or (deployed(self.history) if self.record.read() else None) or earlier(self.history)
        if row is None and pending(self.history):
            retire = f"devenv retire {self.target.environment}   takes it away"
            raise UsageError("there is no revision to go back to", why="none ever served", hint=retire)
        if row is None:
            raise UsageError("there is no earlier revision to go back to", hint=listed)
        return row.number


def parsed(text: str) -> list[dict[str, Any]]:
    """The objects of a text of Helm's."""
    return list(documents.load_all(text))
