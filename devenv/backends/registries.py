"""What registries refuse, as errors that say what to type."""

from __future__ import annotations

import re
from dataclasses import dataclass

from devenv.errors import DevenvError

HUB = "docker.io"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Answers of one kind. `hint` may name {host}, {repository} and {login}, the command.

    `lasting`: whoever may not even ask will not be able to push, so that a build is for nothing.
    """

    answers: str
    hint: str
    lasting: bool = False


REFUSALS = (
    Refusal(
        r"server gave HTTP response to HTTPS client",
        '"insecure-registries": ["{host}"]   in /etc/docker/daemon.json, then restart Docker; the nodes of a '
        "cluster that pull from it have to be told as well",
        lasting=True,
    ),
    Refusal(
        r"signed by unknown authority|self[- ]signed",
        "put the certificate of its authority into /etc/docker/certs.d/{host}/ca.crt; the nodes of a cluster "
        "that pull from it need it as well",
        lasting=True,
    ),
    Refusal(
        r"certificate has expired or is not yet valid",
        "renew the certificate of {host}, or look at this machine's clock",
        lasting=True,
    ),
    Refusal(
        r"x509: certificate (is|is not) valid for|cannot validate certificate for|x509:.*Common Name",
        "its certificate is for another name: write that one under registry:",
        lasting=True,
    ),
    Refusal(r"no basic auth credentials", "{login}", lasting=True),
    Refusal(
        r"authorization token has expired",
        "aws ecr get-login-password | docker login --username AWS --password-stdin {host}",
        lasting=True,
    ),
    Refusal(r"toomanyrequests|\b429\b|[Tt]oo [Mm]any [Rr]equests", "it limits how often: wait, then again"),
    Refusal(
        r"\b507\b|[Ii]nsufficient [Ss]torage|no space left|\bquota|exceed\w* the configured upper limit",
        "make room in {host}: remove old tags there, or have the quota raised; then again",
    ),
    Refusal(
        r"\b413\b|[Ee]ntity [Tt]oo [Ll]arge",
        "a proxy before {host} takes no layer of that size: client_max_body_size 0; in nginx, or for its "
        'Ingress the annotation nginx.ingress.kubernetes.io/proxy-body-size: "0"',
    ),
    Refusal(
        r"name unknown|repository .*(not found|does not exist)|project .* not found",
        "make {repository} there first: this registry does not do that by itself",
    ),
    Refusal(
        r"unauthorized|authentication required|\b401\b",
        "{login}   again: it does not take the login that Docker has",
    ),
    Refusal(r"denied|forbidden|\b403\b", "{login}   with an account that may push to {repository}"),
    Refusal(
        r"EOF|connection reset|broken pipe|closed network connection|time(d )?out|HTTP status: 50[0234]",
        "again: the connection was lost, and layers that arrived are not sent a second time",
    ),
    Refusal(r"connection refused|no such host|no route to host", "again, once {host} takes it", lasting=True),
)
"""The first whose answer is found in what Docker says wins."""

UNKNOWN = Refusal("", "again, once {host} takes it")


class RegistryRefused(DevenvError):
    """A registry did not do with an image what was asked of it, or cannot be asked."""

    def __init__(self, what: str, *, lasting: bool, **more: str) -> None:
        super().__init__(what, **more)
        self.lasting = lasting


def refused(image: str, done: str, why: str, *, where: str = "") -> RegistryRefused:
    """The error for what Docker said of an image. `done`: what was to be done with it."""
    refusal = next((kind for kind in REFUSALS if re.search(kind.answers, why)), UNKNOWN)
    host, repository = host_of(image), re.sub(r"(@[^/]*|:[^:/]*)$", "", image)
    login = "docker login" if host == HUB else f"docker login {host}"
    hint = refusal.hint.format(host=host, repository=repository, login=login)
    return RegistryRefused(
        f"{image} cannot be {done}", lasting=refusal.lasting, where=where, why=why, hint=hint
    )


def host_of(image: str) -> str:
    """The registry that an image's name leads to."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else HUB


def address_of(host: str) -> str:
    """The host that answers for a registry."""
    return "registry-1.docker.io" if host == HUB else host
