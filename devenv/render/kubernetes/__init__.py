"""Stack to Kubernetes objects: a bundle that works with plain `kubectl apply -f` alone.

`stack.yaml` contains no secrets: they are in `secrets.yaml`, which only its owner can read. The file names
sort in the order in which they have to be applied.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from devenv.errors import UsageError
from devenv.render.bundle import Bundle, Source, to_yaml
from devenv.render.kubernetes.objects import Object, of_stack, of_unit
from devenv.stack.graph import ordered
from devenv.stack.model import Stack

__all__ = ["Object", "Source", "override_names", "project_files", "render"]


def project_files(stack: Stack) -> Collection[str]:
    """Every file of the project that a unit mounts: the contents go into ConfigMaps."""
    return {
        file.source for unit in stack.units for mounted in unit.files for file in mounted.each if file.source
    }


def override_names(stack: Stack) -> Collection[str]:
    """Every infra kind in use."""
    return {unit.engine for unit in stack.units if unit.engine}


LABEL_VALUE = 63  # characters that Kubernetes allows


def render(stack: Stack, source: Source) -> Bundle:
    """The bundle.

    Raises `KeyError` for a secret without a value, `UsageError` for files and names that no cluster takes.
    """
    _check_name(stack)
    secrets: list[Object] = []
    plain: list[Object] = []
    manual: dict[str, str] = {}
    for unit in ordered(stack):
        objects = of_unit(stack, unit, source)
        secrets += [resource for resource in objects if resource["kind"] == "Secret"]
        others = [resource for resource in objects if resource["kind"] != "Secret"]
        if unit.manual:  # `kubectl apply -f .` skips subfolders: it is only started by name
            manual[f"manual/{unit.name}.yaml"] = _document(others)
        else:
            plain += others
    head = f"# Rendered by devenv from {stack.name}'s devenv.yaml: change that, not this. Works on its own:\n"
    head += "# kubectl apply -f .   (a job that comes too early is tried again)\n"
    files = {
        "namespace.yaml": _document(of_stack(stack)),
        "secrets.yaml": "# Secrets of this checkout; never commit this file.\n" + _document(secrets),
        "stack.yaml": head + _document(plain),
    }
    return Bundle({**files, **manual}, private=frozenset({"secrets.yaml"}))


def _check_name(stack: Stack) -> None:
    """Check that the stack's id, which every object has as a label, is short enough."""
    if (longer := len(stack.id) - LABEL_VALUE) > 0:
        raise UsageError(
            f"the name {stack.name} is too long for Kubernetes",
            where="name:   in devenv.yaml, or the project's folder where that says none",
            why=f"with the checkout's mark, a label of {len(stack.id)} characters, {LABEL_VALUE} at most",
            hint=f"a name of at most {len(stack.name) - longer} characters",
        )


def _document(objects: list[Object]) -> str:
    return "---\n".join(map(to_yaml, objects))


def names(stack: Stack) -> Mapping[str, str]:
    """Kind -> name of the stack's own objects, which belong to no unit."""
    return {resource["kind"]: resource["metadata"]["name"] for resource in of_stack(stack)}
