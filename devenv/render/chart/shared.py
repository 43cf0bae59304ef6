"""Volumes that several units share, in a chart: their claims are in templates/volumes.yaml."""

from __future__ import annotations

import json
from typing import Any

from devenv.render.chart.page import Page
from devenv.render.kubernetes.objects import SIZE, quantity
from devenv.render.kubernetes.pod import together
from devenv.stack.labels import LABEL
from devenv.stack.model import Stack, Unit

ANYWHERE = "ReadWriteMany"
"""The mode of a claim whose pods need not be on one node."""


def values(stack: Stack) -> dict[str, Any]:
    """The values of each, with their defaults."""
    return {
        volume.name: {
            "size": SIZE if volume.size is None else quantity(volume.size),
            "class": "",
            "mode": "ReadWriteOnce",
            "claim": volume.external,
        }
        for volume in stack.shared_volumes
    }


def mounted(stack: Stack, unit: Unit, spec: dict[str, Any], page: Page) -> dict[str, Any]:
    """A unit's pod with the claims that the values name, and on one node unless these say otherwise."""
    names = [volume.name for volume in unit.shared_volumes]
    value = {name: f"(index $.Values.volumes {json.dumps(name)})" for name in names}

    def claimed(volume: dict[str, Any]) -> dict[str, Any]:
        name = volume["name"]
        if name not in value:
            return volume
        claim = page.inline(f"{value[name]}.claim | default {json.dumps(name)} | quote")
        return {"name": name, "persistentVolumeClaim": {"claimName": claim}}

    spec = {**spec, "volumes": [claimed(volume) for volume in spec["volumes"]]}
    if spec["affinity"] != together(stack.beside(unit), {LABEL + "stack": stack.id}):  # a fragment's
        return spec
    del spec["affinity"]
    release = {"app.kubernetes.io/instance": page.inline("$.Release.Name | quote")}
    affinity = {"affinity": together(stack.beside(unit), release)}
    anywhere = " ".join(f'(eq {each}.mode "{ANYWHERE}")' for each in value.values())
    return {**spec, page.when(f"if not (or $unit.affinity (and {anywhere}))", affinity): None}
