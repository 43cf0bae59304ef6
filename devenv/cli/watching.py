"""Hot reload in a terminal: logs, what changed files caused, and keys. Commands: watch, why."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli import keys
from devenv.cli.arguments import Json, names_known
from devenv.cli.printing import print_lines
from devenv.errors import INTERRUPTED, DevenvError, UsageError, did_you_mean

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.engine.lifecycle import Request
    from devenv.engine.loaded import Loaded
    from devenv.engine.reloading.loop import Reloading
    from devenv.events import Event, Report

HEARS = 0.5  # seconds until Ctrl-C is heard for certain
AGAIN = 1.0  # seconds until logs that ended are looked for again, unless something moves
HELP = "keys: r restart  b rebuild  l logs of one  o open  q leave"


def watch(ctx: typer.Context, json_: Json = False) -> None:
    """Send changed files to the running stack until Ctrl-C, as `devenv up` does in the foreground."""
    from devenv.engine.lifecycle import Request

    context: Context = ctx.obj
    loaded = context.load(strict=True, tolerate=())
    if not loaded.observed.units:
        raise UsageError("nothing of this checkout is running", hint="devenv up")
    with context.workspace.only_one("watch", "watch") as first:
        if first:
            raise UsageError(f"{first} already watches this stack", hint="end it first, or use its terminal")
        Watching(context, Request(), loaded, as_json=json_).run(names=overdue(context, loaded))


def overdue(context: Context, loaded: Loaded) -> tuple[str, ...]:
    """The running units that have to be made anew for what changed while nobody watched."""
    from devenv.plan.model import Op
    from devenv.plan.planner import Intent

    units = {unit.name for unit in loaded.stack.units}
    running = tuple(sorted(unit.unit for unit in loaded.observed.units.values() if unit.running))
    names = tuple(name for name in running if name in units)
    plan = context.project.plan(loaded, context.place.backend, Intent(names)) if names else ()
    return tuple(step.target for step in plan if step.op is Op.APPLY and step.target in names)


def why(
    ctx: typer.Context,
    name: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Only these services.", autocompletion=names_known),
    ] = None,
    json_: Json = False,
) -> None:
    """Show what hot reload did last, with the file and the rule that caused it."""
    from dataclasses import asdict

    from devenv.console.reload import history
    from devenv.engine.reloading.journal import Journal

    context: Context = ctx.obj
    every, names = Journal(context.workspace.state).entries(), set(name or ())
    _require_known(context, names - {entry.unit for entry in every})
    entries = [entry for entry in every if not names or entry.unit in names]
    if json_:
        context.console.json([asdict(entry) for entry in entries])
    elif not entries:
        to = f" to {', '.join(sorted(names))}" if names else ""
        context.console.sentence(
            f"no file was sent{to} yet; `devenv up` watches, `devenv plan --reload` shows the rules"
        )
    else:
        context.console.print("\n".join(history(context.console, entries)))


def _require_known(context: Context, names: Iterable[str]) -> None:
    """Raises `UsageError` for a name that the manifest does not have; a broken one has any."""
    known = list(names)
    with suppress(DevenvError):
        known = context.project.manifest.names()
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known, f"there are: {', '.join(known)}")
            raise UsageError(f'no service "{name}"', hint=hint)


def wait_for(event: threading.Event) -> None:
    """Wait in steps: a Ctrl-C that the kernel gives to another thread does not wake the main one."""
    while not event.wait(HEARS):
        pass


class Watching:
    """One session in a terminal, of `up` with the units that it was asked for, or of `watch`."""

    def __init__(
        self,
        context: Context,
        request: Request,
        loaded: Loaded,
        *,
        units: tuple[str, ...] | None = None,
        as_json: bool = False,
    ) -> None:
        from devenv.engine.reloading.journal import Journal

        self._units = units
        self._context, self._loaded, self._json = context, loaded, as_json
        self._asked = self._request = request
        self._journal = Journal(context.workspace.state)
        self._times: list[float] = []
        self._moved, self._left = threading.Event(), threading.Event()
        self._choice: keys.Choice | None = None
        self._act: Callable[[str], None] = self._show_only
        self._only = ""
        self._noted = set(loaded.notes)
        self._broken: BaseException | None = None
        self._failed = False  # whether the last plan was not carried out whole

    def run(self, *, names: tuple[str, ...] = ()) -> None:
        """Follow changes and logs until `q`, or Ctrl-C, which exits with 130; everything is left running.

        `names`: units that are brought up to date first.
        """
        from devenv.engine.reloading.synced import BUILT
        from devenv.events import Note

        console, interrupted = self._context.console, False
        reloading = self._reloading()
        there = {*self._loaded.observed.units, *(self._units or ())}
        for unit in (unit for unit in self._loaded.stack.units if unit.name in there):
            if (rules := self._loaded.synced.builds.get(unit.name)) and not (rules.plain and rules.reloader):
                verb = "restarts" if rules.plain else "builds"
                see = "; see devenv plan --reload" * (rules.unsent == BUILT)
                self._report(Note(f"every save {verb} {unit.name}: {rules.unsent}{see}"))
        reloading.start(self._loaded)
        if names:
            self._report(Note(f"brought up to date: {', '.join(names)}"))
            self._asked = replace(self._request, names=names)
            reloading.ask()
        try:
            with self._keys():
                self._follow_logs()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            reloading.close()
        if self._broken:
            raise self._broken
        from devenv.console.reload import summary
        from devenv.console.tables import hosted_note

        if line := summary(self._times):
            console.say(f"\n{line}")
        console.sentence("still running; `devenv down` stops it, `devenv watch` goes on")
        if line := hosted_note(self._loaded.stack):
            console.sentence(line)
        if interrupted:
            raise typer.Exit(INTERRUPTED)

    def _reloading(self) -> Reloading:
        from devenv.engine.ready import log_tail
        from devenv.engine.reloading.loop import Reloading
        from devenv.engine.reloading.site import Site

        context, project = self._context, self._context.project
        backend = context.place.backend

        site = Site(
            backend,
            context.workspace.root,
            context.workspace.checkout,
            project.digests,
            partial(log_tail, backend, context.workspace.checkout),
            self._restart,
            lambda name: self._loop.ask(),
            self._is_wanted,
            self._report,
            self._fail,
        )
        self._loop = Reloading(site, self._apply, lambda loaded: context.project.settings(loaded))
        return self._loop

    def _is_wanted(self, name: str) -> bool:
        """Whether a unit is to run: `up` was asked for it, or it is there, if only as one that ended."""
        if name in (self._units or ()):
            return True
        try:
            return name in self._context.place.backend.observe(self._context.workspace.checkout).units
        except DevenvError:  # asked again until it answers
            return True

    def _still(self, request: Request) -> Request:
        """A request of `watch` for all, where a part of the stack was left out: for what is there."""
        if self._units is not None or request.names:
            return request
        there = self._context.place.backend.observe(self._context.workspace.checkout).units
        if not there:
            raise UsageError("nothing of this checkout is running", hint="devenv up")
        lasting = [unit for unit in self._loaded.stack.units if unit.role in ("service", "infra")]
        if all(unit.name in there for unit in lasting if not unit.manual):
            return request
        names = set(self._context.project.manifest.names())
        return replace(request, names=tuple(sorted(names & there.keys())))

    def _fail(self, error: BaseException) -> None:
        """A part of the loop died: end, and say of what."""
        self._broken = self._broken or error
        self._left.set()
        self._moved.set()

    def _report(self, event: Event) -> None:
        from devenv.console.reload import note_json, reload_json, reload_lines
        from devenv.events import Note, Reloaded
        from devenv.stack.reloading.decisions import Action

        console = self._context.console
        console.measure()
        match event:
            case Reloaded():
                now = time.time()
                self._journal.add(event, now)
                if event.synced and event.error is None and event.action not in (Action.NONE, Action.REBUILD):
                    self._times.append(event.synced)
                if self._json:
                    console.print(json.dumps(reload_json(event, now)))
                else:
                    console.say("\n".join(reload_lines(console, event)))
            case Note() if self._json:
                console.print(json.dumps(note_json(event.text, time.time())))
            case Note():
                console.note(event.text)

    def _apply(self) -> Loaded | None:
        """Plan and apply the manifest as it is now; an error is shown and the stack stays."""
        context = self._context
        context.renew()
        request, self._asked = self._asked, self._request
        loaded: Loaded | None = None
        with self._progress() as report:
            with context.lock("devenv watch"):
                outcome = context.lifecycle(context.place).up(self._still(request), report)
            loaded, self._failed = outcome.loaded, bool(outcome.failures)
            self._units = None if self._units is None else outcome.units
            self._loaded = loaded or self._loaded
            self._moved.set()
        return loaded

    @contextmanager
    def _progress(self) -> Iterator[Report]:
        """Takes what a run reports, and shows the error that ends it: as lines, or as one event."""
        from devenv.console.progress import Lines
        from devenv.console.reload import Applied
        from devenv.events import Note

        console, applied = self._context.console, Applied()
        console.measure()
        show: Report = applied if self._json else Lines(console)
        error: DevenvError | None = None

        def report(event: Event) -> None:
            if not isinstance(event, Note):
                show(event)
            elif event.text not in self._noted:
                self._noted.add(event.text)
                self._report(event)

        try:
            yield report
        except DevenvError as raised:
            error = raised
            if not self._json:
                console.error(error)
        if self._json:
            console.print(json.dumps(applied.json(time.time(), error)))

    def _restart(self, name: str) -> None:
        from devenv.console.progress import Lines
        from devenv.console.reload import Applied
        from devenv.engine.place import Place

        context = self._context
        progress = Applied() if self._json else Lines(context.console)  # its event follows
        with context.lock("devenv watch"):
            lifecycle = context.lifecycle(Place(context.place.backend))
            outcome = lifecycle.restart(context.running([name]), progress)
        if outcome.failures:
            raise outcome.failures[0]

    def _follow_logs(self) -> None:
        from devenv.backends.loglines import Resumed

        context, lines = self._context, Resumed()
        if self._json:  # lines of a log are no events
            wait_for(self._left)
        self._moved.clear()  # before each look at what moved: a key may be pressed during the rest
        while not self._left.is_set():
            observed = context.place.backend.observe(context.workspace.checkout).units
            units = [unit for unit in observed.values() if unit.running and self._only in ("", unit.unit)]
            backend = context.place.backend
            print_lines(context.console, lines.follow(backend, units, self._moved), units)
            self._moved.wait(AGAIN)
            self._moved.clear()

    # -- keys

    def _keys(self) -> AbstractContextManager[None]:
        if not keys.has_keys():
            return nullcontext()
        self._context.console.sentence(self._context.console.style(HELP, "dim"))
        return keys.pressed(self._take_key)

    def _take_key(self, key: str) -> None:
        if self._choice is not None:
            self._choose_on(self._choice, key)
            return
        stack = self._loaded.stack
        services = [unit.name for unit in stack.units if unit.role == "service" and not unit.hosted]
        match key:
            case "q":
                self._left.set()
                self._moved.set()
            case "r":
                self._choose("restart", services, self._loop.restart)
            case "b":
                built = [unit.name for unit in stack.units if unit.role == "service" and unit.build]
                self._choose("rebuild", built, self._rebuild)
            case "l" if self._only:
                self._show_only("")
            case "l":
                self._choose("show the logs of", services, self._show_only)
            case "o":
                self._choose("open", list(self._pages), self._open)

    def _choose(self, verb: str, names: list[str], act: Callable[[str], None]) -> None:
        """Have a service named by further keys; where there is only one, it is that."""
        from devenv.console.reload import choice_lines

        console = self._context.console
        console.measure()
        if len(names) > 1:
            self._choice, self._act = keys.Choice(names), act
            console.say("\n".join(choice_lines(console, verb, names)))
        elif names:
            act(names[0])
        else:
            console.say(f"there is nothing to {verb}")

    def _choose_on(self, choice: keys.Choice, key: str) -> None:
        choice.press(key)
        if not choice.over:
            shown = f"{choice.typed}...  {'  '.join(choice.left())}" if choice.typed else "..."
            self._context.console.say(f"  {shown}")
            return
        self._choice = None
        if choice.chosen:
            self._act(choice.chosen)
        else:
            self._context.console.say(f"no service {choice.typed}" if choice.typed else "none")

    def _rebuild(self, name: str) -> None:
        self._asked = replace(self._request, names=(name,), rebuild=True)
        self._loop.ask()

    def _show_only(self, name: str) -> None:
        self._only = name
        self._moved.set()
        self._context.console.say(f"logs of {name}; l shows all" if name else "logs of all")

    @property
    def _pages(self) -> dict[str, str]:
        from devenv.plan.status import pages_of

        return pages_of(self._loaded.stack)

    def _open(self, name: str) -> None:
        url = self._pages[name]
        self._context.console.say(url)
        typer.launch(url)
