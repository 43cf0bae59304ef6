"""The files of a unit in a chart: in a ConfigMap, or filled in with secrets when a pod starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devenv.render.chart.page import Page
from devenv.render.chart.plugins import on_page
from devenv.render.chart.promoted import Promoted
from devenv.render.chart.variables import in_file, reference
from devenv.render.kong import kong_template
from devenv.render.kubernetes.content import content, key
from devenv.render.kubernetes.pod import literal
from devenv.stack import text
from devenv.stack.model import File, Unit
from devenv.stack.text import Secret

TEMPLATES, FILLED = "/devenv/templates", "/devenv/filled"

# Puts variables into files, and nothing else: no value is read as code, and none is looked through again.
FILL_IN = f"""\
set -eu
for file in $FILES; do
  text=$(cat "{TEMPLATES}/$file"; echo .) done=
  while :; do
    case $text in
      *'${{'*) done=$done${{text%%'${{'*}} text=${{text#*'${{'}} ;;
      *) break ;;
    esac
    name=${{text%%'}}'*}} value='${{'
    case $name in
      '' | *[!A-Za-z0-9_]*) ;;
      *)
        case " $SECRETS " in
          *" $name "*) eval "value=\\$$name"; text=${{text#*'}}'}} ;;
        esac
        ;;
    esac
    done=$done$value
  done
  text=$done$text
  printf %s "${{text%.}}" >"{FILLED}/$file"
done
"""


@dataclass(frozen=True, slots=True)
class Mounted:
    """A pod's spec and container with their files, and the container that fills secrets in, if any does."""

    spec: dict[str, Any]
    container: dict[str, Any]
    writer: dict[str, Any] | None = None


def filled(unit: Unit) -> list[File]:
    """The files of a unit that hold secrets among other text."""
    return [file for file in unit.files if file.holds and not file.secret]


def config_map(promoted: Promoted, unit: Unit, page: Page | None = None) -> dict[str, Any]:
    """Data of the unit's ConfigMap; secrets in it are `${VARIABLE}`. Empty where it needs none.

    On a page, settings of the gateway's plugins are values.
    """
    source = promoted.source
    secrets = dict.fromkeys(promoted.stack.secrets | promoted.stack.generated, "")
    contents = content(promoted.stack, unit, secrets, source.files)
    templates = [*filled(unit), *(file for file in unit.files if file.rendered)]
    data = {**contents.text, **{key(file.target): _template(promoted, file, page) for file in templates}}
    return {
        name: dict(sorted(values.items()))
        for name, values in (("data", data), ("binaryData", dict(contents.binary)))
        if values
    }


def _template(promoted: Promoted, file: File, page: Page | None) -> str:
    if not file.rendered:
        return text.rewrite(file.content, _mark)
    gateway = promoted.stack.gateway
    if page is None or (gateway and gateway.extra):
        return kong_template(promoted.stack, _mark)
    return kong_template(promoted.stack, _mark, settings=lambda key, plugin: on_page(page, key, plugin))


def _mark(secret: Secret) -> str:
    return f"${{{secret.variable}}}"


def mounted(
    unit: Unit, spec: Mapping[str, Any], container: Mapping[str, Any], page: Page, config_map: str
) -> Mounted:
    """The pod with its files mounted from where a chart has them; `config_map` is called so there."""
    in_secret = {key(file.target): file.secret for file in unit.files if file.secret}
    to_fill = [key(file.target) for file in filled(unit)]
    mounts = [_mount(mount, in_secret, to_fill) for mount in container.get("volumeMounts", ())]
    volumes = [volume for volume in spec.get("volumes", ()) if volume["name"] not in ("files", "secrets")]
    plain = [volume for volume in spec.get("volumes", ()) if volume["name"] == "files"]
    if plain or to_fill:
        volumes += plain or [{"name": "files", "configMap": {"name": unit.name}}]
    if in_secret:
        # By name: of a key that is missing, a mount of the whole Secret makes a folder.
        items = [{"key": name, "path": name} for name in sorted({*in_secret.values()})]
        secret = {"secretName": page.inline("$.Values.secret | quote"), "items": items}
        volumes.append({"name": "secrets", "secret": secret})
    if to_fill:
        volumes.append({"name": "filled", "emptyDir": {"medium": "Memory"}})
    renamed = [
        {**volume, "configMap": {**volume["configMap"], "name": config_map}}
        if volume.get("configMap", {}).get("name") == unit.name
        else volume
        for volume in volumes
    ]
    spec = {**spec, **({"volumes": renamed} if renamed else {})}
    container = {**container, **({"volumeMounts": mounts} if mounts else {})}
    return Mounted(spec, container, _writer(unit, to_fill, page) if to_fill else None)


def _mount(mount: Mapping[str, Any], in_secret: Mapping[str, str], to_fill: list[str]) -> dict[str, Any]:
    if mount["name"] != "secrets":
        return dict(mount)
    name = mount["subPath"]
    if name in to_fill:
        return {**mount, "name": "filled"}
    return {**mount, "subPath": in_secret[name]}


def _writer(unit: Unit, names: list[str], page: Page) -> dict[str, Any]:
    """The container that starts before the unit's own, of the same image."""
    secrets = sorted(
        {secret for file in filled(unit) for secret in in_file(file)}, key=lambda each: each.variable
    )
    env = [
        {"name": secret.variable, "valueFrom": {"secretKeyRef": reference(secret, page)}}
        for secret in secrets
    ]
    env.append({"name": "FILES", "value": " ".join(names)})
    env.append({"name": "SECRETS", "value": " ".join(secret.variable for secret in secrets)})
    return {
        "name": "fill-in",
        "command": ["sh", "-c", literal(FILL_IN)],
        "env": env,
        "volumeMounts": [
            {"name": "files", "mountPath": TEMPLATES, "readOnly": True},
            {"name": "filled", "mountPath": FILLED},
        ],
    }
