"""What a cluster says of a release's objects before any of them is changed: dry runs on its API server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from devenv.backends.causes import likely
from devenv.errors import DevenvError, UsageError
from devenv.plan.promotion import threeway
from devenv.plan.promotion.changes import HOOK, Change, Target, Verb
from devenv.plan.promotion.storage import disk

if TYPE_CHECKING:
    from devenv.backends.kube.client import Client
    from devenv.backends.kube.refusals import Refused
    from devenv.backends.kube.resources import Resources

Object = Mapping[str, Any]

FIXED = ("field is immutable", "may not change once set", "Forbidden: updates to")
"""What is said of a field that only a new object can have otherwise."""
HELM = "helm"
QUERY = {"fieldManager": HELM, "dryRun": "All"}


@dataclass(frozen=True)
class Admission:
    """Judges objects for one release. Nothing is kept of what is asked.

    `so_far`: what was done before, in the words of whoever asks; it ends what is said of a refusal.
    `serving`: the objects of the revision that serves.
    """

    client: Client
    target: Target
    so_far: str = "nothing was changed"
    serving: Sequence[Object] = ()

    @cached_property
    def _resources(self) -> Resources:
        from devenv.backends.kube.resources import Resources

        return Resources(self.client)

    def judge(self, objects: Sequence[Object], changes: Sequence[Change]) -> None:
        """Raises `DevenvError` for what is refused, `UsageError` for what is unknown or of somebody else."""
        for item in objects:
            self._resources.of(item)  # whose operator may not be installed
        if self.client.find(f"/api/v1/namespaces/{self.target.namespace}") is None:
            return  # Helm makes it; until then nothing in it can be judged
        changed = {(change.kind, change.name): change.verb for change in changes}
        placed = [self._in_namespace(item) for item in objects]
        self._judge_claims(item for item in placed if changed.get(_key(item)) is Verb.ADD)
        for item in placed:
            if not _is_hook(item):  # Helm makes those anew
                self._judge_object(item)
        for item in placed:
            verb = changed.get(_key(item))
            if verb or _is_hook(item):
                self._judge_pod(item, surges=_is_hook(item) or verb is Verb.ADD or _surges(item))

    def _in_namespace(self, item: Object) -> Object:
        return {**item, "metadata": {"namespace": self.target.namespace, **item["metadata"]}}

    def _judge_object(self, item: Object) -> None:
        """An object, as the user's Helm will send it: version 4 applies, version 3 changes what differs."""
        from devenv.backends.kube.client import APPLY, MERGE
        from devenv.backends.kube.refusals import Refused

        path = self._resources.of(item)
        live = self.client.find(path)
        self._require_of_release(live)
        if live is None or _is_applied(live):
            query, body, content = {**QUERY, "force": "true"}, item, APPLY
        else:
            wanted = threeway.merged(self._before.get(_name(item)), item, live)
            query, body, content = QUERY, threeway.change(live, wanted), MERGE
        try:
            self.client.request("PATCH", path, query=query, body=body, content=content)
        except Refused as error:
            raise self._refused(_name(item), error) from error

    @cached_property
    def _before(self) -> dict[str, Object]:
        return {_name(item): item for item in self.serving}

    def _judge_claims(self, added: Iterable[Object]) -> None:
        """What no dry run tells: a claim that its class never fulfils is taken, and waits."""
        claims = [item for item in added if item["kind"] == "PersistentVolumeClaim"]
        for claim in claims:
            if storage := disk(claim, self._storage_classes):
                name, provisioner = claim["metadata"]["name"], storage["provisioner"]
                raise DevenvError(
                    f"the volume {name} cannot be on several nodes; {self.so_far}",
                    where=self.target.where,
                    why=f"it asks for ReadWriteMany, and its class {storage['metadata']['name']} "
                    f"({provisioner}) makes disks, which one node has at a time",
                    hint=f"name a class of shared files: values: {{volumes: {{{name}: {{class: NAME}}}}}}"
                    "\nor leave mode: out; then what shares the volume runs on one node",
                )

    @cached_property
    def _storage_classes(self) -> list[Object]:
        """Nothing where we may not ask."""
        try:
            return list(self.client.get("/apis/storage.k8s.io/v1/storageclasses")["items"])
        except DevenvError:
            return []

    def _judge_pod(self, item: Object, *, surges: bool) -> None:
        """A pod of a workload: the cluster judges those only when they are made, long after their workload.

        `surges`: a pod more than now has to fit into the namespace's quota.
        """
        from devenv.backends.kube.refusals import Refused, lacks_right

        for pod in _pods(item):
            account = pod["spec"].get("serviceAccountName", "default")
            if not self._has_account(account):  # it comes along with the release
                del pod["spec"]["serviceAccountName"]
            path = self._resources.path(("v1", "Pod"), self.target.namespace)
            try:
                self.client.request("POST", path, query=QUERY, body=pod)
            except Refused as error:
                message = error.why or error.what
                if error.status == 403 and lacks_right(message):
                    return  # who promotes need not have the right to make pods
                if surges or "exceeded quota" not in message:
                    raise self._refused(f"pods of {_name(item)}", error) from error

    def _has_account(self, name: str) -> bool:
        if name not in self._accounts:
            path = f"/api/v1/namespaces/{self.target.namespace}/serviceaccounts/{name}"
            self._accounts[name] = self.client.find(path) is not None
        return self._accounts[name]

    @cached_property
    def _accounts(self) -> dict[str, bool]:
        return {}

    # -- what is wrong

    def _refused(self, name: str, error: Refused) -> DevenvError:
        from devenv.backends.kube.cards import CAUSES

        message = error.why or error.what
        fixed = any(words in message for words in FIXED)
        precise = error.hint if error.status == 403 else ""  # it names the cluster and the namespace
        return DevenvError(
            f"the cluster refuses {name}; {self.so_far}",
            where=error.where,
            why=message,
            hint=self._remaking(name) if fixed else precise or likely([message], CAUSES) or error.hint,
        )

    def _remaking(self, name: str) -> str:
        object, kubectl = name.lower().replace(" ", "/", 1), self.target.kubectl
        if name.startswith("StatefulSet "):
            return (
                "that is set when it is made: delete it (its pods and volumes stay), then promote again"
                f"\n{kubectl} delete {object} --cascade=orphan"
                f"\na volume keeps its size; where its class lets it grow: {kubectl} edit pvc"
            )
        return (
            "that field can only be set when the object is made: delete it, then promote again"
            f"\n{kubectl} delete {object}"
        )

    def _require_of_release(self, item: Object | None) -> None:
        """Raises `UsageError` for an object that is there already, of no release or another."""
        if item is None:
            return
        metadata, target = item["metadata"], self.target
        owner = (metadata.get("annotations") or {}).get("meta.helm.sh/release-name", "")
        if owner != target.release:
            name = _name(item)
            raise UsageError(
                f"{name} is there already and not of this release; {self.so_far}",
                where=target.where,
                why=f"it is of the release {owner}" if owner else "somebody made it without Helm",
                hint=f"name another namespace: under environments.{target.environment}, or remove it:"
                f"\n{target.kubectl} delete {name.lower()}",
            )


