"""A file of kubeseal's: the stack's secrets of one environment, encrypted for its cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from devenv.render.chart.variables import plain

SCOPE = "sealedsecrets.bitnami.com/"
WIDE = (f"{SCOPE}cluster-wide", f"{SCOPE}namespace-wide")

Fault = tuple[str, str]
"""What is wrong with the file, and what to type."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Key -> encrypted value, and the annotations that say where it can be decrypted."""

    data: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


NOT_SEALED = Sealed()


def read(item: Any) -> Sealed:
    """What the object of a file says; nothing where it is another."""
    if not isinstance(item, Mapping) or item.get("kind") != "SealedSecret":
        return NOT_SEALED
    annotations = (item.get("metadata") or {}).get("annotations") or {}
    return Sealed(
        {
            str(key): str(value)
            for key, value in ((item.get("spec") or {}).get("encryptedData") or {}).items()
        },
        {key: str(value) for key, value in annotations.items() if key in WIDE},
    )


def faults(item: Any, *, file: str, secret: str, namespace: str, names: Collection[str]) -> Iterator[Fault]:
    """Why a file does not make this Secret of this namespace, with these keys."""
    sealed, again = (
        read(item),
        f"kubectl create secret generic {secret} -n {namespace} --dry-run=client -o yaml",
    )
    if not sealed.data:
        yield (
            f"{file} is no SealedSecret with encrypted data",
            f"{again} --from-env-file=FILE | kubeseal -o yaml",
        )
        return
    metadata = item.get("metadata") or {}
    wide = [name for name in WIDE if sealed.annotations.get(name) == "true"]
    places = {"name": (metadata.get("name"), secret), "namespace": (metadata.get("namespace"), namespace)}
    for place, (written, wanted) in places.items():
        free = WIDE[0] in wide or (place == "name" and WIDE[1] in wide)
        if not free and written != wanted:
            yield (
                f"{file} is sealed for the {place} {written}, and cannot be decrypted as {wanted}",
                f"{again} --from-env-file=FILE | kubeseal -o yaml",
            )
    lacking = [name for name in plain(names) if name not in sealed.data]
    if lacking:
        literals = " ".join(f"--from-literal={name}=..." for name in lacking)
        yield (
            f"{file} lacks {', '.join(lacking)}",
            f"{again} {literals} | kubeseal -o yaml --merge-into {file}",
        )
