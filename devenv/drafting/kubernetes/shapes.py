"""The forms of the objects of Kubernetes that are read."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.drafting.shape import OBJECT, TEXT, Shape

_TEXTS = Shape(items=TEXT)
_MAP = Shape(values=TEXT)
_NAMED = Shape(keys={"name": TEXT, "key": TEXT})
_PROBE = Shape(
    keys={
        "httpGet": Shape(keys={"path": TEXT, "port": TEXT, "scheme": TEXT}),
        "tcpSocket": Shape(keys={"port": TEXT}),
        "grpc": Shape(keys={"port": TEXT}),
        "exec": Shape(keys={"command": _TEXTS}),
        **dict.fromkeys(("timeoutSeconds", "periodSeconds", "failureThreshold", "initialDelaySeconds"), TEXT),
    }
)
_SECURITY = Shape(
    keys={
        **dict.fromkeys(("runAsUser", "runAsGroup", "readOnlyRootFilesystem", "privileged"), TEXT),
        "capabilities": Shape(keys={"add": _TEXTS, "drop": _TEXTS}),
    }
)
_VARIABLE = Shape(
    keys={
        "name": TEXT,
        "value": TEXT,
        "valueFrom": Shape(keys={"configMapKeyRef": _NAMED, "secretKeyRef": _NAMED}),
    }
)
_VARIABLES = Shape(keys={"prefix": TEXT, "configMapRef": _NAMED, "secretRef": _NAMED})
_CONTAINER = Shape(
    keys={
        **dict.fromkeys(("name", "image", "workingDir", "restartPolicy"), TEXT),
        "command": _TEXTS,
        "args": _TEXTS,
        "env": Shape(items=_VARIABLE),
        "envFrom": Shape(items=_VARIABLES),
        "ports": Shape(items=Shape(keys={"name": TEXT, "containerPort": TEXT, "protocol": TEXT})),
        "volumeMounts": Shape(
            items=Shape(keys=dict.fromkeys(("name", "mountPath", "subPath", "readOnly"), TEXT))
        ),
        "resources": Shape(keys={"limits": _MAP, "requests": _MAP}),
        "securityContext": _SECURITY,
        **dict.fromkeys(("readinessProbe", "livenessProbe", "startupProbe"), _PROBE),
    }
)
_ITEMS = Shape(items=Shape(keys={"key": TEXT, "path": TEXT}))
_SOURCE = Shape(keys={"name": TEXT, "secretName": TEXT, "items": _ITEMS})
_VOLUME = Shape(
    keys={
        "name": TEXT,
        "configMap": _SOURCE,
        "secret": _SOURCE,
        "persistentVolumeClaim": Shape(keys={"claimName": TEXT}),
        "emptyDir": Shape(keys={"medium": TEXT}),
        "hostPath": Shape(keys={"path": TEXT}),
        "projected": Shape(
            keys={"sources": Shape(items=Shape(keys={"configMap": _SOURCE, "secret": _SOURCE}))}
        ),
    }
)
_METADATA = Shape(keys={"name": TEXT, "namespace": TEXT, "labels": _MAP, "annotations": _MAP})
_POD = Shape(
    keys={
        "containers": Shape(items=_CONTAINER),
        "initContainers": Shape(items=_CONTAINER),
        "volumes": Shape(items=_VOLUME),
        "securityContext": _SECURITY,
        "terminationGracePeriodSeconds": TEXT,
    }
)
_TEMPLATE = Shape(keys={"metadata": _METADATA, "spec": _POD})
_CLAIM = Shape(keys={"resources": Shape(keys={"requests": _MAP})})
_WORKLOAD = Shape(
    keys={
        "replicas": TEXT,
        "template": _TEMPLATE,
        "volumeClaimTemplates": Shape(items=Shape(keys={"metadata": _METADATA, "spec": _CLAIM})),
    }
)
_PORTS = Shape(items=Shape(keys=dict.fromkeys(("name", "port", "targetPort", "protocol"), TEXT)))
_OLD_BACKEND = {"serviceName": TEXT, "servicePort": TEXT}
_BACKEND = Shape(keys={**_OLD_BACKEND, "service": Shape(keys={"name": TEXT, "port": OBJECT})})
_INGRESS = Shape(
    keys={
        **dict.fromkeys(("defaultBackend", "backend"), _BACKEND),
        "rules": Shape(
            items=Shape(
                keys={
                    "host": TEXT,
                    "http": Shape(
                        keys={
                            "paths": Shape(
                                items=Shape(keys={"path": TEXT, "pathType": TEXT, "backend": _BACKEND})
                            )
                        }
                    ),
                }
            )
        ),
    }
)
_MATCH = Shape(keys={"path": Shape(keys={"type": TEXT, "value": TEXT})})
_ROUTE = Shape(
    keys={
        "hostnames": _TEXTS,
        "rules": Shape(
            items=Shape(
                keys={
                    "matches": Shape(items=_MATCH),
                    "filters": Shape(items=OBJECT),
                    "backendRefs": Shape(items=Shape(keys={"name": TEXT, "port": TEXT})),
                }
            )
        ),
    }
)
_OF_TRAEFIK = Shape(
    keys={
        "routes": Shape(
            items=Shape(
                keys={
                    "match": TEXT,
                    "services": Shape(items=Shape(keys={"name": TEXT})),
                    "middlewares": Shape(items=Shape(keys={"name": TEXT})),
                }
            )
        )
    }
)
_MIDDLEWARE = Shape(keys={"stripPrefix": Shape(keys={"prefixes": _TEXTS})})
_DATA = {"data": _MAP, "stringData": _MAP, "binaryData": _MAP}

SHAPES: Mapping[str, Shape] = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"), _WORKLOAD),
    "CronJob": Shape(keys={"jobTemplate": Shape(keys={"spec": _WORKLOAD})}),
    "Pod": _POD,
    "Service": Shape(keys={"selector": _MAP, "ports": _PORTS, "type": TEXT}),
    "Ingress": _INGRESS,
    "HTTPRoute": _ROUTE,
    "IngressRoute": _OF_TRAEFIK,
    "Middleware": _MIDDLEWARE,
    "PersistentVolumeClaim": _CLAIM,
}
"""Kind -> the form of its `spec`."""


def shape_of(kind: str) -> Shape:
    """The form of an object of a kind."""
    spec = SHAPES.get(kind, OBJECT)
    data = _DATA if kind in ("ConfigMap", "Secret") else {}
    plugin = {"plugin": TEXT, "config": OBJECT} if kind in ("KongPlugin", "KongClusterPlugin") else {}
    return Shape(keys={"metadata": _METADATA, "spec": spec, **data, **plugin})
