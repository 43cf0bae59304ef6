"""How far the pods of a release are while Helm waits for them, and why one of them failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING

from devenv.backends.helm import HelmBusy
from devenv.errors import Card, DevenvError, UnitFailed
from devenv.plan.promotion.rollout import Part, Prospect, Row

if TYPE_CHECKING:
    from devenv.backends.base import Clock
    from devenv.backends.kube.client import Client, Object

LOOK = 1.0  # seconds between two looks at the pods
LATE = 4.0  # seconds a pod may take to be ready until its card is made, and made again as its log goes on
LATE_SHARE = 0.2  # of the seconds that Helm waits, where that is less: the card is there before Helm ends
ASK = 3.0  # seconds between two questions whether a pod will ever be ready
SLOW = 15.0  # seconds after which a line says what it waits for, and how long Helm will
REMIND = 60  # seconds after which such a line comes again


@dataclass(frozen=True, slots=True)
class Order:
    """What is rolled out, where, and by which step of a command. `within`: seconds that Helm waits.

    `balanced`: Services to which the cluster has to give the address of a load balancer.
    """

    namespace: str
    parts: Sequence[Part]
    within: int
    step: str = "upgrade"
    balanced: Sequence[str] = ()


class Rollout:
    """Looks at the pods while it is entered, and keeps the cards of those that fail: Helm removes them.

    `give_up` is called once waiting for one of them makes no sense any more.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        order: Order,
        say: Callable[[str, str], None],
        give_up: Callable[[], None] | None = None,
        *,
        clock: Clock = time,
    ) -> None:
        self._connect, self._order, self._say, self._give_up = connect, order, say, give_up
        self._now = clock.monotonic
        self._late_after = min(LATE, LATE_SHARE * order.within)
        self._prospect = Prospect()
        self._hopeless: Card | None = None
        self._failed: dict[str, Card] = {}
        self._recovered: dict[str, Card] = {}  # failed once, and were ready at the last look
        self._late: dict[str, tuple[float, Card, str]] = {}  # the moment it was made, and what is waited for
        self._began: dict[str, float] = {}  # when the first new pod of a part was seen
        self._first_seen: dict[str, float] = {}
        self._asked: dict[str, float] = {}  # when the cluster was asked whether a pod will ever be ready
        self._shown: dict[str, str] = {}
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._run, daemon=True, name="rollout")

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
        late = [card for _, card, _ in self._late.values()]
        cards = (*self._failed.values(), *late, *self._recovered.values())
        return self._hopeless or next(iter(cards), None)

    def _run(self) -> None:
        with closing(self._connect()) as client:
            before = {pod["metadata"]["uid"] for pod in self._pods(client)}
            refusals_before = set(map(_occurrence, self._refusals(client)))
            while True:
                ended = self._over.is_set()
                pods = [pod for pod in self._pods(client) if pod["metadata"]["uid"] not in before]
                refusals = [e for e in self._refusals(client) if _occurrence(e) not in refusals_before]
                with suppress(DevenvError):  # the server went away in the middle: the next look tells
                    self.look(client, pods, refusals)
                    self.look_at_balancers(client)
                if ended:
                    return
                self._over.wait(LOOK)

    def look(self, client: Client, pods: Sequence[Object], refusals: Sequence[Object] = ()) -> None:
        """Say what is new of the pods, and give up where no waiting brings one of them up."""
        rows = list(self._rows(client, pods, refusals))
        for row in rows:
            self._show(row)
        if self._give_up is None or self._hopeless is not None:
            return
        hopeless = self._prospect.hopeless(rows)
        if hopeless and hopeless.name in self._failed:
            self._hopeless = self._failed[hopeless.name]
            self._say(self._order.step, f"{hopeless.name}  {hopeless.wrong}: not waited for any longer")
            self._give_up()

    def look_at_balancers(self, client: Client) -> None:
        """Keep the card of a Service that the cluster gives no address: some Helms wait for that."""
        from devenv.backends.entrance import of_balancer

        for name in self._order.balanced:
            if of_balancer(client, self._order.namespace, name):
                self._late.pop(name, None)
                continue
            now = self._now()
            if now - self._first_seen.setdefault(name, now) > self._late_after and name not in self._late:
                what, facts = "gets no address", (("type", "LoadBalancer"),)
                hint = "a cluster without load balancers takes gateway: deploy, ingress, kong or an httproute"
                self._late[name] = now, Card(name, what, facts=facts, hint=hint), ""
                self._say(self._order.step, f"{name}  waits for the address of a load balancer")

    def _pods(self, client: Client) -> list[Object]:
        try:
            return list(client.look(f"/api/v1/namespaces/{self._order.namespace}/pods")["items"])
        except DevenvError:  # away for a moment, or nothing there yet
            return []

    def _refusals(self, client: Client) -> list[Object]:
        from devenv.backends.kube import cards

        return cards.uncreated(client, self._order.namespace)

    def _show(self, row: Row) -> None:
        """Say a line that is another than the last about it, or that was said a minute ago."""
        line, left = row.line(), self._left(row)
        shown = line if left is None else f"{line} {left // REMIND}"
        if self._shown.get(row.name) != shown:
            self._shown[row.name] = shown
            self._say(self._order.step, line if left is None else f"{line}; Helm waits {left:.0f} s more")

    def _left(self, row: Row) -> float | None:
        """Seconds that Helm still waits for a part that is slow; None for any other."""
        if row.is_up or self._hopeless is not None or row.name not in self._began:
            return None
        passed = self._now() - self._began[row.name]
        return max(0.0, self._order.within - passed) if passed > SLOW else None

    def _rows(self, client: Client, pods: Sequence[Object], refusals: Sequence[Object]) -> Iterator[Row]:
        """How far each part is that has new pods, or gets none."""
        for part in self._order.parts:
            own = [pod for pod in pods if part.has(pod)]
            row = self._row(client, part, own)
            lacking = self._lacking(client, part, refusals) if refusals and not row.is_up else None
            if lacking is not None:
                self._failed.setdefault(row.name, lacking)
                row = replace(row, wrong=self._failed[row.name].what, final=_is_refused(lacking))
            if own or lacking is not None:
                yield row

    def _lacking(self, client: Client, part: Part, refusals: Sequence[Object]) -> Card | None:
        from devenv.backends.kube import cards

        return cards.no_pod(client, part.unit, self._order.namespace, refusals)

    def _row(self, client: Client, part: Part, pods: Sequence[Object]) -> Row:
        from devenv.backends.kube import pods as pod_of

        unit, ready = part.unit, sum(map(pod_of.ready, pods))
        ends = [pod_of.ended(pod) for pod in pods]
        row = Row(part, len(pods), ready, ends=sum(ends) if unit.one_shot else max(ends, default=0))
        if unit.one_shot and any(pod["status"].get("phase") == "Succeeded" for pod in pods):
            self._forget(unit.name)
            self._recovered.pop(unit.name, None)  # it was tried again, and went well
            return replace(row, done=True)
        if all(map(pod_of.ready, pods)):
            self._forget(unit.name)  # for now: what has no check is ready as soon as it runs
            return row
        final = max([self._note(client, part, pod) for pod in pods])
        failed, (_, _, awaits) = self._failed.get(unit.name), self._late.get(unit.name, (0, None, ""))
        return replace(row, wrong=failed.what if failed else "", final=final, awaits=awaits)

    def _forget(self, name: str) -> None:
        if card := self._failed.pop(name, None):
            self._recovered[name] = card
        self._late.pop(name, None)

    def _note(self, client: Client, part: Part, pod: Object) -> bool:
        """Keep the card of a pod that fails, or is late. Returns whether no waiting mends it."""
        from devenv.backends.kube import cards, outlook
        from devenv.backends.kube import pods as pod_of
        from devenv.backends.kube.verdict import Expected, Verdict, failure

        unit, now = part.unit, self._now()
        passed = now - self._first_seen.setdefault(pod_of.uid(pod), now)
        self._began.setdefault(unit.name, now)
        ending = None
        if now - self._asked.get(pod_of.uid(pod), -ASK) >= ASK:
            self._asked[pod_of.uid(pod)] = now
            ending = outlook.dead_end(client, unit, pod, passed=passed)
        verdict = failure(unit, pod, Expected(""), passed=passed) or ending
        made = self._late[unit.name][0] if unit.name in self._late else 0.0
        stale = now - made > LATE or made - now + passed <= SLOW < passed
        if verdict is not None:
            self._failed[unit.name] = cards.card(client, unit, self._order.namespace, verdict)
        elif passed > self._late_after and stale and not pod_of.ready(pod):
            awaits = outlook.awaited(client, unit, pod) if passed > SLOW else ""
            facts = outlook.unready(client, unit, pod)
            late = Verdict(failed="was not ready in time", pod=pod_of.name(pod), facts=facts)
            self._late[unit.name] = now, cards.card(client, unit, self._order.namespace, late), awaits
        return ending is not None


def _is_refused(card: Card) -> bool:
    from devenv.backends.kube.outlook import REFUSED

    return any(REFUSED.search(fact) for _, fact in card.facts)


def _occurrence(event: Object) -> tuple[str, int]:
    """One time that something happened: an event is counted up when it happens again."""
    return str(event["metadata"]["uid"]), int(event.get("count") or 1)


def explained(error: DevenvError, cause: Card | None, again: str) -> DevenvError:
    """Why a rollout failed: the unit that was in the way, if one was. `again`: what to do about it.

    Where somebody else is at work, a unit that does not get ready is theirs, and so is what is half made.
    """
    if isinstance(error, HelmBusy):
        return error
    if cause is None:
        error.hint = again
        return error
    vague = not cause.hint or cause.hint.startswith("devenv logs")
    hint = again if vague else f"{cause.hint}\n{again}"
    return UnitFailed(replace(cause, hint=hint))
