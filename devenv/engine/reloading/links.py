"""What containers hold of their units' sources, and how they get the rest.

A container holds what its image brought and what was sent since. The former is remembered when the image is
built, the latter is asked of the container.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from devenv.backends.agent import Agent, Sending, Sent
from devenv.backends.base import StreamEnded
from devenv.engine.ready import Tail, each, restart
from devenv.engine.reloading.synced import Held, Synced
from devenv.errors import Card, DevenvError, UnitFailed
from devenv.plan.model import Edits
from devenv.stack import text
from devenv.stack.reloading.decisions import Action, Decision, decide
from devenv.stack.reloading.rules import Rules, Source, emptied

if TYPE_CHECKING:
    from devenv.backends.base import Backend, Say, Stream
    from devenv.plan.model import ObservedUnit
    from devenv.stack.model import Unit

AGAIN = 0.2  # seconds between two looks for new containers
TAIL = 15  # lines of a failed command on its card

Wanted = Mapping[str, Source]
"""Path in a container -> the file of the project that belongs there."""


class Emptied(DevenvError):
    """A synced folder vanished or is empty; containers keep its files, as nobody knows that it is meant."""

    def __init__(self, unit: Unit, folder: str, count: int) -> None:
        files = "its file" if count == 1 else f"its {count} files"
        without = "devenv up --build" if unit.build else "devenv down, devenv up"
        super().__init__(
            "all sources are gone" if folder == "." else f"nothing is left of {folder}",
            where=unit.name,
            why=f"an unmounted disk looks the same, so the container keeps {files}",
            hint=f"bring them back, or make a container without them: {without}",
        )


class Link:
    """One container of a unit, and what it holds."""

    def __init__(self, agent: Agent, rules: Rules, image: Held, mark: Callable[[], None]) -> None:
        self.agent, self._rules, self._roots = agent, rules, roots(rules)
        self._mark: Callable[[], None] | None = mark
        self.note = ""  # what is worth knowing of how files got there
        self.unsent: Mapping[str, str] = {}  # path in the container -> why it did not arrive the last time
        self._origins = {target: source.path for target, source in image.items()}
        brought = {target: source.digest for target, source in image.items()}
        self.held = {target: digest for target, digest in {**brought, **agent.record}.items() if digest}

    def missing(self, wanted: Wanted, root: Path) -> list[Sending]:
        """What has to be sent so that the container holds the wanted files, but for those that it `keeps`."""
        kept = {target for targets in self.keeps(wanted).values() for target in targets}
        gone = [self._sending(target, None) for target in self.held.keys() - wanted.keys() - kept]
        new = [
            self._sending(target, posixpath.join(root, source.path), source.digest)
            for target, source in wanted.items()
            if self.held.get(target) != source.digest
        ]
        self._origins |= {sending.target: wanted[sending.target].path for sending in new}
        return gone + new

    def keeps(self, wanted: Wanted) -> Mapping[str, Sequence[str]]:
        """Synced folder that vanished or is empty -> the paths in the container of what it held."""
        gone = self.held.keys() - wanted.keys()
        return emptied(
            self._rules, {target: self._origins.get(target, "") for target in sorted(gone)}, wanted
        )

    def names(self, targets: Iterable[str], wanted: Wanted) -> set[str]:
        """The paths in the project of files of the container, of deleted ones as well."""
        return {
            wanted[target].path
            if target in wanted
            else self._origins.get(target) or source_of(self._rules, target)
            for target in targets
        }

    def lacks(self, wanted: Wanted, root: Path) -> set[str]:
        """The paths in the project of all that the container holds otherwise, or more than is wanted."""
        kept = [target for targets in self.keeps(wanted).values() for target in targets]
        missing = [sending.target for sending in self.missing(wanted, root)]
        return self.names(kept, wanted) | self.names(missing, wanted)

    def _sending(self, target: str, source: str | None, digest: str = "") -> Sending:
        return Sending(target, source, digest, root_of(self._roots, target))

    def send(self, sendings: Sequence[Sending]) -> Sent:
        """Send files and note what arrived. Raises `StreamEnded` when the container is gone.

        The first time, its instance is marked as edited before.
        """
        if sendings and self._mark:
            self._mark()
            self._mark = None
        sent = self.agent.send(sendings)
        self.unsent = sent.failed
        for target, digest in sent.digests.items():
            if digest:
                self.held[target] = digest
            else:
                self.held.pop(target, None)
        return sent

    def bring(
        self, unit: Unit, wanted: Wanted, root: Path, secrets: Mapping[str, str], say: Say, tail: Tail
    ) -> None:
        """Send all that is missing, and do what that causes. Raises `DevenvError` for what did not arrive.

        A program that was held back for its files is started. Raises `UnitFailed` for one that was started
        anew and does not get ready: its container runs on, and a pod counts as ready for a while.
        """
        sendings = self.missing(wanted, root)
        sent = self.send(sendings)
        self.note = sent.note
        if failed := sent.failed:
            path, why = next(iter(failed.items()))
            what = f"{unit.name}: {len(failed)} of {len(sendings)} files could not be sent"
            raise DevenvError(what, where=path, why=why, hint="devenv up --build")
        decision = decide(self._rules, self.names((sending.target for sending in sendings), wanted))
        self.run(unit, decision, secrets, say)
        if self.holds_back():
            self.agent.release()
        elif decision.action is Action.RESTART:
            restart(unit, [self.agent], secrets, Event(), tail)
        for folder, targets in self.keeps(wanted).items():
            raise Emptied(unit, folder, len(targets))

    def holds_back(self) -> bool:
        """Whether the program was not started yet, as its files were not there."""
        return self.agent.hello.supervised and self.agent.program().state == "held"

    def run(
        self, unit: Unit, decision: Decision, secrets: Mapping[str, str], say: Say, *, shown: bool = False
    ) -> None:
        """Run the commands that changed files cause. Raises `UnitFailed` for the first that fails.

        `shown`: what is said stays in view, so that the error need not repeat it.
        """
        for command in decision.run:
            output: list[str] = []

            def line(printed: str, output: list[str] = output) -> None:
                output.append(printed)
                say(printed)

            code = self.agent.run([text.reveal(word, secrets) for word in command], output=line)
            if code:
                typed = " ".join(map(text.masked, command))
                what = f"failed at `{typed}` (exit {code})"
                raise UnitFailed(Card(unit.name, what, output=tuple(output[-TAIL:]), shown=shown))

    def close(self) -> None:
        """Hang up."""
        self.agent.close()


def linked(backend: Backend, unit: ObservedUnit, instance: str, rules: Rules, image: Held) -> Link:
    """Start an agent in a container. Raises `DevenvError`."""

    def attach(argv: Sequence[str]) -> Stream:
        return backend.attach(unit, argv, instance=instance)

    agent = Agent.start(attach, backend.privileged(unit, instance), roots=roots(rules))
    return Link(agent, rules, image, lambda: backend.mark_edited(unit, instance))


class Links:
    """The links to the containers of units; those that lack something stay open until it is sent."""

    def __init__(self, backend: Backend, root: Path, link_to: Callable[..., Link] = linked) -> None:
        self._backend, self._root, self._link_to = backend, root, link_to
        self._open: dict[tuple[str, str], Link] = {}
        self.notes: set[str] = set()  # what is worth knowing of what was sent

    def edits(
        self, synced: Synced, units: Sequence[Unit], observed: Mapping[str, ObservedUnit]
    ) -> dict[str, Edits]:
        """What the containers of units lack; every one of them is asked, all at once."""
        while self._open:  # of a plan that was not carried out
            self._open.popitem()[1].close()
        with ThreadPoolExecutor(max_workers=16) as pool:
            compared = pool.map(lambda unit: self._edits(synced, unit, observed[unit.name]), units)
            return {unit.name: edits for unit, edits in zip(units, compared, strict=True)}

    def _edits(self, synced: Synced, unit: Unit, observed: ObservedUnit) -> Edits:
        """Nothing where no container runs.

        One that cannot be asked, as without a shell, holds no more than its image: another one is needed as
        soon as the sources are others.
        """
        rules, image = synced.rules[unit.name], synced.held(unit, observed.image)
        if not observed.running:
            return Edits()
        if image is None:
            return Edits(unknown=True)
        wanted = synced.wanted(unit)
        if not observed.edited and image == wanted:
            return Edits()
        files, waiting = set[str](), False
        for instance in self._backend.instances(observed):
            edits = self._edits_of(instance, unit, observed, rules, image, wanted)
            if edits is not None:
                files.update(edits.files)
                waiting |= edits.waiting
            elif unit.image.rpartition("/")[2] != observed.image.rpartition("/")[2]:
                return Edits(unknown=True)
        return Edits(tuple(sorted(files)), waiting=waiting)

    def _edits_of(
        self, instance: str, unit: Unit, observed: ObservedUnit, rules: Rules, image: Held, wanted: Wanted
    ) -> Edits | None:
        """What one container lacks, whose link stays open then; None for one that cannot be asked."""
        try:
            with ExitStack() as unneeded:
                link = self._link_to(self._backend, observed, instance, rules, image)
                unneeded.callback(link.close)
                files = tuple(link.lacks(wanted, self._root))
                edits = Edits(files, waiting=unit.sourceless and link.holds_back())
                if edits.files or edits.waiting:
                    unneeded.pop_all()
                    self._open[unit.name, instance] = link
        except (DevenvError, StreamEnded):
            return None
        return edits

    def sync(
        self,
        synced: Synced,
        unit: Unit,
        observed: ObservedUnit,
        secrets: Mapping[str, str],
        say: Say,
        tail: Tail,
        *,
        but: Collection[str] = (),
    ) -> list[str]:
        """Send the containers of a unit what they lack of its sources, all at once, `but` for some instances.

        Returns those that were sent to. Raises `DevenvError`.
        """
        image, wanted = synced.held(unit, observed.image) or {}, synced.wanted(unit)

        def bring_over(link: Link) -> None:
            with closing(link):
                link.bring(unit, wanted, self._root, secrets, say, tail)
            self.notes |= {f"{unit.name}: {link.note}"} if link.note else set()

        def bring(instance: str) -> None:
            if link := self._open.pop((unit.name, instance), None):
                with suppress(StreamEnded):  # its container has ended since it was asked, and may be back
                    bring_over(link)
                    return
            try:
                link = self._link_to(self._backend, observed, instance, synced.rules[unit.name], image)
                bring_over(link)
            except StreamEnded as error:
                what = f"a container of {unit.name} ended while files were sent to it"
                raise DevenvError(what, why=str(error), hint="devenv up") from error

        instances = [instance for instance in self._backend.instances(observed) if instance not in but]
        each(bring, instances)
        return instances


@contextmanager
def repeated(send: Callable[[Collection[str]], list[str]], every: float = AGAIN) -> Iterator[None]:
    """Meanwhile, send to the containers that appear; their programs wait for it.

    `send` takes the instances that have their files and returns those that it sent to. What it raises counts
    in the end only: a container may go away while it is sent to.
    """
    done, over = set[str](), Event()

    def follow() -> None:
        while not over.wait(every):
            with suppress(DevenvError):
                done.update(send(done))

    thread = Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        send(done)


def roots(rules: Rules) -> tuple[str, ...]:
    """The folders of containers that files are sent to."""
    targets = [sync.target for sync in (*rules.sync, *rules.copies) if sync.target and not sync.built]
    return tuple(dict.fromkeys(_folder(target) for target in targets))


def root_of(roots: Iterable[str], target: str) -> str:
    """The deepest of these folders that a path is in; its own where it is in none."""
    above = [root for root in roots if target.startswith(f"{root.rstrip('/')}/")]
    return max(above, key=len, default=posixpath.dirname(target))


def _folder(target: str) -> str:
    return target.rstrip("/") or "/"


def source_of(rules: Rules, target: str) -> str:
    """Where in the project a file of a container came from; its path there where no rule says so."""
    for rule in reversed((*rules.copies, *rules.sync)):
        top = rule.target.rstrip("/")
        if rule.target and not rule.built and (target == top or target.startswith(f"{top}/")):
            return posixpath.normpath(f"{rule.shown}{target[len(top) :]}")
    return target
