"""One run of `devenv promote`: look, send images, show what changes, ask, roll out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from devenv.cli.environments import confirm_at, release_of
from devenv.cli.promotion.adopting import (
    companions_of,
    confirm_adoption,
    foreign_of,
    require_adoptable,
    show_due,
)
from devenv.errors import UsageError

if TYPE_CHECKING:
    from devenv.backends.docker import Engine
    from devenv.cli.context import Context
    from devenv.engine.promotion.companions import Companions
    from devenv.engine.promotion.parcel import Parcel
    from devenv.engine.promotion.promote import Release
    from devenv.engine.promotion.shipping import Shipping
    from devenv.plan.model import Plan
    from devenv.plan.promotion.changes import Change, Origin
    from devenv.plan.promotion.companions import Due
    from devenv.stack.model import Stack

Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks of a promotion. `within`: seconds that a rollout may take."""

    allow_dirty: bool = False
    image_tag: str | None = None
    platform: str = ""
    create_secrets: bool = False
    adopt: frozenset[str] = frozenset()
    yes: bool = False
    within: int = 300


@dataclass
class Promoting:
    """A promotion under way: what was read, and what is still to be done.

    `due`: charts of other people that are not as they should be. `foreign`: releases that another hand
    installed, with their charts. `secrets`: values for the Secrets that are missing. `released`: charts of
    other people that are there by now. `changing`: something of the cluster may be another by now.
    """

    context: Context
    release: Release
    request: Request
    say: Say
    due: list[Due] = field(default_factory=list)
    foreign: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    changing: bool = False

    def run(self) -> None:
        """Promote, unless the environment has all of it.

        Raises `DevenvError`; after Ctrl-C `KeyboardInterrupt`, once it was said what stands.
        """
        try:
            self._promote()
        except KeyboardInterrupt:
            if not self.changing:
                self.context.console.note(f"interrupted: nothing of {self.release.target.where} was changed")
            raise

    def _promote(self) -> None:
        from devenv.plan.promotion.changes import deployed

        context, release, began = self.context, self.release, time.monotonic()
        console, environment = context.console, release.target.environment
        where = console.style(f"({release.target.where})", "dim")
        console.sentence(f"{console.style(release.target.release, 'bold')} to {environment} {where}")
        release.guard(context.project.manifest.outline.name)
        if release.unmended:
            console.note(release.unmended)
        companions = companions_of(context, release)
        self.due = companions.due()
        self.foreign = foreign_of(context, release, self.due)
        require_adoptable(release.target, self.foreign, self.request.adopt)
        with context.lock("devenv promote"):
            parcel, objects = self._sent()
        changes = release.changes(objects)
        ours = bool(changes or self.secrets or self.foreign)
        if not ours and not self.due:
            self.say("chart", f"read by Helm {release.helm.major}")
            console.sentence(f"{environment} has all of it; nothing to promote")
            release.sight.remember(release.client)
            return
        if not self.due:  # else what judges them may come with a companion
            self._judge(objects, changes)
        self._show(changes, companions)
        confirm_adoption(self.foreign, self.request.adopt)
        if not self.request.yes:
            confirm_at(release.target, f"Promote to {environment}?")
        self._roll_out(parcel, objects, changes, companions, ours=ours)
        ready = console.style(f"promoted in {time.monotonic() - began:.1f} s", "green", "bold")
        way, command = ("back", "rollback") if deployed(release.history) else ("away", "retire")
        console.say(f"{ready}    {way}: {console.style(f'devenv {command} {environment}', 'bold')}")

    def _sent(self) -> tuple[Parcel, list[dict[str, Any]]]:
        """Say the plan, and push what the registry lacks. Returns what is promoted, and its objects."""
        from devenv.engine.promotion.parcel import parcel
        from devenv.plan.promotion.steps import plan_promotion, summary

        context, release, request = self.context, self.release, self.request
        project, environment = context.project, release.target.environment
        shipping, origin = shipping_of(
            context,
            release,
            strict=request.image_tag is None,
            allow_dirty=request.allow_dirty,
            platform=request.platform,
        )
        there = shipping.images_there(request.image_tag)
        sent = parcel(project, environment, there, origin)
        objects = release.objects(sent)
        missing, changes = release.secrets.missing(objects), release.changes(objects)
        self.secrets = _checked_secrets(context, release, sent.stack, missing, create=request.create_secrets)
        name, stack = release.target.release, sent.stack
        plan = plan_promotion(stack, name, there=there, secrets=missing, changes=changes, due=self.due)
        if plan:
            self.say("plan", summary(plan))
            _note(context, stack)
        if images := shipping.ship(there, self.say):
            sent = parcel(project, environment, there | images, origin)
            objects = release.objects(sent)
        return sent, objects

    def _judge(self, objects: list[dict[str, Any]], changes: list[Change]) -> None:
        so_far = f"released so far: {', '.join(self.released)}" if self.released else "nothing was changed"
        self.release.require_admitted(objects, changes, so_far=so_far)
        self.say("chart", f"read by Helm {self.release.helm.major}, judged by the cluster")

    def _show(self, changes: list[Change], companions: Companions) -> None:
        from devenv.console.changes import change_lines
        from devenv.plan.promotion.changes import count

        console = self.context.console
        show_due(console, self.release.target, self.due, companions.left())
        console.print("\n".join(change_lines(console, changes)))
        self.say("diff", count([*changes, *(change for each in self.due for change in each.changes)]))

    def _roll_out(
        self,
        parcel: Parcel,
        objects: list[dict[str, Any]],
        changes: list[Change],
        companions: Companions,
        *,
        ours: bool,
    ) -> None:
        """The charts of other people, Secrets, then the stack where anything of it is new; smoke them."""
        context, release, within = self.context, self.release, self.request.within
        self.changing = True
        release.sight.remember(release.client)
        for each in self.due:
            companions.promote(each, _who(context), self.say, within=within)
            self.released.append(each.companion.name)
        if self.due:
            self._judge(objects, changes)
        if missing := release.secrets.missing(objects):
            release.secrets.create(missing, self.secrets, _credential_labels(parcel.stack))
        if ours:
            release.promote(parcel, objects, self.say, within=within)
        place = context.project.manifest.parsed[0].environments[release.target.environment]
        release.verify(parcel.stack, self.say, environment=place, within=within)


