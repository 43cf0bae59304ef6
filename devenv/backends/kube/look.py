"""The workloads of a checkout on a cluster, read by label, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from devenv.backends.kube import cards
from devenv.backends.kube import pods as pod_of
from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.refusals import Refused
from devenv.backends.kube.resources import WORKLOADS, Kind, Resources, label, note
from devenv.backends.kube.verdict import condense
from devenv.plan.model import Observed, ObservedUnit
from devenv.stack import labels
from devenv.stack.labels import BROUGHT, EDITED, HALF_MADE

PATIENCE = 60.0  # seconds a cluster may take to list its pods
GONE, TERMINATING = "Gone", "Terminating"


def observe(
    client: Client, namespace: str, *, forwarded: frozenset[int] = frozenset(), **labels: str
) -> Observed:
    """Everything with these labels of ours; without a namespace, wherever we may look."""
    resources = Resources(client)
    if namespace and phase(client, namespace) in (GONE, TERMINATING):
        return Observed(forwarded=forwarded, namespace=namespace)
    pods = list(resources.ours(("v1", "Pod"), namespace, **labels))
    workloads = [item for kind in WORKLOADS for item in resources.ours(kind, namespace, **labels)]
    units: dict[str, ObservedUnit] = {}
    strays: list[ObservedUnit] = []
    for workload in workloads:
        unit = label(workload, "unit")
        if not unit:
            continue
        observed = observed_unit(workload, own_pods := [pod for pod in pods if label(pod, "unit") == unit])
        if (
            observed.healthy is False
            and _unfinished(workload)
            and any(_is_half_made(client, pod) for pod in own_pods)
        ):
            observed = replace(observed, half_made=True, detail=HALF_MADE)
        if unit in units:  # it was changed from one kind to another, or from one namespace to another
            strays.append(observed)
        else:
            units[unit] = observed
    stack = label(workloads[0], "stack") if workloads else ""
    return Observed(
        units=units,
        prepared=bool(units),
        stack=stack,
        strays=tuple(strays),
        forwarded=forwarded,
        namespace=workloads[0]["metadata"]["namespace"] if workloads else namespace,
        namespaces={} if namespace else holders(client),
    )


def phase(client: Client, namespace: str) -> str:
    """How a namespace is: `GONE`, `TERMINATING`, or of use."""
    try:
        answer = client.find(f"/api/v1/namespaces/{namespace}")
    except Refused as error:
        if error.status != 403:  # no right to read it, yet perhaps to use it
            raise
        return ""
    return GONE if answer is None else str(answer["status"].get("phase", ""))


def _unfinished(workload: Object) -> str:
    return labels.read(workload["metadata"].get("annotations") or {}).unfinished


def _is_half_made(client: Client, pod: Object) -> bool:
    """Whether a store's check says that its data is half made; read only for a store that is not ready."""
    return any(HALF_MADE in answer for answer in cards.check_answers(client, pod))


def observed_unit(workload: Object, pods: list[Object]) -> ObservedUnit:
    """A workload and its pods as a value. Its id says what and where it is."""
    state = condense(workload, pods)
    metadata = workload["metadata"]
    tags = labels.read({**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})})
    id = f"{metadata['namespace']}/{workload['kind']}/{metadata['name']}"
    return replace(
        ObservedUnit.from_labels(tags, id=id, state=state.state),
        healthy=state.healthy,
        exit_code=state.exit_code,
        image=workload["spec"]["template"]["spec"]["containers"][0]["image"],
        image_id=_image_id(pods),
        image_brought=note(workload, BROUGHT),
        volumes=(*_own_claims(workload), *_claims(workload)),
        edited=any(note(pod, EDITED) for pod in pods),
        detail=state.detail,
    )


def _own_claims(workload: Object) -> list[str]:
    """The claims that a StatefulSet makes for its first pod."""
    templates = workload["spec"].get("volumeClaimTemplates") or ()
    return [f"{template['metadata']['name']}-{workload['metadata']['name']}-0" for template in templates]


def _claims(workload: Object) -> list[str]:
    """The claims that its pods name."""
    volumes = workload["spec"]["template"]["spec"].get("volumes") or ()
    claims = [volume.get("persistentVolumeClaim") for volume in volumes]
    return [claim["claimName"] for claim in claims if claim]


def _image_id(pods: list[Object]) -> str:
    """The image that all the pods run, if it was brought to their nodes; a registry's has its name before."""
    ids = {pod_of.image_id(pod) for pod in pods}
    return ids.pop() if len(ids) == 1 else ""


def parts(id: str) -> tuple[str, str, str]:
    """Namespace, kind and name in the id of a unit that was observed."""
    namespace, kind, name = id.split("/")
    return namespace, kind, name


def where(unit: ObservedUnit) -> tuple[str, str, str]:
    """Namespace, kind and name of a unit that was observed."""
    return parts(unit.id)


def workload_kind(name: str) -> Kind:
    """The workload kind of that name."""
    return next(kind for kind in WORKLOADS if kind[1] == name)


def holders(client: Client) -> Mapping[str, str]:
    """Namespace -> checkout that made it, as far as we may know."""
    try:
        namespaces = Resources(client).ours(("v1", "Namespace"), "")
        return {str(item["metadata"]["name"]): label(item, "checkout") for item in namespaces}
    except Refused:
        return {}
