"""Why a unit is not up: from its pods, their events and what they printed, as a card."""

from __future__ import annotations

import re
from collections.abc import Sequence

from devenv.backends.causes import GUESSES, READ, Cause, excerpt, helpful, likely
from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.resources import CLAIM, Resources
from devenv.backends.kube.verdict import Verdict
from devenv.errors import Card, DevenvError
from devenv.stack.model import Unit

EVENTS = 3
UNCREATED = "reason=FailedCreate"
CHECKED = re.compile(r"(Readiness|Startup|Liveness) probe (failed|errored)")
SAFE = "bcdfghjklmnpqrstvwxz2456789"  # what Kubernetes makes up names of

CAUSES = (
    Cause(
        r"pull access denied|insufficient_scope|authorization failed|unauthorized",
        "the registry needs credentials: create an imagePullSecret, and name it under kubernetes:",
    ),
    Cause(
        r"ErrImageNeverPull|manifest unknown|not found.*manifest|failed to resolve reference",
        "is the name right, and can the nodes reach the registry?",
    ),
    Cause(
        r"Insufficient (memory|cpu)", "the nodes have no room left: lower resources:, or use a larger cluster"
    ),
    Cause(
        r"must support resize",
        "the storage class lets no volume grow: leave size: as it is, or copy the data into a new volume",
    ),
    Cause(r"can not be less than status.capacity", "a volume cannot shrink: leave size: as it is"),
    Cause(
        r"storageclass\S* \"[^\"]*\" not found",
        "the storage class does not exist: kubectl get storageclass   lists those that do",
    ),
    Cause(
        r"external provisioner",
        "the provisioner of the storage class does not run: kubectl get storageclass   names it",
    ),
    Cause(
        r"unbound immediate PersistentVolumeClaims|no persistent volumes available|storageclass",
        "the cluster has no default storage class: kubectl get storageclass   must show one",
    ),
    Cause(
        r"disk-pressure|DiskPressure|[Ee]phemeral.storage|no space left",
        "the node's disk is full: remove images or volumes there",
    ),
    Cause(
        r"(memory|pid)-pressure",
        "the node has no memory or process ids left: kubectl describe nodes   shows who uses them",
    ),
    Cause(
        r"node.kubernetes.io/(not-ready|unreachable|unschedulable)",
        "a node is down or cordoned: kubectl get nodes   shows which",
    ),
    Cause(
        r"untolerated taint|didn't match Pod's node affinity|node selector",
        "no node matches: compare kubernetes: in the manifest with kubectl get nodes --show-labels",
    ),
    Cause(
        r"usage per Container|limit to request ratio",
        "the namespace's LimitRange refuses it: change resources:, the limit, of which a"
        " quarter is requested",
    ),
    Cause(
        r"must specify (limits|requests)|failed quota",
        "the namespace's quota wants limits of every pod: resources: {cpu: 500m, memory: 256Mi}",
    ),
    Cause(r"exceeded quota", "the namespace's quota is used up: kubectl describe quota"),
    Cause(
        r"violates PodSecurity",
        "the namespace's Pod Security level refuses it: the image's USER has to be a number, or say whom it"
        " runs as under kubernetes: {Deployment: ...securityContext}",
    ),
    Cause(
        r"runAsNonRoot|cannot verify user is non-root",
        "the image runs as root: allow that under kubernetes:, in the securityContext",
    ),
    Cause(
        r"[Oo]peration not permitted",
        "devenv drops capabilities on Kubernetes: add them under kubernetes:"
        " {Deployment: ...securityContext}",
    ),
)
"""Known messages of Kubernetes and what helps; those of programs are in `backends.causes`."""


def card(client: Client, unit: Unit, namespace: str, verdict: Verdict) -> Card:
    """The card of a failure. What cannot be read is left out."""
    output = log_tail(client, namespace, verdict.pod) if verdict.pod else []
    messages = (
        _of_pod(client, namespace, verdict.pod) if verdict.pod else events(client, namespace, owners(unit))
    )
    if verdict.ended:  # nothing answers where no program runs
        messages = [message for message in messages if not CHECKED.match(message)]
    command = [("command", unit.shown_command)] if unit.command else []
    probe = [("probe", unit.probe.shown)] if unit.probe and not verdict.ended else []
    facts = (*command, *verdict.facts, *probe)
    shown = {_nameless(fact) for _, fact in facts}
    facts += tuple(("event", event) for event in messages if _nameless(event) not in shown)
    hint = _hint(unit, [verdict.failed, *(fact for _, fact in facts), *output])
    elsewhere = f"devenv logs {unit.name}" if verdict.pod else f"kubectl -n {namespace} get events"
    return Card(unit.name, verdict.failed, facts=facts, output=excerpt(output), hint=hint or elsewhere)


