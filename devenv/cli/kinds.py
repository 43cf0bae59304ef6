"""The command `kinds`: what a stack may use, one kind's page, and help with a kind of one's own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from devenv import assets, home
from devenv.cli.arguments import Json, completion, only_with
from devenv.errors import FAILED, UsageError, did_you_mean

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.stack.kinds.card import Card

ACTIONS = ("list", "show", "check", "new")


def kinds(
    ctx: typer.Context,
    action: Annotated[
        str,
        typer.Argument(
            metavar="[ACTION]",
            help="list, show, check or new.",
            autocompletion=completion(lambda context: ACTIONS),
        ),
    ] = "list",
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="A kind; for `check` the file of one.",
            autocompletion=completion(lambda context: {**assets.catalogue(), **_own(context)}),
        ),
    ] = "",
    image: Annotated[
        str, typer.Option("--from", metavar="IMAGE", help="With `new`: an image that is on this machine.")
    ] = "",
    json_: Json = False,
) -> None:
    """List what `uses` can name, show one, check a file, or write a new one from an image."""
    context: Context = ctx.obj
    if action not in ACTIONS:
        hint = did_you_mean(action, ACTIONS, f"devenv kinds show {action}")
        raise UsageError(f'nothing to do with kinds is called "{action}"', hint=hint)
    if action != "new":
        only_with("kinds new", {"--from": image}, f"devenv kinds new {name or 'NAME'} --from {image}")
    if action != "list" and not name:
        example = {"check": "infra/queue.yaml", "new": "queue --from rabbitmq:4.3.6"}.get(action, "postgres")
        raise UsageError(f"kinds {action} needs a name", hint=f"devenv kinds {action} {example}")
    if action == "check":
        _check(context, Path(name), json_=json_)
    elif action == "new":
        _new(context, name, image)
    elif action == "show":
        _show(context, name, json_=json_)
    else:
        _list(context, json_=json_)


def _cards(context: Context) -> list[Card]:
    from devenv.engine import kinds as engine
    from devenv.memory import Memory
    from devenv.stack.kinds.catalogue import Catalogue

    own = _own(context)
    texts = assets.catalogue() | {name: text for name, (_, text) in own.items()}
    files = {name: file for name, (file, _) in own.items()}
    return engine.cards(Catalogue(texts, files, recall=Memory(home.cache(context.environment)).recall), files)


def _own(context: Context) -> dict[str, tuple[str, str]]:
    try:
        space = context.workspace
    except UsageError:  # without a manifest, there is what comes with devenv
        return {}
    return space.kinds(space.text())


def _list(context: Context, *, json_: bool) -> None:
    from devenv.console import folded

    console, cards = context.console, _cards(context)
    if json_:
        console.json([asdict(card) for card in cards])
        return
    names = {card.name: ", ".join((card.name, *card.also)) for card in cards}
    rows = [[console.style(names[card.name], "bold"), card.about] for card in cards]
    tried: dict[str, list[str]] = {}
    for card in cards:
        tried.setdefault("of this project" if card.file else card.tried, []).append(card.name)
    notes = [
        console.style(line, "dim")
        for how, kinds in tried.items()
        for line in folded(f"{how}: {', '.join(kinds)}", console.columns)
    ]
    console.print("\n".join([*console.table(rows, width=console.columns), "", *notes]))


def _show(context: Context, name: str, *, json_: bool) -> None:
    cards = {word: card for card in _cards(context) for word in (*card.also, card.name)}
    if name not in cards:
        raise UsageError(f'no infra kind "{name}"', hint=did_you_mean(name, cards, "devenv kinds"))
    from devenv.console import folded

    card = cards[name]
    if json_:
        context.console.json(asdict(card))
        return
    console = context.console
    facts = {
        "also": ", ".join(card.also),
        "part": card.part and f"uses: [{card.part}]",
        "ports": ", ".join(f"{key} {port}" for key, port in card.ports.items()),
        "pages": ", ".join(card.pages),
        "runs": ", ".join(card.services) if len(card.services) > 1 else "",
        "uses": ", ".join(card.uses),
        "program": ", ".join(card.programs),
        "in production": card.production,
        "in our tests": card.tried,
        "file": card.file,
    }
    about, *more = folded(card.about, console.columns - len(card.name) - 3 if console.columns else 0)
    sections = {
        "\n  ".join([f"{console.style(card.name, 'bold')}   {about}", *more]): [
            [k, v] for k, v in facts.items() if v
        ],
        "Options, under infra:": [[key, default] for key, default in card.options.items()],
        "Variables of whatever uses it:": [[name] for name in card.variables],
    }
    for title, table in sections.items():
        if table:
            lines = console.table(table, width=max(console.columns - 2, 0))
            console.print("\n".join([title, *(f"  {line}" for line in lines), ""]))


def _check(context: Context, file: Path, *, json_: bool) -> None:
    from devenv.engine import kinds as engine

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        ours = str(file) in assets.catalogue()
        hint = f"devenv kinds show {file}" if ours else "the file of a kind, such as infra/queue.yaml"
        why = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(f"{file} cannot be read", why=why, hint=hint) from None
    checks = engine.check(file.stem, text, str(file))
    console = context.console
    if json_:
        console.json([asdict(check) for check in checks])
    else:
        rows = [
            [
                console.style("no", "red") if check.wrong else console.style("ok", "green"),
                check.promise,
                check.wrong,
            ]
            for check in checks
        ]
        console.print("\n".join(console.table(rows, width=console.columns)))
    if any(check.wrong for check in checks):
        raise typer.Exit(FAILED)


def _new(context: Context, name: str, image: str) -> None:
    from devenv.manifest.rules.names import LABEL
    from devenv.workspace import Workspace
    from devenv.writing import write_for_people

    if not image and name not in assets.catalogue():
        raise UsageError(
            "a kind is written from an image, or is a copy of ours by its name",
            hint=f"devenv kinds new {name} --from IMAGE:VERSION",
        )
    if not LABEL.match(name):
        raise UsageError(f'"{name}" is not a name', hint="lower-case letters, digits and hyphens")
    space: Workspace = context.workspace
    file = space.root / space.kinds_folder(space.text()) / f"{name}.yaml"
    if file.exists():
        raise UsageError(
            f"{file.relative_to(space.root)} is there already", hint=f"devenv kinds check {file}"
        )
    write_for_people(file, _drafted(context, name, image) if image else assets.catalogue()[name])
    shown = file.relative_to(space.root)
    then = "fill in its TODOs" if image else "change it, as it takes the place of ours"
    context.console.say(f"wrote {shown}; next: {then}, then devenv kinds check {shown}")


def _drafted(context: Context, name: str, image: str) -> str:
    from devenv.backends import containers
    from devenv.backends.compose.connection import Connection
    from devenv.engine.newkind import draft

    details = containers.image(containers.address(context.environment), image)
    if details is None:
        raise UsageError(f"{image} is not on this machine", hint=f"docker pull {image}")
    checked = (details.get("Config") or {}).get("Healthcheck")
    shell = bool(checked) or Connection().images.has_shell(image, context.workspace.checkout)
    return draft(name, image, details, shell=shell)
