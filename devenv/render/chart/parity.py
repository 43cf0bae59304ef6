"""What a chart does with every field of the manifest, as data for the parity report."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.plan.parity import Fields, Support, emulated
from devenv.render.kubernetes.parity import FIELDS as KUBERNETES

_DIFFERENT: Fields = {
    "Manifest": {
        "namespace": emulated("whoever installs the chart names one"),
        "backend": emulated("for development"),
        "registry": emulated("the environment's; images are values"),
        "profiles": emulated("for development: the chart has every service"),
        "volumes": emulated("size, class, mode and an existing claim are values"),
        "secrets": emulated("for development: keys of a Secret that has to exist"),
        "logs": emulated("for development: the cluster's own collector reads what pods write"),
        "tracing": emulated("deployed, or run by something else: infra.NAME.external"),
        "smoke": emulated("for development: a promotion asks every route"),
    },
    "Service": {
        "publish": emulated("for development: an Ingress leads to the gateway"),
        "manual": emulated("replicas: 0, until somebody says otherwise"),
        "metrics": emulated(
            "where Prometheus is deployed; it cannot ask the gateway, whose own ports are closed"
        ),
        "reload": emulated("for development: the image has the files"),
    },
    "Job": {"manual": emulated("a suspended CronJob: kubectl create job --from=cronjob/NAME")},
    "Infra": {"publish": emulated("for development"), "kind": emulated("deployed, or run by something else")},
}
_WORKLOAD: Mapping[str, Support] = {
    "build": emulated("the chart names the image that was pushed"),
    "uses": emulated("a job runs before a release if its stores are there; the rest starts together"),
    "secrets": emulated("keys of a Secret that has to exist"),
    "volumes": emulated("a claim for each; size and class are values"),
}

FIELDS: Fields = {
    model: {**fields, **(_WORKLOAD if model in ("Service", "Job") else {}), **_DIFFERENT.get(model, {})}
    for model, fields in KUBERNETES.items()
}
"""Model -> field -> support: as on the kube backend, but for these."""
