"""Which cluster and namespace a checkout is on, remembered in `.devenv`."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.backends.kube.config import Place, find, in_use
from devenv.backends.kube.refusals import Refused
from devenv.errors import DevenvError, OutOfReach, UsageError
from devenv.writing import write_whole

if TYPE_CHECKING:
    from devenv.backends.kube.client import Client

FILE = "target.json"
SYSTEM = "/api/v1/namespaces/kube-system"
"""Every cluster has it, with a uid of its own."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where `up` put a stack. `kinds` are those of objects that the user's fragments added.

    `kubeconfig`: the files that had the context, as KUBECONFIG names them. `cluster`: its `identity`.
    """

    context: str
    namespace: str
    stack: str
    checkout: str = ""
    kinds: tuple[tuple[str, str], ...] = ()
    kubeconfig: str = ""
    cluster: str = ""


def identity(client: Client) -> str:
    """What tells a cluster from every other, as long as it lasts; "" where we may not ask."""
    try:
        namespace = client.find(SYSTEM)
    except Refused:
        return ""
    return str(namespace["metadata"]["uid"]) if namespace else ""


def recall(folder: Path | None) -> Target | None:
    """The target of the last `up`; None where there was none, or nobody can read it any more."""
    if folder is None:
        return None
    try:
        fields = json.loads((folder / FILE).read_text(encoding="utf-8"))
        fields["kinds"] = tuple((version, kind) for version, kind in fields["kinds"])
        return Target(**fields)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def remember(folder: Path, target: Target) -> None:
    """Write the target down for commands without a manifest."""
    write_whole(folder / FILE, json.dumps(asdict(target), indent=1) + "\n", mode=0o644)


def elsewhere(last: Target) -> Place | None:
    """Where the context of the last `up` leads by the kubeconfig of then; None where this terminal has it.

    A context of that name here may be another way to the same cluster.
    """
    if last.kubeconfig in ("", in_use()) or _found(last.context, os.environ):
        return None
    return _found(last.context, {**os.environ, "KUBECONFIG": last.kubeconfig})


def _found(context: str, environment: Mapping[str, str]) -> Place | None:
    with suppress(DevenvError):
        return find(context, environment=environment)
    return None


def out_of_reach(last: Target) -> OutOfReach:
    """The error for a stack on a cluster whose context this terminal does not have."""
    here = in_use()
    return OutOfReach(
        "the stack is on a cluster that this terminal does not lead to",
        where=f"context {last.context} of {last.kubeconfig}",
        why=f"{here} has no such context" if here else "there is no kubeconfig here",
        hint=f"export KUBECONFIG={shlex.quote(last.kubeconfig)}",
    )


def require_same(client: Client, last: Target | None) -> None:
    """Raises `UsageError` where the context of the last `up` leads to another cluster than then."""
    if last is None or not last.cluster or last.context != client.place.context:
        return
    if (now := identity(client)) and now != last.cluster:
        raise UsageError(
            f"the context {last.context} leads to another cluster than at the last up",
            where=client.place.server,
            why="a kubeconfig may give two clusters one name, or the cluster was made anew",
            hint=f"to use it anyway: --context {last.context}",
        )


def guard(place: Place, *, by_hand: bool) -> None:
    """Refuse a cluster that customers may depend on, unless it was named on the command line."""
    if place.looks_like_production and not by_hand:
        raise UsageError(
            f'"{place.context}" looks like production, and --context does not name it',
            where=", ".join(place.files),
            why="it is only the kubeconfig's current context",
            hint=f"to use it anyway: --context {place.context}",
        )
