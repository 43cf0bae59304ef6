"""How a service of Compose gets its image."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from devenv.drafting import reading
from devenv.drafting.interpolation import forms, plain, variables
from devenv.drafting.reading import inside
from devenv.drafting.scene import Scene, Unit
from devenv.manifest.composekeys import BUILD
from devenv.manifest.contexts import has_password, is_repository
from devenv.manifest.source import as_text
from devenv.manifest.versions import IMAGE
from devenv.stack import copies
from devenv.stack.dockerfile import instructions, listed

_KEPT = {
    "target": "target",
    "additional_contexts": "additional_contexts",
    "cache_from": "cache_from",
    "platforms": "platform",
    "network": "network",
}


def convert(scene: Scene, unit: Unit) -> None:
    """Write `build` or `image`."""
    build = reading.build(unit.keys)
    if build is None:
        image = str(unit.keys.get("image") or "")
        if image:
            scene.draft.set(
                (*unit.path, "image"), *forms(_named(scene, unit, image)), origin=unit.at("image")
            )
            platform(scene, unit)
        else:
            scene.draft.say("by hand", unit.original, "it has neither image nor build")
        return
    context = reading.relative(str(as_text(build.get("context", "."))), scene.project.folder)
    dockerfile = plain(str(build.get("dockerfile") or "Dockerfile"))
    if not _buildable(scene, context, dockerfile, build):
        _instead(scene, unit, context, dockerfile, build)
        return
    scene.draft.set((*unit.path, "build", "context"), plain(context), origin=unit.at("build"))
    if posixpath.normpath(dockerfile) != "Dockerfile":
        scene.draft.set((*unit.path, "build", "dockerfile"), dockerfile, origin=unit.at("build.dockerfile"))
    _rest(scene, unit, build)
    platform(scene, unit, "build")
    if unit.keys.get("image"):
        scene.draft.say("dropped", unit.at("image"), "built images get their names from devenv")


def _named(scene: Scene, unit: Unit, image: str) -> str:
    """An image as Compose has it, with what makes a name of it where variables that are not set do not."""
    unset = [variable for variable in variables(image) if not plain(variable.written, scene.world.variables)]
    if not unset or IMAGE.fullmatch(plain(image, scene.world.variables)):
        return image
    names = ", ".join(dict.fromkeys(variable.name for variable in unset))
    scene.draft.say("by hand", unit.at("image"), f"{names} is not set, and names the image: write it to .env")
    name = image.removesuffix(unset[0].written).removesuffix(f"${unset[0].name}")
    if len(unset) == 1 and name.endswith(":") and name != image:
        return name + replace(unset[0], sign=":-", rest="latest").written
    return unit.name


def platform(scene: Scene, unit: Unit, *below: str) -> None:
    """Write the platform that it runs on, by the name that builders have for it."""
    written = str(unit.keys.get("platform") or "")
    for name, other in (("x86_64", "amd64"), ("aarch64", "arm64")):
        written = written.replace(name, other)
    if plain(written):
        path = (*unit.path, *below, "platform")
        scene.draft.set(path, *forms(written), origin=unit.at("platform"))


def _buildable(scene: Scene, context: str, dockerfile: str, build: Mapping[str, Any]) -> bool:
    if "dockerfile_inline" in build:
        return False
    if is_repository(context):
        return not has_password(context)
    return inside(context) and scene.world.paths.get(file_of(context, dockerfile)) == "file"


def file_of(context: str, dockerfile: str) -> str:
    """The path of a build's Dockerfile, as `relative` writes it."""
    path = posixpath.normpath(posixpath.join(context, dockerfile))
    return path if path.startswith("..") else f"./{path}"


def _instead(scene: Scene, unit: Unit, context: str, dockerfile: str, build: Mapping[str, Any]) -> None:
    """An image in place of a build that cannot be: the one that Compose would call the result."""
    draft, image = scene.draft, unit.keys.get("image")
    if "dockerfile_inline" in build:
        why = "write dockerfile_inline to a file; then build: names its folder"
    elif has_password(context):
        context = "git@HOST:NAME.git"
        why = "a login stands in the URL of its source; name it by SSH, with build.ssh: default"
    elif not inside(context):
        why = f"{context} is outside this folder: {_above(scene, context)}"
    else:
        why = f"{file_of(context, dockerfile)} is not there; then build: {context}"
    draft.set((*unit.path, "image"), *forms(str(image or unit.name)), origin=unit.at("image"))
    draft.offer((*unit.path, "image"), f"build: {context}")
    draft.say("by hand", unit.at("build"), why)


