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


def claim(volume: str) -> str:
    """An expression for the name of a volume's claim, in a template."""
    return f"{_value(volume)}.claim | default {json.dumps(volume)}"


def _value(volume: str) -> str:
    return f"(index $.Values.volumes {json.dumps(volume)})"


def mounted(stack: Stack, unit: Unit, spec: dict[str, Any], page: Page) -> dict[str, Any]:
    """A unit's pod with the claims that the values name, and on one node unless these say otherwise."""
    names = [volume.name for volume in unit.shared_volumes]

    def claimed(volume: dict[str, Any]) -> dict[str, Any]:
        name = volume["name"]
        if name not in names:
            return volume
        return {"name": name, "persistentVolumeClaim": {"claimName": page.inline(f"{claim(name)} | quote")}}

    spec = {**spec, "volumes": [claimed(volume) for volume in spec["volumes"]]}
    if spec["affinity"] != together(stack.beside(unit), {LABEL + "stack": stack.id}):  # a fragment's
        return spec
    del spec["affinity"]
    release = {"app.kubernetes.io/instance": page.inline("$.Release.Name | quote")}
    affinity = {"affinity": together(stack.beside(unit), release)}
    anywhere = " ".join(f'(eq {_value(name)}.mode "{ANYWHERE}")' for name in names)
    return {**spec, page.when(f"if not (or $unit.affinity (and {anywhere}))", affinity): None}
