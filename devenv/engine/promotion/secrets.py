"""The Secrets that a promoted stack reads: which are missing at its cluster, and how they are made."""

from __future__ import annotations

import base64
import secrets as randomness
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devenv.backends.kube.refusals import Refused
from devenv.errors import UsageError
from devenv.plan.promotion.changes import Target, secrets_needed
from devenv.stack import text

if TYPE_CHECKING:
    from devenv.backends.kube.client import Client, Object
    from devenv.engine.project import Project
    from devenv.render.chart import Promoted

MANAGED = "app.kubernetes.io/managed-by"

NONE: Mapping[str, Mapping[str, str]] = {}

Missing = Mapping[str, set[str]]
"""Secret -> keys that it lacks; no key: the Secret itself is not there."""


@dataclass(frozen=True)
class ClusterSecrets:
    """The Secrets of a namespace."""

    client: Client
    target: Target

    def _find(self, name: str) -> Object | None:
        return self.client.find(f"/api/v1/namespaces/{self.target.namespace}/secrets/{name}")

    def missing(self, objects: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
        """What the pods among these objects need and the namespace lacks."""
        missing = {}
        for name, keys in secrets_needed(objects).items():
            secret = self._find(name)
            if secret is None:
                missing[name] = keys
            elif lacking := keys - set(secret.get("data") or {}):
                missing[name] = lacking
        return missing

    def values(self, project: Project, missing: Missing, environment: Mapping[str, str]) -> dict[str, str]:
        """Key -> value of the stack's secrets, for Secrets that lack them.

        What a credential of a consumer holds is at SECRET/KEY. Where a Secret has a password already, its
        other forms are made of that one. A generated one that is known nowhere is made up.

        Raises `UsageError` for that of a store whose volumes are there already: a new one does not open them.
        """
        from devenv.engine.promotion import charts
        from devenv.render.chart import keys
        from devenv.render.chart.credentials import sealed_credentials

        promoted = charts.promoted(project, self.target.environment)
        wanted = keys(promoted)
        values = project.workspace.secret_values_elsewhere(
            wanted={secret.name for secret in wanted.values()},
            generated=promoted.stack.generated,
            environment=environment,
        )
        for name in missing:
            secret = self._find(name) or {}
            for key, value in (secret.get("data") or {}).items():
                if key in wanted and wanted[key].place == "plain":
                    values[key] = base64.b64decode(value).decode(errors="replace")
        lacking = {wanted[key].name for keys_of in missing.values() for key in keys_of if key in wanted}
        made_up = sorted((promoted.stack.generated & lacking) - values.keys())
        for password in made_up:
            self._require_no_data(password, promoted)
        values |= {password: randomness.token_hex(16) for password in made_up}
        fields = {
            f"{name}/{field}": text.reveal(value, values)
            for name, credential in sealed_credentials(promoted.stack).items()
            for field, value in credential.fields.items()
            if {secret.name for secret in text.secrets([value])} <= values.keys()
        }
        return fields | {key: secret.value(values) for key, secret in wanted.items() if secret.name in values}

    def _require_no_data(self, password: str, promoted: Promoted) -> None:
        """Raises `UsageError` where a store has volumes that were made with a password of before."""
        units = promoted.made_with(password)
        labels = (
            f"app.kubernetes.io/instance={self.target.release},app.kubernetes.io/name in ({','.join(units)})"
        )
        volumes = self._labelled("persistentvolumeclaims", labels) if units else []
        if not volumes:
            return
        kubectl = self.target.kubectl
        pods = self._labelled("pods", labels)
        looks = (
            [f"{kubectl} exec {pods[0]} -- env   prints the one that the pod was started with"]
            if pods
            else []
        )
        raise UsageError(
            f"the Secret with {password} is gone, and the data of {', '.join(units)} is still there",
            where=f"{self.target.where}: {', '.join(volumes)}",
            why="a new password would not open what was made with the old one",
            hint="\n".join(
                [
                    f"echo '{password}=...' >> .env   with the old one, then again",
                    *looks,
                    f"{kubectl} delete pvc {' '.join(volumes)}   removes the data, where that may go",
                ]
            ),
        )

    def _labelled(self, kind: str, labels: str) -> list[str]:
        """The names of those with the labels, as far as we may look."""
        path = f"/api/v1/namespaces/{self.target.namespace}/{kind}"
        try:
            return [item["metadata"]["name"] for item in self.client.get(path, labelSelector=labels)["items"]]
        except Refused:
            return []

    def create(
        self, missing: Missing, values: Mapping[str, str], labels: Mapping[str, Mapping[str, str]] = NONE
    ) -> None:
        """Make Secrets that are not there, and add keys to those of ours that lack some.

        `labels`: what a Secret needs to be found, by its name.
        """
        namespace, ours = self.target.namespace, {MANAGED: "devenv"}
        path = f"/api/v1/namespaces/{namespace}/secrets"
        if self.client.find(f"/api/v1/namespaces/{namespace}") is None:
            self.client.create(
                "/api/v1/namespaces",
                {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": namespace}},
            )
        for name, keys in missing.items():
            data = {"stringData": {key: _value(values, name, key) for key in sorted(keys)}}
            if self._find(name) is None:
                tags = {**ours, **labels.get(name, {})}
                metadata = {"name": name, "namespace": namespace, "labels": tags}
                self.client.create(path, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **data})
            else:
                self.client.patch(f"{path}/{name}", data)

    def lacking(self, missing: Missing, labels: Mapping[str, Mapping[str, str]] = NONE) -> UsageError:
        """What to say of missing Secrets and keys, with the commands that make the first of them."""
        target, first = self.target, next(iter(missing))
        secret = self._find(first)
        if secret is None:
            literals = " ".join(f"--from-literal={key}=..." for key in sorted(missing[first]))
            own = [
                f"{target.kubectl} label secret {first} {key}={kind}"
                for key, kind in labels.get(first, {}).items()
            ]
            by_hand = [f"{target.kubectl} create secret generic {first} {literals}", *own]
        else:
            by_hand = [f"{target.kubectl} edit secret {first}   adds what it lacks, under stringData:"]
        if secret is None or _is_ours(secret):
            by_hand.insert(
                0, f"devenv promote {target.environment} --create-secrets   takes them from .env; or"
            )
        lines = [f"{name}: {', '.join(sorted(keys)) or 'all of it'}" for name, keys in missing.items()]
        return UsageError(
            f"the namespace {target.namespace} lacks Secrets that pods need",
            where=f"context {target.context}",
            why="\n".join(lines),
            hint="\n".join(by_hand),
        )

    def require_makeable(self, missing: Missing, values: Mapping[str, str]) -> None:
        """Raises `UsageError` for keys without a value, and for a Secret that somebody else made."""
        unknown = sorted(
            {key for name, keys in missing.items() for key in keys if not _value(values, name, key)}
        )
        whole = sorted(name for name, keys in missing.items() if not keys)
        if unknown or whole:
            raise UsageError(
                f"no value for {', '.join([*unknown, *whole])}",
                why="looked in the environment, .env and .devenv/secrets.env",
                hint=f"echo '{(unknown or whole)[0]}=...' >> .env",
            )
        for name, keys in missing.items():
            secret = self._find(name)
            if secret is not None and not _is_ours(secret):
                raise UsageError(
                    f"the Secret {name} lacks {', '.join(sorted(keys))}, and devenv did not make it",
                    where=self.target.where,
                    why="what somebody else made is not changed",
                    hint=f"{self.target.kubectl} edit secret {name}",
                )


def _is_ours(secret: Object) -> bool:
    return bool((secret["metadata"].get("labels") or {}).get(MANAGED) == "devenv")


def _value(values: Mapping[str, str], name: str, key: str) -> str:
    return values.get(f"{name}/{key}") or values.get(key, "")