def _key(item: Object) -> tuple[str, str]:
    return item["kind"], item["metadata"]["name"]


def _name(item: Object) -> str:
    return f"{item['kind']} {item['metadata']['name']}"


def _is_applied(live: Object) -> bool:
    """Whether Helm applies an object on the server, as version 4 does with what it made itself."""
    entries = live["metadata"].get("managedFields") or ()
    return any(entry["manager"] == HELM and entry.get("operation") == "Apply" for entry in entries)


def _is_hook(item: Object) -> bool:
    return HOOK in (item["metadata"].get("annotations") or {})


def _surges(item: Object) -> bool:
    """Whether a changed workload makes a pod before it ends one."""
    return item["kind"] == "Deployment" and (item["spec"].get("strategy") or {}).get("type") != "Recreate"


def _pods(item: Object) -> Iterator[dict[str, Any]]:
    """The pod that a workload makes, as its controller would ask for it; none of what runs no pods."""
    spec, metadata = item.get("spec") or {}, item["metadata"]
    if item["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if item["kind"] not in ("Deployment", "StatefulSet", "Job", "CronJob"):
        return
    template = spec["template"]
    claims = [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates") or ()]
    volumes = [
        {"name": claim, "persistentVolumeClaim": {"claimName": f"{claim}-{metadata['name']}-0"}}
        for claim in claims
    ]
    named = {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]}
    yield {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**(template.get("metadata") or {}), **named},
        "spec": {**template["spec"], "volumes": [*(template["spec"].get("volumes") or ()), *volumes]},
    }