def _hint(unit: Unit, lines: Sequence[str]) -> str:
    return likely(lines, CAUSES) or helpful(unit, lines) or likely(lines, GUESSES)


def owners(unit: Unit) -> list[str]:
    """Names of what may say why a unit has no pod at all."""
    own = [f"{volume.name}-{unit.name}-0" for volume in unit.own_volumes]
    return [unit.name, *own, *(volume.external or volume.name for volume in unit.shared_volumes)]


NO_LOG = re.compile(
    r"(unable to retrieve container logs for \S+|failed to try resolving symlinks in path .+)$"
)
"""What a node answers instead of the log of a container that it has removed."""


def log_tail(client: Client, namespace: str, pod: str) -> list[str]:
    """The last lines that a pod printed, before it was restarted if it was."""
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
    for previous in (False, True):
        try:
            output = client.text(path, tailLines=READ, previous=previous or None)
        except DevenvError:
            continue
        if output.strip() and not NO_LOG.match(output.strip()):
            return [line.rstrip() for line in output.splitlines()]
    return []


def events(client: Client, namespace: str, names: Sequence[str], **fields: str) -> list[str]:
    """Warnings, or what has these fields, about these objects and what grew out of them; the latest last."""
    selector = ",".join(f"{key}={value}" for key, value in (fields or {"type": "Warning"}).items())
    try:
        answer = client.get(f"/api/v1/namespaces/{namespace}/events", fieldSelector=selector)
    except DevenvError:
        return []
    about = [event for event in answer["items"] if _about(event["involvedObject"]["name"], names)]
    messages = [_message(event) for event in sorted(about, key=_moment)]
    return list({_nameless(message): message for message in messages}.values())[-EVENTS:]


TIMED_OUT = re.compile(r'command timed out: .*|command ".*" timed out.*', re.DOTALL)
"""What a kubelet says of a check that it gave up: the check's own text, which holds every answer there is."""


def _message(event: Object) -> str:
    """What an event says, without the text of a check that did not end."""
    return TIMED_OUT.sub("no answer in time", str(event.get("message", "")).strip())


def _nameless(message: str) -> str:
    """A message without the names that Kubernetes makes up: each retry names another pod."""
    return re.sub(rf'(-[{SAFE}]{{7,10}})?-[{SAFE}]{{5}}"', '"', message)


def _of_pod(client: Client, namespace: str, name: str) -> list[str]:
    """Warnings about the pod that has this name now: those before it, as of a StatefulSet, had it, too."""
    try:
        pod = client.find(f"/api/v1/namespaces/{namespace}/pods/{name}")
    except DevenvError:
        pod = None
    uid = {"involvedObject.uid": str(pod["metadata"]["uid"])} if pod else {}
    return events(client, namespace, [name], type="Warning", **uid)


def uncreated(client: Client, namespace: str) -> list[Object]:
    """Events about workloads whose pods the cluster refused to make."""
    try:
        return list(client.look(f"/api/v1/namespaces/{namespace}/events", fieldSelector=UNCREATED)["items"])
    except DevenvError:
        return []


def no_pod(client: Client, unit: Unit, namespace: str, events: Sequence[Object]) -> Card | None:
    """The card of a unit that some of these events are about."""
    about = [event for event in events if _about(event["involvedObject"]["name"], owners(unit))]
    if not about:
        return None
    message = str(max(about, key=_moment).get("message", "")).strip()
    return card(client, unit, namespace, Verdict(failed="gets no pod", facts=(("event", message),)))


def check_answers(client: Client, pod: Object) -> list[str]:
    """What the checks of this very pod got while they failed, the latest last."""
    metadata = pod["metadata"]
    fields = {"involvedObject.uid": str(metadata["uid"]), "reason": "Unhealthy"}
    return events(client, metadata["namespace"], [metadata["name"]], **fields)


def pending(client: Client, pod: Object) -> dict[str, str]:
    """The claims of a pod that have no volume yet, each with the last event about it."""
    namespace, claims = pod["metadata"]["namespace"], {}
    for volume in pod["spec"].get("volumes") or ():
        name = volume.get("persistentVolumeClaim", {}).get("claimName")
        if not name:
            continue
        try:
            claim = client.get(Resources(client).path(CLAIM, namespace, name))
        except DevenvError:
            continue
        if claim["status"].get("phase") == "Pending":
            kind = {"involvedObject.kind": CLAIM[1]}
            claims[name] = next(reversed(events(client, namespace, [name], **kind)), "no event says why")
    return claims


def _about(name: str, names: Sequence[str]) -> bool:
    """Whether an object is one of these or was made by one: `orders-5d9f7c8b6f` by `orders`."""
    return any(name == owner or re.fullmatch(re.escape(owner) + r"-[a-z0-9]{5,10}", name) for owner in names)


def _moment(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")