def _above(scene: Scene, context: str) -> str:
    """What to type for a manifest above a build context and the Compose file."""
    steps = [step for step in context.split("/") if step == ".."]
    root, file = scene.project.folder.root, (scene.project.files or ("compose.yaml",))[0]
    if not steps or not root:
        return "build: names a folder below"
    there = posixpath.normpath(posixpath.join(root, *steps))
    path = posixpath.relpath(posixpath.join(root, file), there)
    return f"cd {'/'.join(steps)}, then devenv init --from-compose {path}"


def _rest(scene: Scene, unit: Unit, build: Mapping[str, Any]) -> None:
    draft, path = scene.draft, (*unit.path, "build")
    for key, value in build.items():
        origin = unit.at(f"build.{key}")
        if key in ("context", "dockerfile") or (key, value) == ("network", "default"):
            continue
        if key == "args":
            for name, item in reading.mapping(value).items():
                text = f"${{{name}:-}}" if item is None else str(as_text(item))
                draft.set((*path, "args", name), *forms(text), origin=origin)
        elif key == "ssh":
            draft.set(
                (*path, "ssh"),
                str(reading.listed(value)[0]) if reading.listed(value) else "default",
                origin=origin,
            )
        elif key == "secrets":
            for item in reading.listed(value):
                _secret(scene, unit, str(item.get("source") if isinstance(item, dict) else item), origin)
        elif key in _KEPT:
            whole = (
                [str(item) for item in reading.listed(value)] if key in ("platforms", "cache_from") else value
            )
            written = whole[0] if key == "platforms" and whole else whole
            draft.set((*path, _KEPT[key]), *forms(written), origin=origin)
        elif key in ("tags", "labels", "pull", "no_cache", "cache_to", "provenance", "sbom"):
            draft.say("dropped", origin, "devenv names, tags and caches what it builds")
        elif key in BUILD and not BUILD[key].instead:
            draft.say("dropped", origin, BUILD[key].why)
        else:
            draft.say("by hand", origin, "no field of build: says it")


def _secret(scene: Scene, unit: Unit, name: str, origin: str) -> None:
    settings = scene.project.secrets.get(name) or {}
    if "file" in settings:
        file = reading.relative(str(settings["file"]), scene.project.folder)
        scene.draft.set((*unit.path, "build", "secrets", name), file, origin=origin)
    else:
        variable = settings.get("environment") or name.upper().replace("-", "_")
        scene.draft.set((*unit.path, "build", "secrets", name), f"${{secret.{variable}}}", origin=origin)


def exposed(scene: Scene, unit: Unit) -> int:
    """The first port that the stage of its Dockerfile exposes which it is made of, or 0."""
    target = plain(str((reading.build(unit.keys) or {}).get("target") or ""))
    return exposed_by(_dockerfile(scene, unit), target)


def exposed_by(dockerfile: str, target: str = "") -> int:
    """The first port that an image of a Dockerfile exposes, or 0."""
    ports = copies.image(dockerfile, target or None).exposed
    return next((int(port) for port in ports if port.isdecimal()), 0)


def declared(scene: Scene, unit: Unit) -> set[str]:
    """The folders that its Dockerfile says are written to: its VOLUMEs."""
    steps = instructions(_dockerfile(scene, unit))
    return {folder.rstrip("/") for step in steps if step.keyword == "VOLUME" for folder in listed(step.text)}


def context_of(scene: Scene, unit: Unit) -> str:
    """The folder that it is built in, as `relative` writes it, or ""."""
    build = reading.build(unit.keys)
    if build is None:
        return ""
    return reading.relative(str(as_text(build.get("context", "."))), scene.project.folder)


def _dockerfile(scene: Scene, unit: Unit) -> str:
    """The text of its Dockerfile, or ""."""
    build, context = reading.build(unit.keys), context_of(scene, unit)
    if build is None:
        return ""
    return scene.world.texts.get(file_of(context, plain(str(build.get("dockerfile") or "Dockerfile"))), "")
