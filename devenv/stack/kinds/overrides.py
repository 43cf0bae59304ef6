"""What of an infra kind differs on Kubernetes: fragments of its objects, from a file beside the kind's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from devenv.errors import ManifestInvalid, did_you_mean
from devenv.manifest import source
from devenv.manifest.source import Finding, Path
from devenv.manifest.versions import is_condition

OBJECTS = (
    "Deployment", "StatefulSet", "Job", "Service", "Secret", "ConfigMap", "PersistentVolumeClaim"
)  # fmt: skip
"""Kinds of the objects that a unit becomes."""

Fragments = Mapping[str, Any]
"""Kind of object -> fragment; and `versions`: condition -> the same for some versions."""


def read(text: str, *, file: str) -> Fragments:
    """The fragments in a file. Raises `ManifestInvalid` with every problem."""
    document = source.read(text, file=file)
    value = document.value if document.value is not None else {}
    if problems := [document.problem(*finding) for finding in _findings(value, ())]:
        raise ManifestInvalid(problems)
    return dict(source.as_yaml(value))


def _findings(value: Any, path: Path) -> Iterator[Finding]:
    if not isinstance(value, dict):
        yield path, "expected a mapping from kinds of objects to fragments", "compare minikube/postgres.yaml"
        return
    for key, fragment in value.items():
        here = (*path, key)
        if key == "versions" and not path:
            yield from _findings_of_versions(fragment)
        elif key not in OBJECTS:
            kinds = f"known here: {', '.join(OBJECTS)}"
            yield here, "no kind of object that a unit becomes", did_you_mean(key, OBJECTS, kinds)
        elif not isinstance(fragment, dict):
            yield here, "expected a mapping", "it is merged into the object"


def _findings_of_versions(versions: Any) -> Iterator[Finding]:
    if not isinstance(versions, dict):
        yield ("versions",), "expected a mapping from conditions to fragments", ""
        return
    for condition, fragments in versions.items():
        path = ("versions", condition)
        if not is_condition(condition):
            yield path, f'"{condition}" is not a condition', 'write "<18" or ">=9.7"'
        yield from _findings(fragments, path)
