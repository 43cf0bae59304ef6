"""Takes a gateway's configuration over into a manifest: into a new one, or beside what is there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devenv.drafting import shape, splice
from devenv.drafting.draft import Draft, Objection, Row
from devenv.drafting.kong import forms
from devenv.drafting.kong.convert import EXTRA, Converted, settled
from devenv.drafting.kong.shapes import GATEWAY
from devenv.drafting.kong.targets import Target
from devenv.engine import drafting
from devenv.envfiles import read_env
from devenv.errors import ManifestInvalid, UsageError
from devenv.manifest import source
from devenv.manifest.kong.document import faults
from devenv.manifest.rules.names import as_label
from devenv.render.bundle import to_yaml
from devenv.workspace import read_text

IMAGES = ("kong", "kong/kong-gateway", "kong/kong", "bitnami/kong")
"""Images whose place the stack's own gateway takes."""

_PROGRAM = re.compile(
    r"^\s*(?:module\.exports|exports\.|export\s+default|(?:const|var|let)\s|import\s)", re.MULTILINE
)


def read(file: Path, shown: str) -> forms.Gateway:
    """The configuration in a file. Raises `UsageError` for what is none, with the reason."""
    if not file.is_file():
        raise UsageError(f"no file {shown}", hint="devenv init --from-kong FILE")
    text = read_text(file, shown)
    if file.suffix in (".js", ".cjs", ".mjs", ".ts") or _PROGRAM.search(text):
        raise UsageError(
            f"{shown} is a program that makes a configuration",
            why="devenv runs no code of a project to read it",
            hint=f"node -p 'JSON.stringify(require(\"./{file.name}\"))' > kong.json"
            "\ndevenv init --from-kong kong.json",
        )
    document = source.read(text, file=shown)
    value = source.as_yaml(document.value)
    wrong = shape.faults(value, GATEWAY) if forms.is_marked(value) else ()
    if problems := [document.problem(*fault) for fault in wrong]:
        raise ManifestInvalid(problems)
    return forms.gateway(value, file=shown)


@dataclass(slots=True)
class Addition:
    """What a manifest gets: values by their place, in the order in which people write them."""

    converted: Converted
    values: dict[source.Path, Any] = field(default_factory=dict)

    @property
    def extra(self) -> str:
        """The text of the file for `gateway.extra`; "" where nothing needs one."""
        if not self.converted.extra:
            return ""
        head = "# What devenv.yaml has no words for, as Kong reads it.\n"
        return head + to_yaml({"_format_version": "3.0", **self.converted.extra})


def addition(
    gateway: forms.Gateway, value: Mapping[str, Any], folder: Path, variables: Mapping[str, str], shown: str
) -> Addition:
    """What a manifest with these values gets. Raises `UsageError` for what Kong, or the manifest, refuses."""
    catalogue, targets = drafting.kinds(), targets_of(value)
    before = drafting.objections(value, folder, catalogue, variables)

    def check(converted: Converted) -> list[Objection]:
        values = _values(converted, value)
        values.pop(("gateway", "extra"), None)
        whole = dict(value)
        for path, item in values.items():
            whole = splice.with_value(whole, path, item)
        return [
            each for each in drafting.objections(whole, folder, catalogue, variables) if each not in before
        ]

    converted, left = settled(gateway, targets, check)
    refused = [f"{source.dotted(path)}: {reason}" for path, reason in faults(converted.extra)]
    if refused:
        raise UsageError(
            f"Kong would not start with {shown}", why="\n".join(refused), hint="mend it there first"
        )
    if left:
        why = "\n".join(f"{place}: {reason}" for place, reason in left)
        raise UsageError(
            f"{shown} and the manifest do not go together", why=why, hint="remove it from one of the two"
        )
    if converted.extra and (value.get("gateway") or {}).get("extra"):
        converted.rows.append(Row("by hand", EXTRA, f"merge {value['gateway']['extra']} into it"))
    return Addition(converted, _values(converted, value))