def planned(context: Context, environment: str) -> Plan:
    """What `promote` would do, without a change anywhere."""
    from devenv.engine.promotion.parcel import parcel
    from devenv.plan.promotion.steps import plan_promotion

    release = release_of(context, environment)
    release.guard(context.project.manifest.outline.name)
    shipping, origin = shipping_of(context, release, strict=False, allow_dirty=True)
    there = shipping.images_there(None)
    sent = parcel(context.project, environment, there, origin)
    objects = release.objects(sent)
    _note(context, sent.stack)
    return plan_promotion(
        sent.stack,
        release.target.release,
        there=there,
        secrets=release.secrets.missing(objects),
        changes=release.changes(objects),
        due=companions_of(context, release).due(),
    )


def _note(context: Context, stack: Stack) -> None:
    """Say what leads nowhere in a cluster, before anything is sent there."""
    from devenv.engine.promotion import charts

    for note in charts.notes(context.project, stack):
        context.console.note(note)


def sayer(context: Context) -> Say:
    """Takes a step and a line about it; of builds only where everything is to be said."""
    console = context.console

    def say(step: str, line: str) -> None:
        if step != "build" or console.verbose:
            console.say(f"  {console.style(f'{step:<9}', 'dim')} {line}")

    return say


def shipping_of(
    context: Context, release: Release, *, strict: bool, allow_dirty: bool, platform: str = ""
) -> tuple[Shipping, Origin]:
    """The way of the stack's images to an environment's registry, and where they come from.

    `strict`: raises `UsageError` for a secret of a build that has no value.
    """
    from devenv.backends import containers, git
    from devenv.backends.images import Images
    from devenv.engine.promotion import charts
    from devenv.engine.promotion.shipping import Shipping, build_secrets
    from devenv.plan.promotion.changes import Origin

    project, space = context.project, context.workspace
    environment, commit = release.target.environment, git.commit(space.root)
    if commit and commit.changed and not allow_dirty:
        raise UsageError(
            "files differ from the commit",
            where=", ".join(commit.changed[:5]),
            why="what is promoted has to be found again by its commit",
            hint=f"commit them, or: devenv promote {environment} --allow-dirty",
        )
    stack = charts.promoted(project, environment).stack
    # What a build needs has to be there: an image made with an empty token looks as if it were one.
    secrets = space.secret_values(
        wanted=build_secrets(stack), generated=(), environment=context.environment, strict=strict
    )
    values = space.secret_values(
        wanted=stack.secrets, generated=(), environment=context.environment, strict=False
    )
    context.console.hide(values.values())  # which a card's output may hold
    shipping = Shipping(
        Images(containers.address(), _engine),
        stack,
        project.manifest.parsed[0].environments[environment].registry or "",
        [platform] if platform else release.platforms,
        commit,
        project.manifest.digest,
        space.root,
        secrets,
    )
    return shipping, Origin(commit.name if commit else "", project.manifest.digest, _who(context))


def _engine() -> Engine:
    """A connection to the engine, whose client is not even read where nothing is built."""
    from devenv.backends import containers
    from devenv.backends.docker import Engine

    return Engine(containers.address())


def _who(context: Context) -> str:
    """Who promotes, as the CI server or this machine says."""
    from devenv import home

    variables = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID")
    people = (context.environment.get(name) for name in variables)
    return next(filter(None, people), "") or home.user()


def _credential_labels(stack: Stack) -> dict[str, dict[str, str]]:
    """Secret -> the label by which Kong's controller finds it."""
    from devenv.render.chart.credentials import KIND, sealed_credentials

    return {name: {KIND: each.kind} for name, each in sealed_credentials(stack).items()}


def _checked_secrets(
    context: Context, release: Release, stack: Stack, missing: Mapping[str, set[str]], *, create: bool
) -> dict[str, str]:
    """Values for the Secrets that pods need and that are not there: name -> keys; none where all are.

    Raises `UsageError` for those that are missing, unless they can be made.
    """
    if not missing:
        return {}
    if create:
        values = release.secrets.values(context.project, missing, context.environment)
        context.console.hide(values.values())
        release.secrets.require_makeable(missing, values)
        return values
    raise release.secrets.lacking(missing, _credential_labels(stack))
