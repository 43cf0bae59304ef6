"""One unit of the loop: what its containers should hold, and what is done until they do.

What is missing is always found by comparing all wanted files with all that a container holds. A file that a
container did not take is sent again after a while. What changed files cause is owed until it went well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.backends.base import Interrupted, StreamEnded
from devenv.backends.dialogue import Paused, Unsendable
from devenv.engine.ready import await_ready, start
from devenv.engine.reloading.feedback import WINDOW, Feedback, Verdict
from devenv.engine.reloading.links import Emptied, Link
from devenv.engine.reloading.site import Retry, Site
from devenv.errors import DevenvError, UnitFailed
from devenv.events import Note, Reloaded
from devenv.stack.reloading.decisions import Action, Decision, causes, decide, landed

if TYPE_CHECKING:
    from devenv.backends.agent import Agent
    from devenv.engine.loaded import Loaded
    from devenv.stack.model import Unit

AGAIN = 0.2  # seconds before a container or an engine that went away is asked again
ECHOES = 100  # files that may change because of an action; more are certainly none
RELOADING = 2.0  # seconds that a program takes to see files and to start by itself
GO_ON = "r or another file goes on, reload.ignore leaves it out"


class Feed:
    """One unit: what its containers should hold, and the thread that sees to it."""

    def __init__(self, site: Site, unit: Unit, loaded: Loaded) -> None:
        self._site, self._changed = site, threading.Condition()
        self._mute = ""  # why nothing can be sent to its containers
        self._paths: dict[str, str] = {}
        self._since = 0.0
        self.take(unit, loaded, {}, 0.0)
        self._anew = False  # whether linked containers may hold other files than is known
        self._links: dict[str, Link] = {}
        self._asked, self._trouble = False, ""
        self._instances: set[str] = set()
        self._met = False  # whether it is known which containers run
        self._linked: set[str] = set()  # at any time
        self._emptied: set[str] = set()
        self._owed: set[str] = set()  # files that arrived, and whose commands or restart have yet to go well
        self._retry = Retry(site.again)
        self._outdated = ""  # why a new image is due
        self._began = ""  # when the program was restarted that is not known to be ready
        self._turn = threading.Event()  # set when there is something better to do than to wait for that
        self._feedback, self._held = Feedback(), dict[str, str]()
        self._building = False
        self._gate = threading.Event()
        self._gate.set()
        site.begin(self._run, f"reload {unit.name}")

    # -- what others tell it

    def change(self, digests: Mapping[str, str], since: float) -> None:
        """Files of the project that changed: path -> digest, "" for one that is gone."""
        with self._changed:
            self._since = self._since if self._paths else since
            self._paths |= digests
            if decide(self._rules, digests).action is not Action.NONE:
                self._turn.set()
            self._changed.notify_all()

    def appear(self, instance: str) -> None:
        """A container of the unit runs."""
        with self._changed:
            self._instances.add(instance)
            self._changed.notify_all()

    def meet(self, instances: Collection[str]) -> None:
        """Exactly these containers of the unit run."""
        for instance in self._instances - set(instances):
            self.end(instance)
        for instance in instances:
            self.appear(instance)
        with self._changed:
            self._met = True
            self._changed.notify_all()

    def end(self, instance: str) -> None:
        """A container of the unit ended."""
        with self._changed:
            self._instances.discard(instance)
            if link := self._links.pop(instance, None):
                link.close()

    def take(self, unit: Unit, loaded: Loaded, digests: Mapping[str, str], since: float) -> None:
        """The unit, as the manifest says it now, and what changed after the files were read for that.

        What was said of files before does not count any more: it may be older. What containers hold is asked
        anew: a file that came and went meanwhile is known to them alone, and whoever applied the manifest may
        have sent files to them as well.
        """
        with self._changed:
            self.unit, self._synced, self._secrets = unit, loaded.synced, loaded.secrets
            self._rules, self._wanted = loaded.synced.followed[unit.name], loaded.synced.wanted(unit)
            self._mute = self._mute or self._rules.unsent
            self._anew, self._paths = True, {}
            if digests:
                self._want(digests)
                self.change(digests, since)
            self._changed.notify_all()

    def restart(self) -> None:
        """Restart the program without a change."""
        with self._changed:
            self._asked = True
            self._turn.set()
            self._changed.notify_all()

    def hold(self) -> None:
        """Do nothing until `release`: somebody else changes the unit's containers."""
        self._gate.clear()

    def release(self) -> None:
        """Go on."""
        if self._building:
            self._building = False
            self._feedback.ended(time.monotonic())
        self._gate.set()

    def close(self) -> None:
        """Hang up."""
        with self._changed:
            for link in self._links.values():
                link.close()
            self._turn.set()
            self._changed.notify_all()

    # -- its thread

    def _run(self) -> None:
        while not self._site.stop.is_set():
            with self._changed:
                self._changed.wait_for(self._has_work, self._patience(time.monotonic()))
            self._gate.wait()
            with self._changed:
                digests, self._paths = self._paths, {}
                self._want(digests)
                if self._anew:
                    self._unlink()
                since, new = self._since, self._unlinked()
                self._turn.clear()
            try:
                if digests:
                    self._follow(digests, since)
                else:
                    self._catch_up(time.monotonic(), since)
                for instance in new:
                    self._connect(instance)
                if self._asked and self._met:
                    self._asked = False
                    self._restart_anyway()
                self._resume()
                self._trouble = ""
            except Interrupted:
                return
            except StreamEnded:  # a container went away in the middle; what it lacks is found when it is back
                self._hang_up()
            except DevenvError as error:
                self._complain(tuple(digests), error)

    def _restart_anyway(self) -> None:
        if self._links:
            self._deliver(self._links, time.monotonic(), asked=True)
        elif self._mute:
            self._site.restart(self.unit.name)
        else:
            self._site.report(Note(f"{self.unit.name} does not run"))

    def _complain(self, files: tuple[str, ...], error: DevenvError) -> None:
        """Report an error once, however often the next try meets it."""
        if files or error.what != self._trouble:
            self._site.report(Reloaded(self.unit.name, files, Action.NONE, error=error))
        self._trouble = error.what
        self._site.stop.wait(AGAIN)

    def _hang_up(self) -> None:
        with self._changed:
            self._unlink()
        self._site.stop.wait(AGAIN)

    def _unlink(self) -> None:
        """Have containers linked anew: they are asked what they hold then, and get what they lack."""
        for link in self._links.values():
            link.close()
        self._links.clear()
        self._anew = False

    def _has_work(self) -> bool:
        asked = self._asked and self._met
        return bool(self._paths or self._anew or asked or self._unlinked() or self._site.stop.is_set())

    def _patience(self, now: float) -> float | None:
        """Seconds until something is due without a change: files to send again, or held ones to act upon."""
        due = [self._retry.due] if self._lacks_any() else []
        due += [self._feedback.due] if self._feedback.holds else []
        return max(0.0, min(due) - now) if due else None

    def _catch_up(self, now: float, since: float) -> None:
        """Do what is due."""
        if self._feedback.holds and self._feedback.due <= now:
            self._feedback.silent()
            digests, self._held = self._held, {}
            self._cause(digests, since)
        elif self._lacks_any() and self._retry.due <= now:
            self._deliver(self._links, since)

    def _lacks_any(self) -> bool:
        """Whether there is a file that a container did not take."""
        return any(link.unsent for link in list(self._links.values()))  # one may end meanwhile

    def _unlinked(self) -> set[str]:
        return set() if self._rules.unsent else self._instances - self._links.keys()

    def _want(self, digests: Mapping[str, str]) -> None:
        """Containers should hold changed files as they are now."""
        for path, digest in digests.items():
            for target, source in landed(self._rules, path, digest).items():
                if digest:
                    self._wanted[target] = source
                else:
                    self._wanted.pop(target, None)

    def _follow(self, digests: Mapping[str, str], since: float) -> None:
        """Do what changed files cause, which are wanted by now."""
        kept = self._kept()
        digests = {path: digest for path, digest in digests.items() if path not in kept}
        if digests := self._judged(digests, since):
            self._cause(digests, since)

    def _judged(self, digests: Mapping[str, str], since: float) -> Mapping[str, str]:
        """Those to act upon now, with those that were held; none where their change echoes an action."""
        paths = list(digests)
        if len(paths) <= ECHOES:
            paths = [path for path in paths if causes(self._rules, path)]
        verdict = Verdict.ACT
        # A program that does not see a new file does not answer to it.
        if paths and (self._rules.reloader or decide(self._rules, paths).action is not Action.SYNC):
            verdict = self._feedback.judge(paths, since, time.monotonic())
        if verdict is Verdict.ACT:
            digests, self._held = {**self._held, **digests}, {}
            return digests
        if verdict is Verdict.HOLD:
            self._held |= digests
        elif verdict is Verdict.SUSPEND:
            files, reason = tuple(sorted(paths)), self._feedback.echo(min(paths))
            self._site.report(Reloaded(self.unit.name, files, Action.NONE, reason, GO_ON))
        return {}

    def _cause(self, digests: Mapping[str, str], since: float) -> None:
        """Do what changed files cause that are to be acted upon."""
        decision = decide(self._rules, digests)
        if (
            decision.action is not Action.NONE
            and not self._instances
            and not self._site.wanted(self.unit.name)
        ):
            return  # it gets all that it lacks once somebody starts it
        if decision.action is Action.REBUILD:
            self._rebuild(tuple(digests), decision)
        elif decision.action is not Action.NONE and self._mute and not self.unit.build:
            self._say(f"{_counted(digests, 'is', 'are')} not sent: {self._mute}")
        elif decision.action is not Action.NONE and self._mute:
            self._rebuild(tuple(digests), replace(decision, action=Action.REBUILD, cheaper=self._mute))
        elif decision.action is not Action.NONE and not self._links:
            if not self._runs_soon():  # those that run are linked next, and get all that they lack
                waiting = _counted(digests, "waits", "wait")
                self._site.report(Note(f"{self.unit.name} does not run: {waiting} for it"))
        elif decision.action is not Action.NONE or self._lacks_any():
            self._deliver(self._links, since)

    def _runs_soon(self) -> bool:
        """Whether a container runs, or is told of in a moment: a busy engine tells late of its start."""

        def known() -> bool:
            return bool(self._instances) or self._site.stop.is_set()

        with self._changed:
            return self._changed.wait_for(known, self._site.moment)

    def _kept(self) -> set[str]:
        """The files that containers keep though nothing is left of their folders, which is reported once."""
        files, emptied = set[str](), dict[str, int]()
        for link in list(self._links.values()):
            for folder, targets in link.keeps(self._wanted).items():
                files |= link.names(targets, self._wanted)
                emptied[folder] = len(targets)
        # One that the Dockerfile does not copy last any more is not gone: a new image takes its files.
        copied = {sync.shown for sync in (*self._rules.copies, *self._rules.sync) if not sync.built}
        for folder in (emptied.keys() & copied) - self._emptied:
            error = Emptied(self.unit, folder, emptied[folder])
            self._site.report(Reloaded(self.unit.name, (), Action.NONE, error=error))
        if self._links:  # otherwise nobody knows what is kept
            self._emptied = set(emptied)
        return files

    def _rebuild(self, files: tuple[str, ...], decision: Decision) -> None:
        self._outdated, self._building = decision.reason, True
        self._feedback.began(time.monotonic())
        action = Action.RESTART if self._rules.plain else decision.action
        self._site.report(Reloaded(self.unit.name, files, action, decision.reason, decision.cheaper))
        self._site.rebuild(self.unit.name)

    def _connect(self, instance: str) -> None:
        """Link a container that appeared, and send what it lacks: edits made while it was down."""
        site, started = self._site, time.monotonic()
        observed = site.backend.observe(site.checkout).units.get(self.unit.name)
        if observed is None:
            self.end(instance)
            return
        image = self._synced.held(self.unit, observed.image) or {}
        try:
            link = site.link_to(site.backend, observed, instance, self._rules, image)
        except Unsendable as error:
            self._silence(error.what)
            self.end(instance)
            return
        except DevenvError:
            if self._runs(instance):
                raise
            self.end(instance)  # it went away meanwhile, and its successor is met
            return
        self._mute = ""
        with self._changed:
            if instance not in self._instances:  # it ended meanwhile
                link.close()
                return
            self._links[instance] = link
        if instance not in self._linked:  # its program started with all that earlier ones were owed
            self._linked.add(instance)
            self._owed.clear()
            self._outdated = self._began = ""
        self._kept()
        self._deliver({instance: link}, started, again=bool(self._owed))
        if link.holds_back():
            link.agent.release()

    def _runs(self, instance: str) -> bool:
        backend = self._site.backend
        observed = backend.observe(self._site.checkout).units.get(self.unit.name)
        return observed is not None and instance in backend.instances(observed)

    def _silence(self, why: str) -> None:
        """Nothing can be sent to its containers, which is reported once."""
        if why != self._mute:
            self._say(f"every save builds it: {why}" if self.unit.build else f"nothing is sent to it: {why}")
        self._mute = why

    def _deliver(
        self, links: Mapping[str, Link], since: float, *, asked: bool = False, again: bool = False
    ) -> None:
        """Send what containers lack, and do what that causes."""
        self._feedback.began(time.monotonic())
        try:
            self._act(links, since, asked=asked, again=again)
        finally:
            window = WINDOW + (RELOADING if self._rules.reloader else 0.0)
            self._feedback.ended(time.monotonic(), window=window)

    def _act(
        self, links: Mapping[str, Link], since: float, *, asked: bool = False, again: bool = False
    ) -> None:
        """Send what containers lack; do what that causes, with what is owed; report how long each took.

        `asked`: restart in any case. `again`: do what is owed even if nothing arrives.
        """
        site, name, links = self._site, self.unit.name, dict(links)
        decision = Decision(Action.NONE)
        try:
            arrived, unsent = self._send(links.values())
            synced = time.monotonic()
            acts = bool(arrived) or asked or again
            if acts:
                decision = decide(self._rules, self._owed)
            if asked:
                reason = decision.reason if self._owed else "asked for"
                decision = replace(decision, action=Action.RESTART, reason=reason)
            for link in links.values():
                link.run(self.unit, decision, self._secrets, self._say, shown=True)
            if decision.action is Action.RESTART:
                self._restart(links.values())
        except Paused:  # its stream is closed; a new link is tried until the container goes on
            self._hang_up()
            raise
        except DevenvError as error:
            site.report(Reloaded(name, decision.files, decision.action, decision.reason, error=error))
            return
        if acts:
            self._owed.clear()
        if decision.action is Action.NONE and not unsent:
            return
        restarted = decision.action is Action.RESTART and not self._began
        ready = time.monotonic() - synced if restarted else None
        site.report(
            Reloaded(
                name,
                decision.files,
                decision.action,
                decision.reason,
                decision.cheaper,
                synced - since,
                ready,
                unsent,
            )
        )
        if self._outdated and arrived:
            site.report(Note(f"{name}: a new image is still due ({self._outdated})"))
            self._outdated = ""

    def _send(self, links: Iterable[Link]) -> tuple[set[str], Mapping[str, str]]:
        """Send what is missing. Returns the files that arrived, and path in the container -> why one did not;
        nothing of the latter where all of it was so before."""
        arrived, unsent, news = set[str](), dict[str, str](), False
        for link in links:
            before, sendings = link.unsent, link.missing(self._wanted, self._site.root)
            with self._patient(len(sendings)):
                sent = link.send(sendings)
            if sent.note:
                self._say(sent.note)
            failed = sent.failed
            taken = [sending.target for sending in sendings if sending.target not in failed]
            files = link.names(taken, self._wanted)
            arrived |= files
            self._owed |= files
            unsent |= failed
            news = news or bool(taken) or failed != before
        self._retry.plan(time.monotonic(), anew=news)
        return arrived, unsent if news else {}

    @contextmanager
    def _patient(self, count: int) -> Iterator[None]:
        """Say it where files take long to arrive: an engine or a network that stands still says nothing."""
        files = f"{count} file{'s are' if count > 1 else ' is'}"
        line = f"{files} on the way for {self._site.patience:g} s, and nothing answers yet"
        timer = threading.Timer(self._site.patience, self._say, (line,))
        timer.daemon = True
        if count:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _say(self, line: str) -> None:
        self._site.report(Note(f"{self.unit.name}: {line}"))

    def _restart(self, links: Iterable[Link]) -> None:
        agents = [link.agent for link in links]
        if supervised := [agent for agent in agents if agent.hello.supervised]:
            self._began = start(self.unit, supervised)
            self._await_ready(supervised)
        if len(supervised) < len(agents):
            self._site.restart(self.unit.name)

    def _await_ready(self, agents: Sequence[Agent]) -> None:
        """Return when restarted programs are ready, or when there is something better to do than to wait."""
        began, self._began = self._began, ""
        try:
            await_ready(self.unit, agents, self._secrets, self._turn, self._site.tail, began)
        except Interrupted:
            if self._site.stop.is_set():
                raise
            self._began = began

    def _resume(self) -> None:
        """Wait on for programs that were not ready when something else came up."""
        if self._began and (agents := [link.agent for link in list(self._links.values())]):
            try:
                self._await_ready([agent for agent in agents if agent.hello.supervised])
            except UnitFailed as error:
                self._site.report(Reloaded(self.unit.name, (), Action.RESTART, error=error))


def _counted(files: Collection[str], one: str, many: str) -> str:
    """`1 changed file waits`, `2 changed files wait`."""
    return f"1 changed file {one}" if len(files) == 1 else f"{len(files)} changed files {many}"