def _values(converted: Converted, before: Mapping[str, Any]) -> dict[source.Path, Any]:
    """The values by their place, with what is there before them."""
    values: dict[source.Path, Any] = {}
    services, gateway = before.get("services") or {}, before.get("gateway") or {}
    for name, routes in converted.routes.items():
        if name in converted.ports:
            values["services", name, "port"] = converted.ports[name]
        own = (services.get(name) or {}).get("route", [])
        every = [*(own if isinstance(own, list) else [own]), *routes]
        values["services", name, "route"] = every[0] if len(every) == 1 else every
    if converted.plugins:
        values["gateway", "plugins"] = [*gateway.get("plugins", []), *converted.plugins]
    for name, consumer in converted.consumers.items():
        values["gateway", "consumers", name] = consumer
    if converted.extra:
        values["gateway", "extra"] = f"./{EXTRA}"
        if not any(converted.routes.values()) and not _routed(services):
            values["infra", "kong"] = {}
    return values


def _routed(services: Mapping[str, Any]) -> bool:
    return any((service or {}).get("route") for service in services.values())


def targets_of(value: Mapping[str, Any]) -> list[Target]:
    """The services of a manifest as a gateway reaches them."""
    targets = []
    for name, service in (value.get("services") or {}).items():
        fields = service if isinstance(service, Mapping) else {}
        named = fields.get("ports") or ({"": fields["port"]} if "port" in fields else {})
        ports = {key: int(port) for key, port in named.items() if str(port).isdecimal()}
        publish = fields.get("publish", "")
        published = publish if isinstance(publish, Mapping) else {next(iter(ports), ""): publish}
        targets.append(
            Target(
                name,
                next(iter(ports.values()), 0),
                {
                    int(number): ports[key]
                    for key, number in published.items()
                    if key in ports and str(number).isdecimal()
                },
                routed=bool(fields.get("route")),
            )
        )
    return targets


def drafted(
    gateway: forms.Gateway, folder: Path, environment: Mapping[str, str], shown: str
) -> tuple[Draft, Addition]:
    """A new manifest, of what is in the folder and of the gateway's configuration."""
    draft = _of_the_folder(folder, environment)
    variables = {**read_env(folder / ".env"), **environment}
    added = addition(gateway, draft.value, folder, variables, shown)
    draft.title = f"Written by `devenv init --from-kong {shown}`."
    for path, value in added.values.items():
        draft.set(path, value)
    draft.rows += added.converted.rows
    draft.secrets |= added.converted.secrets
    return draft, added


def _of_the_folder(folder: Path, environment: Mapping[str, str]) -> Draft:
    if drafting.default_of(folder) is not None:
        files, _ = drafting.compose_files(folder, ())
        return drafting.drafted(drafting.composed(files, folder).project, folder, environment, IMAGES)
    try:
        return drafting.surveyed(folder, environment)
    except UsageError:
        draft = Draft("")
        if not as_label(folder.resolve().name):
            draft.set(("name",), as_label(f"stack-{folder.resolve().name}") or "stack")
        draft.say(
            "by hand", "services", "nothing here says what runs behind the gateway: build or image of each"
        )
        return draft


def merged(text: str, added: Addition) -> str:
    """The text of a manifest with what it gets. Raises `UsageError` where its form does not let it."""
    try:
        for path, value in added.values.items():
            text = splice.put(text, path, value)
    except splice.Unwritable as place:
        raise UsageError(
            f"{place} cannot be written into the manifest as it is",
            why="an anchor, a merge key or another form of YAML stands there",
            hint="devenv init --from-kong FILE   prints what to add",
        ) from None
    return text


def fragment(values: Mapping[source.Path, Any]) -> Iterable[str]:
    """What to add to a manifest, as its lines."""
    whole: dict[str, Any] = {}
    for path, value in values.items():
        whole = splice.with_value(whole, path, value)
    for key, value in whole.items():
        yield from splice.lines((key,), value)
