"""What an operator turns: each value of a chart, what is said of it, and the schema that refuses the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
FREE: Schema = {"type": "object"}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
QUANTITY: Schema = {"type": ["string", "number"]}
COUNT: Schema = {"type": "integer", "minimum": 0}
SHARE: Schema = {"anyOf": [COUNT, {"type": "string", "pattern": "^[0-9]+%$"}]}


def closed(properties: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A mapping with these keys and no other."""
    return {"type": "object", "additionalProperties": False, "properties": dict(properties), **more}


@dataclass(frozen=True, slots=True)
class Knob:
    """A value: what it does, and what it may be."""

    about: str
    schema: Schema


KNOBS: Mapping[str, Knob] = {
    "external": Knob(
        "Something else runs it: a Secret with its variables, or its host name. Both empty: it is deployed.",
        closed({"secret": TEXT, "host": TEXT}),
    ),
    "image": Knob(
        "A digest wins over a tag.",
        closed(
            {
                "repository": {"type": "string", "minLength": 1},
                "tag": TEXT,
                "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
            }
        ),
    ),
    "replicas": Knob("How many run, unless it scales.", COUNT),
    "autoscale": Knob(
        "{min: 2, max: 10, cpu: 80}: as many as keep the CPU at so many percent.",
        {
            **closed(
                {
                    "min": {"type": "integer", "minimum": 1},
                    "max": {"type": "integer", "minimum": 1},
                    "cpu": {"type": "integer", "minimum": 1},
                }
            ),
            "anyOf": [{"maxProperties": 0}, {"required": ["max"]}],
        },
    ),
    "hook": Knob(
        "Runs before a release (what it needs must be there), not along with it.", {"type": "boolean"}
    ),
    "env": Knob(
        "Variables: a text, or {secret: KEY} for a key of the stack's Secret.",
        {
            "type": "object",
            "propertyNames": {"pattern": "^[-._a-zA-Z][-._a-zA-Z0-9]*$"},
            "additionalProperties": {"anyOf": [TEXT, closed({"secret": TEXT}, required=["secret"])]},
        },
    ),
    "resources": Knob(
        "What it asks for, and the most it may take.",
        closed({key: {"type": "object", "additionalProperties": QUANTITY} for key in ("requests", "limits")}),
    ),
    "volumes": Knob('Size and storage class of its volumes; "" is the cluster\'s default class.', FREE),
    "drainSeconds": Knob("How long a pod goes on answering after it was taken out of its Service.", COUNT),
    "disruptionBudget": Knob(
        "How many pods a drained node may take at once; minAvailable wins; null for any number.",
        closed({"maxUnavailable": SHARE, "minAvailable": SHARE}),
    ),
    "spread": Knob("Where possible, its pods are spread over nodes that differ in this label.", TEXT),
    "nodeSelector": Knob("Labels of the nodes that it may run on.", TEXTS),
    "tolerations": Knob("Taints of nodes that it tolerates.", {"type": "array", "items": FREE}),
    "affinity": Knob("Where it runs, as Kubernetes has it.", FREE),
    "podAnnotations": Knob("More annotations of its pods.", TEXTS),
    "podSecurityContext": Knob("What its pods may do.", FREE),
    "securityContext": Knob("What its container may do.", FREE),
}
"""The values of a unit, in order."""

OURS = "^(app\\.kubernetes\\.io/(name|instance|managed-by)|helm\\.sh/chart|devenv\\.dev/.*)$"
"""Labels by which pods are found and objects are owned."""

SIZE_AND_CLASS: Mapping[str, Schema] = {"size": QUANTITY, "class": TEXT}
VOLUME = closed(SIZE_AND_CLASS)

COMMON: Mapping[str, Knob] = {
    "secret": Knob(
        "The Secret with the stack's secrets; NOTES.txt lists its keys.", {"type": "string", "minLength": 1}
    ),
    "externalSecret": Knob(
        "With a store, External Secrets makes that Secret: of entries with a prefix, or of one's properties.",
        closed(
            {
                "store": TEXT,
                "kind": {"enum": ["SecretStore", "ClusterSecretStore"]},
                "prefix": TEXT,
                "entry": TEXT,
                "refresh": TEXT,
                "keys": {"type": "array", "items": TEXT},
            }
        ),
    ),
    "sealedSecret": Knob(
        "With data of kubeseal's, Sealed Secrets makes it; keys are those that it encodes.",
        closed({"encryptedData": TEXTS, "annotations": TEXTS, "keys": {"type": "array", "items": TEXT}}),
    ),
    "imagePullSecrets": Knob(
        "Secrets with logins of private registries: [{name: ...}].", {"type": "array", "items": FREE}
    ),
    "serviceAccount": Knob(
        "The account of all pods; without create, an existing one of that name.",
        closed({"create": {"type": "boolean"}, "name": TEXT, "annotations": TEXTS}),
    ),
    "ingress": Knob(
        "How the gateway is reached from outside: nothing without a host. hosts: more host names.",
        closed(
            {
                "host": TEXT,
                "hosts": {"type": "array", "items": {"type": "string", "minLength": 1}},
                "class": TEXT,
                "tls": TEXT,
                "annotations": TEXTS,
            }
        ),
    ),
    "gateway": Knob(
        "What serves the routes: deploy brings a gateway along, loadbalancer as well, and a Service at port "
        "in front of it; the cluster has one for the others. plugins: the settings of each.",
        closed(
            {
                "kind": {"enum": ["deploy", "loadbalancer", "ingress", "kong", "httproute"]},
                "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                "parent": closed({"name": TEXT, "namespace": TEXT, "listener": TEXT}),
                "plugins": {"type": "object", "additionalProperties": FREE},
            }
        ),
    ),
    "volumes": Knob(
        "Volumes that units share: size and class of the claim that is made, unless an existing claim is "
        "named. Where the class has the mode ReadWriteMany, their pods need not be on one node.",
        {"type": "object", "additionalProperties": closed({**SIZE_AND_CLASS, "mode": TEXT, "claim": TEXT})},
    ),
    "labels": Knob(
        "More labels of every object.", {**TEXTS, "patternProperties": {OURS: {"const": "set by the chart"}}}
    ),
    "annotations": Knob("More annotations of every object.", TEXTS),
}
"""The values of the whole, in order."""
