"""How far the pods of a release are while Helm waits for them, and why one of them failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from devenv.errors import Card, DevenvError, UnitFailed

if TYPE_CHECKING:
    from devenv.backends.kube.client import Client, Object
    from devenv.stack.model import Stack, Unit

LOOK = 1.0  # seconds between two looks at the pods
LATE = 4.0  # seconds a pod may take to be ready until its card is made, and made again as its log goes on


class Rollout:
    """Looks at the pods while it is entered, and keeps the cards of those that fail: Helm removes them.

    `give_up` is called once waiting for one of them makes no sense any more.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        namespace: str,
        stack: Stack,
        say: Callable[[str, str], None],
        give_up: Callable[[], None],
        *,
        late: float = LATE,
    ) -> None:
        self._connect, self._namespace, self._stack, self._say = connect, namespace, stack, say
        self._give_up, self._late_after = give_up, late
        self._hopeless: Card | None = None
        self._failed: dict[str, Card] = {}
        self._late: dict[str, tuple[float, Card]] = {}  # with the moment at which it was made
        self._first_seen: dict[str, float] = {}
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True, name="rollout")

    def __enter__(self) -> Rollout:
        self._looking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._looking.join()

    @property
    def cause(self) -> Card | None:
        """The card of the first unit that was in the way."""
        late = [card for _, card in self._late.values()]
        return self._hopeless or next(iter((*self._failed.values(), *late)), None)

    def _look(self) -> None:
        with closing(self._connect()) as client:
            before, shown = {pod["metadata"]["uid"] for pod in self._pods(client)}, dict[str, str]()
            refusals_before = set(map(_occurrence, self._refusals(client)))
            while True:
                ended = self._over.is_set()
                pods = [pod for pod in self._pods(client) if pod["metadata"]["uid"] not in before]
                refusals = [e for e in self._refusals(client) if _occurrence(e) not in refusals_before]
                for unit, line in self._progress(client, pods, refusals):
                    if shown.get(unit) != line:
                        shown[unit] = line
                        self._say("upgrade", line)
                if ended:
                    return
                self._over.wait(LOOK)

    def _pods(self, client: Client) -> list[Object]:
        from devenv.stack.labels import LABEL

        path = f"/api/v1/namespaces/{self._namespace}/pods"
        try:
            return list(client.look(path, labelSelector=f"{LABEL}stack={self._stack.name}")["items"])
        except DevenvError:  # away for a moment, or nothing there yet
            return []

    def _refusals(self, client: Client) -> list[Object]:
        from devenv.backends.kube import cards

        return cards.uncreated(client, self._namespace)

    def _progress(
        self, client: Client, pods: Sequence[Object], refusals: Sequence[Object] = ()
    ) -> Iterator[tuple[str, str]]:
        """Unit -> how far it is, of those that have new pods, or get none."""
        from devenv.backends.kube import cards
        from devenv.backends.kube import pods as pod_of
        from devenv.backends.kube.resources import label

        for unit in self._stack.units:
            own = [pod for pod in pods if label(pod, "unit") == unit.name]
            ready = sum(map(pod_of.ready, own))
            lacking = None
            if refusals and ready < unit.replicas:
                lacking = cards.no_pod(client, unit, self._namespace, refusals)
            if not own and lacking is None:
                continue
            if unit.one_shot and any(pod["status"].get("phase") == "Succeeded" for pod in own):
                self._forget(unit)  # it was tried again, and went well
                yield unit.name, f"{unit.name}  done"
                continue
            self.note(client, unit, own)
            if lacking is not None:
                self._failed.setdefault(unit.name, lacking)
            failed = self._failed.get(unit.name)
            what = f"  {failed.what}" if failed else ""
            yield unit.name, f"{unit.name}  {ready} of {max(len(own), unit.replicas)} ready{what}"

    def _forget(self, unit: Unit) -> None:
        self._failed.pop(unit.name, None)
        self._late.pop(unit.name, None)

    def note(self, client: Client, unit: Unit, pods: Sequence[Object]) -> None:
        """Keep the card of a pod that fails, or is late; forget it once all are ready."""
        from devenv.backends.kube import cards, pulls
        from devenv.backends.kube import pods as pod_of
        from devenv.backends.kube.verdict import Expected, Verdict, failure

        if all(map(pod_of.ready, pods)):
            self._forget(unit)
            return
        now = time.monotonic()
        for pod in pods:
            passed = now - self._first_seen.setdefault(pod_of.uid(pod), now)
            verdict = failure(unit, pod, Expected(""), passed=passed)
            made, _ = self._late.get(unit.name, (0.0, None))
            if verdict is not None:
                self._failed[unit.name] = cards.card(client, unit, self._namespace, verdict)
                if self._hopeless is None and pulls.are_hopeless(client, pod):
                    self._hopeless = self._failed[unit.name]
                    self._say("upgrade", f"{unit.name}  {verdict.failed}: not waited for any longer")
                    self._give_up()
            elif passed > self._late_after and now - made > self._late_after:
                late = Verdict(failed="was not ready in time", pod=pod_of.name(pod))
                self._late[unit.name] = now, cards.card(client, unit, self._namespace, late)


def _occurrence(event: Object) -> tuple[str, int]:
    """One time that something happened: an event is counted up when it happens again."""
    return str(event["metadata"]["uid"]), int(event.get("count") or 1)


def explained(error: DevenvError, cause: Card | None, again: str) -> DevenvError:
    """Why a rollout failed: the unit that was in the way, if one was. `again`: what to do about it."""
    if cause is None:
        error.hint = again
        return error
    hint = again if cause.hint.startswith("devenv logs") else f"{cause.hint}\n{again}"
    return UnitFailed(replace(cause, hint=hint))
