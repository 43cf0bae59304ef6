"""What an API server refuses, and why it cannot be reached, as errors that say what to do."""

from __future__ import annotations

import json
import re
import ssl
from typing import TYPE_CHECKING, Any

from devenv.errors import MISSING_TOOL, DevenvError, ToolMissing

if TYPE_CHECKING:
    from devenv.backends.kube.config import Place


class Refused(DevenvError):
    """The API server refused a request, with its status code and reason."""

    def __init__(self, what: str, *, status: int, reason: str, **more: str) -> None:
        super().__init__(what, **more)
        self.status, self.reason = status, reason
        if status == 401:
            self.exit_code = MISSING_TOOL


def refused(place: Place, verb: str, path: str, status: int, body: bytes) -> DevenvError:
    """The error for an answer of 400 and more: `Refused`, unless no API server gives such an answer."""
    answer = _status(body)
    if status == 404 and _always_there(path) and answer.get("kind") != "Status":
        return stranger(place, body)
    message, reason = str(answer.get("message", "")), str(answer.get("reason", ""))
    what, hint = _explained(place, verb, path, status, message)
    why = message if message != what else ""
    return Refused(what, status=status, reason=reason, where=f"context {place.context}", why=why, hint=hint)


def stranger(place: Place, body: bytes) -> ToolMissing:
    """The error for what no API server answers: a proxy's page, or a path that leads to no cluster."""
    answer = _status(body)
    return ToolMissing(
        f"what answers at {place.server} is no Kubernetes API",
        where=f"context {place.context}",
        why=str(answer.get("message", "")) or "it sends elsewhere",
        hint=f"kubectl --context {place.context} version   must answer: its server: is wrong, or the login",
    )


def _always_there(path: str) -> bool:
    """Whether every API server knows this part of the API, and answers for itself."""
    return not path.startswith("/apis/") and "/proxy" not in path


def _status(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {"message": body.decode(errors="replace").strip()[:500]}
    return answer if isinstance(answer, dict) else {}


def _explained(place: Place, verb: str, path: str, status: int, message: str) -> tuple[str, str]:
    resource, namespace = _resource(path), _namespace(path)
    within = f" in the namespace {namespace}" if namespace else ""
    match status:
        case 401 if place.expired:
            return _expired(place)
        case 401:
            return (
                "the cluster does not accept the credentials: they expired, or belong to another cluster",
                f"sign in again, then: kubectl --context {place.context} get namespaces",
            )
        case 403 if "exceeded quota" in message:
            return f"the quota of the namespace {namespace} is used up", (
                f"kubectl --context {place.context} -n {namespace} describe quota"
            )
        case 403 if "is being terminated" in message:
            return f"the namespace {namespace} is being deleted", "wait until it is gone, then devenv up"
        case 403 if not lacks_right(message):
            return f"the cluster does not admit {resource}{within}", ""
        case 403:
            action = re.search(r"cannot (\w+) resource", message)
            word = action[1] if action else _VERBS.get(verb, verb.lower())
            where = f" -n {namespace}" if namespace else ""
            return f"no right to {word} {resource}{within}", (
                f"kubectl --context {place.context} auth can-i {word} {resource}{where}   must say yes"
            )
        case 404:
            return f"no {resource} {path.rpartition('/')[2]}{within}", ""
        case 422:
            return f"the cluster refuses {resource} {path.rpartition('/')[2]}{within}", (
                "a kubernetes: fragment of the manifest may have a field that the cluster does not know"
            )
    return f"the cluster answered {status} to {verb} {path}", ""


def lacks_right(message: str) -> bool:
    """Whether a 403 is about who asks; others are about the object: quota, LimitRange, Pod Security."""
    of_the_object = "is forbidden: " in message or "denied the request" in message
    return not of_the_object or re.search(r"cannot \w+ resource", message) is not None


_VERBS = {"GET": "list", "PATCH": "patch", "POST": "create", "DELETE": "delete"}


def _parts(path: str) -> list[str]:
    """The path after its API group and version."""
    parts = path.strip("/").split("/")
    return parts[2:] if parts[0] == "api" else parts[3:]


def _resource(path: str) -> str:
    parts = _parts(path)
    rest = parts[2:] if parts[:1] == ["namespaces"] and len(parts) > 2 else parts
    group = path.strip("/").split("/")[1] if path.startswith("/apis/") else ""
    name = "/".join([rest[0], *rest[2:]]) if rest else "the API"
    return f"{name}.{group}" if group else name


def _namespace(path: str) -> str:
    parts = _parts(path)
    return parts[1] if parts[:1] == ["namespaces"] and len(parts) > 1 else ""


def _expired(place: Place) -> tuple[str, str]:
    return (
        f'the client certificate of the context "{place.context}" expired on {place.expired}',
        "get a new one from the cluster's administrator (kubeadm certs renew admin.conf, or minikube start), "
        f"then: kubectl --context {place.context} get namespaces",
    )


class Untrusted(ToolMissing):
    """The server's certificate is not the one we trust; trying again does not help."""


def unreachable(place: Place, error: Exception) -> ToolMissing:
    """The error for a cluster that does not answer."""
    message = str(error)
    if "certificate has expired" in message or "certificate is not yet valid" in message:
        return Untrusted(
            f"the certificate of the cluster at {place.server} has expired",
            where=f"context {place.context}",
            why=message,
            hint="renew it, or look at this machine's clock",
        )
    if "ALERT_CERTIFICATE_EXPIRED" in message and place.expired:  # a proxy before the API server says so
        what, hint = _expired(place)
        return Untrusted(what, where=f"context {place.context}", why=_cause(error), hint=hint)
    if "CERTIFICATE_VERIFY_FAILED" in message:
        return Untrusted(
            f"the cluster at {place.server} has a certificate that the kubeconfig does not trust",
            where=f"context {place.context}",
            why=message,
            hint="if the cluster was created again, create its context again, too",
        )
    return ToolMissing(
        f"no Kubernetes cluster answers at {place.server}",
        where=f"context {place.context}",
        why=_cause(error),
        hint=f"is it running? kubectl --context {place.context} get namespaces   must answer",
    )


def _cause(error: Exception) -> str:
    """The innermost error of those that libraries have wrapped."""
    inner = (error.__cause__, error.__context__, *error.args)
    deeper = next((cause for cause in inner if isinstance(cause, Exception)), None)
    if deeper is not None:
        return _cause(deeper)
    if isinstance(error, ssl.SSLEOFError):  # how Docker's proxy behaves when the server is away
        return "the server hangs up at once"
    return str(getattr(error, "strerror", "") or error)
