"""What a container mounts: claims as volumes, ConfigMaps and Secrets as files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from devenv.drafting.kubernetes.imported import Imported
from devenv.drafting.kubernetes.objects import Item, Values, Workload, at, name_of, rows, size_of, word
from devenv.drafting.scene import variable_of


def mounts(imported: Imported, unit: str, workload: Workload, container: Item) -> dict[str, Any]:
    """The keys of Compose that say the same."""
    volumes = {word(volume, "name"): volume for volume in rows(workload.pod, "volumes")}
    claims = {name_of(claim): claim for claim in rows(workload.spec, "volumeClaimTemplates")}
    keys: dict[str, list[Any]] = {"volumes": [], "tmpfs": [], "configs": [], "secrets": []}
    for mount in rows(container, "volumeMounts"):
        name, target = word(mount, "name"), word(mount, "mountPath")
        if name in claims:
            keys["volumes"] += _volume(
                imported, unit, mount, _own(imported, unit, name), size_of(claims[name])
            )
        elif name in volumes:
            _mount(imported, unit, mount, volumes[name], keys)
        elif target:
            imported.say("by hand", f"{unit}.volumeMounts {name}", "there is no volume of this name")
    return {key: items for key, items in keys.items() if items}


def _own(imported: Imported, unit: str, name: str) -> str:
    """The name of a volume that each workload has for itself: its own, unless another one took it."""
    return name if name not in imported.volumes else f"{unit}-{name}"


def _mount(imported: Imported, unit: str, mount: Item, volume: Item, keys: dict[str, list[Any]]) -> None:
    target, path = word(mount, "mountPath"), word(mount, "subPath")
    what = f"{unit}.volumeMounts {target}"
    if claim := word(volume, "persistentVolumeClaim", "claimName"):
        keys["volumes"] += _volume(imported, unit, mount, claim, imported.objects.claims.get(claim, ""))
    elif "emptyDir" in volume:
        if word(volume, "emptyDir", "medium") == "Memory":
            keys["tmpfs"].append(target)
        else:
            imported.say(
                "dropped", what, "a folder that goes with the container, as every one that is no volume"
            )
    elif "hostPath" in volume:
        imported.say(
            "by hand", what, f"{word(volume, 'hostPath', 'path')} of a node: host_paths has this machine's"
        )
    elif sources := [*_sources(volume)]:
        for key, source in sources:
            keys[f"{key}s"] += _files(imported, what, key, source, target, path)
    else:
        kind = next((key for key in volume if key != "name"), "volume")
        imported.say("by hand", what, f"{kind} is a volume of a cluster: volumes has one of the stack's own")


def _volume(imported: Imported, unit: str, mount: Item, name: str, size: str) -> Iterator[str]:
    target = word(mount, "mountPath")
    imported.volumes[name] = {}
    if size:
        imported.sizes[name] = size
    if path := word(mount, "subPath"):
        note = f"the whole volume, not its folder {path} alone"
        imported.say("derived", f"{unit}.volumeMounts {target}", note)
    yield f"{name}:{target}"


def _sources(volume: Item) -> Iterator[tuple[str, Item]]:
    """What a volume has its files from: "config" or "secret", and what says which."""
    for source in (volume, *rows(volume, "projected", "sources")):
        if "configMap" in source:
            yield "config", at(source, "configMap")
        if "secret" in source:
            yield "secret", at(source, "secret")


def _files(
    imported: Imported, what: str, key: str, source: Item, target: str, path: str
) -> Iterator[dict[str, str]]:
    """The files of a ConfigMap or a Secret, one by one; with `path`, this one alone, at the target itself."""
    name = word(source, "name") or word(source, "secretName")
    held = imported.objects.configs if key == "config" else imported.objects.secrets
    if (values := held.get(name)) is None:
        imported.say("by hand", what, f"{name} is not among the objects: files has what lies there")
        return
    wanted = {word(item, "key"): word(item, "path") for item in rows(source, "items")}
    for file in wanted or (*values.texts, *values.opaque):
        place = wanted.get(file) or file
        if path and place != path:
            continue
        if file not in values.texts:
            imported.say("by hand", what, f"{name} has no text {file}: write it to a file, which files names")
            continue
        own = _name(imported, key, name, file, values)
        yield {"source": own, "target": target if path else posixpath.join(target, place)}


def _name(imported: Imported, key: str, name: str, file: str, values: Values) -> str:
    """What Compose calls a file of a ConfigMap or a Secret."""
    own = re.sub(r"[^a-z0-9-]+", "-", f"{name}-{file}".lower())
    if key == "config":
        text = imported.addresses.here(values.texts[file])
        imported.configs[own] = {"content": text.replace("$", "$$")}
    else:
        variable = variable_of(own)
        imported.secrets[own] = {"environment": variable}
        imported.values[variable] = values.texts[file]
    return own
