"""What a service of Compose mounts: volumes, files of the project, sources to send, paths of this machine."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from devenv.drafting import images, machine, reading
from devenv.drafting.addresses import rewritten
from devenv.drafting.interpolation import plain
from devenv.drafting.reading import Mount, inside
from devenv.drafting.scene import Scene, Unit, key_of, variable_of
from devenv.drafting.stores import repository
from devenv.drafting.tables import CONFIG_FOLDERS, DATA_FOLDERS, HOST_CLOCK, IN_UTC, WRITTEN_FOLDERS
from devenv.manifest.source import Path

_RUNTIMES = (
    "node", "python", "ruby", "php", "golang", "maven", "gradle", "eclipse-temurin", "openjdk", "rust",
    "composer", "bun", "deno",
)  # fmt: skip
"""Images that run sources which are mounted."""


_CODE = (".py", ".js", ".jsx", ".ts", ".tsx", ".rb", ".php", ".go", ".java", ".ex", "/package.json")
_KEYS = re.compile(r"[/._-](?:certs?|ssl|tls|pki)/?$")


def convert(scene: Scene, unit: Unit) -> None:
    """Write its mounts, and say what became of each."""
    for mount in reading.mounts(unit.keys, scene.project.folder):
        origin = unit.at(f"volumes {mount.written}")
        match mount.kind:
            case "volume":
                _volume(scene, unit, mount, origin)
            case "anonymous":
                scene.draft.say(
                    "dropped",
                    origin,
                    "what it hides is never sent, and what it keeps was lost with the container",
                )
            case "tmpfs":
                _tmpfs(scene, unit, mount, origin)
            case "bind":
                _bind(scene, unit, mount, origin)
            case "unset":
                scene.draft.say(
                    "by hand", origin, "the variable of its path is not set: write it to .env first"
                )
            case _:
                scene.draft.say("by hand", origin, f"a mount of the type {mount.kind}")
    _secrets(scene, unit)
    configs(scene, unit)


def _tmpfs(scene: Scene, unit: Unit, mount: Mount, origin: str) -> None:
    before = scene.draft.value.get(unit.path[0], {}).get(unit.name, {}).get("tmpfs", [])
    targets = [*before, mount.target]
    scene.draft.set((*unit.path, "tmpfs"), targets, origin=origin, instead={"tmpfs": targets})


def shared(scene: Scene) -> set[str]:
    """The volumes, and the folders of this machine, that several services mount."""
    owners: dict[str, set[str]] = {}
    for unit in scene.units.values():
        if unit.role not in ("service", "job"):
            continue
        for mount in reading.mounts(unit.keys, scene.project.folder):
            if mount.kind in ("volume", "bind"):
                owners.setdefault(mount.source, set()).add(unit.name)
    return {name for name, units in owners.items() if len(units) > 1}


def _volume(scene: Scene, unit: Unit, mount: Mount, origin: str) -> None:
    draft, key = scene.draft, key_of(mount.source)
    settings = scene.project.volumes.get(mount.source) or {}
    if mount.source in shared(scene) and not draft.has(("volumes", key)):
        draft.set(("volumes", key), {}, origin=f"volumes.{mount.source}")
    _settings(scene, mount.source, key, settings)
    path = (*unit.path, "volumes", key)
    number = 2
    while draft.has(path):  # one volume at two places
        path, number = (*unit.path, "volumes", f"{key}-{number}"), number + 1
    if path[-1] != key:
        draft.escape(unit.path, {"volumes": [mount.written]}, origin)
        return
    draft.set(path, mount.target, origin=origin, instead={"volumes": [mount.written]})
    if mount.read_only:
        draft.say("dropped", f"{origin} read-only", f"the volume is kept, and {unit.name} can write to it")


def _settings(scene: Scene, source: str, key: str, settings: object) -> None:
    """What stands at the top level of a volume."""
    if not isinstance(settings, dict):
        return
    if settings.get("external"):
        name = plain(str(settings.get("name") or source))
        scene.draft.set(("volumes", key), {"external": name}, origin=f"volumes.{source}")
    if settings.get("driver_opts"):
        scene.draft.say(
            "by hand", f"volumes.{source}.driver_opts", "a volume of this stack is an ordinary one"
        )


def _bind(scene: Scene, unit: Unit, mount: Mount, origin: str) -> None:
    draft, source = scene.draft, mount.source
    if source in HOST_CLOCK:
        draft.say("dropped", origin, IN_UTC)
    elif not inside(source):
        machine.path(scene, unit, mount, origin)
    elif (kind := scene.world.paths.get(source)) == "file":
        _file(scene, unit, mount, origin)
    elif kind == "folder":
        _folder(scene, unit, mount, origin)
    elif _is_source(scene, unit, mount):
        draft.say(
            "by hand", origin, f"{source} is not there; then reload: {{sync: {{{source}: {mount.target}}}}}"
        )
    elif (
        mount.read_only
        or "." in posixpath.basename(mount.target.rstrip("/")).strip(".")
        or _reads(mount.target)
    ):
        draft.say("by hand", origin, f"{source} is not there; then files: {{{mount.target}: {source}}}")
    else:
        draft.say(
            "derived", origin, f"{source} is not there, so what it holds is written by the service: a volume"
        )
        _data(scene, unit, mount, origin)


def _reads(target: str) -> bool:
    """Whether containers only read there, as far as the name says."""
    keys = _KEYS.search(target) is not None
    return (keys or _below(target, CONFIG_FOLDERS)) and not _below(target, DATA_FOLDERS)


def _below(target: str, folders: tuple[str, ...]) -> bool:
    return any(target == folder or target.startswith((f"{folder}/", f"{folder}-")) for folder in folders)


def _file(scene: Scene, unit: Unit, mount: Mount, origin: str) -> None:
    draft = scene.draft
    draft.set(
        (*unit.path, "files", mount.target), mount.source, origin=origin, instead={"volumes": [mount.written]}
    )
    if not mount.read_only:
        draft.say("derived", origin, "read-only, as every file of the project")


def _folder(scene: Scene, unit: Unit, mount: Mount, origin: str) -> None:
    """A folder of the project: sources for hot reload, configuration, or what the service writes."""
    written = _is_written(scene, unit, mount)
    writes = not mount.read_only and (written or _below(mount.target, DATA_FOLDERS))
    if unit.role == "service" and not written and _is_source(scene, unit, mount):
        path = (*unit.path, "reload", "sync", mount.source)
        scene.draft.set(path, mount.target, origin=origin, instead={"volumes": [mount.written]})
        scene.draft.say("derived", origin, "hot reload sends changed files to it")
    elif writes and not _reads(mount.target):
        scene.draft.say(
            "derived", origin, "what it writes there is in a volume; what is in the folder now stays there"
        )
        _data(scene, unit, mount, origin)
    else:
        _file(scene, unit, mount, origin)


def _is_written(scene: Scene, unit: Unit, mount: Mount) -> bool:
    """Whether programs write to a folder and nobody edits it, by its name or by what the Dockerfile says."""
    named = posixpath.basename(mount.source) in WRITTEN_FOLDERS
    declared = mount.target.rstrip("/") in images.declared(scene, unit)
    own = mount.source == images.context_of(scene, unit)
    return not mount.read_only and (named or (declared and not own))


def _is_source(scene: Scene, unit: Unit, mount: Mount) -> bool:
    """Whether a folder holds what people edit while the service runs."""
    built = bool(unit.keys.get("build"))
    if built and mount.source == ".":
        return True
    if (mount.read_only and not built) or _reads(mount.target) or _below(mount.target, DATA_FOLDERS):
        return False
    name = repository(plain(str(unit.keys.get("image") or ""))).rpartition("/")[2]
    return built or name in _RUNTIMES or bool(unit.keys.get("working_dir")) or _has_code(scene, mount.source)


def _has_code(scene: Scene, folder: str) -> bool:
    """Whether programs that people write lie in a folder."""
    return any(path.startswith(f"{folder}/") and path.endswith(_CODE) for path in scene.world.paths)


def _data(scene: Scene, unit: Unit, mount: Mount, origin: str) -> None:
    """A folder that the service writes to, as a volume named after it; one for all that mount the folder."""
    folder = mount.source.rstrip("/")
    key = key_of(posixpath.basename(folder) or posixpath.basename(mount.target.rstrip("/")))
    number, name = 2, key
    while scene.folders.get(name, folder) != folder or (*unit.path, "volumes", name) in _volumes(scene, unit):
        name, number = f"{key}-{number}", number + 1
    scene.folders[name] = folder
    if mount.source in shared(scene):
        scene.draft.set(("volumes", name), {}, origin=origin)
    instead = {"volumes": [mount.written]}
    scene.draft.set((*unit.path, "volumes", name), mount.target, origin=origin, instead=instead)


def _volumes(scene: Scene, unit: Unit) -> Iterator[Path]:
    section, name = unit.path
    for key in scene.draft.value.get(section, {}).get(name, {}).get("volumes", {}):
        yield (section, name, "volumes", key)


def _secrets(scene: Scene, unit: Unit) -> None:
    """Compose's secrets: each is a file of the container whose content is a secret here."""
    for name, target in reading.secrets(unit.keys):
        settings = scene.project.secrets.get(name) or {}
        variable = str(settings.get("environment") or variable_of(name))
        if "file" in settings:
            file = reading.relative(str(settings["file"]), scene.project.folder)
            text = scene.world.texts.get(file)
            if text is None:
                scene.draft.say(
                    "by hand", f"secrets.{name}", f"{file} is not there; write {variable}=... to .env"
                )
            else:
                scene.draft.secrets[variable] = text.removesuffix("\n")
                scene.draft.say(
                    "derived",
                    f"secrets.{name}",
                    f"the content of {file} went to .devenv/secrets.env as {variable}",
                )
        elif "environment" not in settings:
            scene.draft.say(
                "by hand", f"secrets.{name}", f"its value is elsewhere; write {variable}=... to .env"
            )
        scene.draft.set(
            (*unit.path, "files", target), {"secret": variable}, origin=unit.at(f"secrets {name}")
        )


def configs(scene: Scene, unit: Unit) -> None:
    """Compose's configs: each is a file of the project, or a text."""
    for name, target in reading.configs(unit.keys):
        settings, origin = scene.project.configs.get(name) or {}, unit.at(f"configs {name}")
        if "file" in settings:
            file = reading.relative(str(settings["file"]), scene.project.folder)
            if inside(file) and file in scene.world.paths:
                scene.draft.set((*unit.path, "files", target), file, origin=origin)
            else:
                scene.draft.say("by hand", origin, f"{file} is not there; then files: {{{target}: {file}}}")
        elif content := _content(settings):
            for_both = [{"content": text} for text in rewritten(scene, content)]
            scene.draft.set((*unit.path, "files", target), *for_both, origin=origin)
        else:
            note = f"its content is elsewhere; write it to a file, then files: {{{target}: ./that-file}}"
            scene.draft.say("by hand", origin, note)


def _content(settings: Mapping[str, Any]) -> str:
    """The text of a config that stands in the Compose file, or in a variable."""
    variable = settings.get("environment")
    return f"${{{variable}}}" if variable else str(settings.get("content") or "")
