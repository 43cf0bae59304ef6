"""One runtime each behind one Protocol. They do what a step says and decide nothing."""

from __future__ import annotations

from importlib import import_module

from devenv.backends.base import Backend, Site
from devenv.errors import UsageError

# Strings, so that `devenv --help` imports no client of anything.
BACKENDS = {
    "compose": "devenv.backends.compose.backend:ComposeBackend",
    "minikube": "devenv.backends.minikube:MinikubeBackend",
    "kube": "devenv.backends.kube.backend:KubeBackend",
    "process": "devenv.backends.process.backend:ProcessBackend",
}

CLUSTERS = ("minikube", "kube")
"""Those that a kube context leads to."""


def load(name: str, site: Site | None = None) -> Backend:
    """The backend of that name, working from a site. Raises `UsageError` for one that is not there."""
    if name not in BACKENDS:
        raise UsageError(f'no backend "{name}"', hint=f"one of: {', '.join(BACKENDS)}")
    if site and site.context and name not in CLUSTERS:
        hint = f"-b kube --context {site.context}, or without --context"
        raise UsageError(f"--context does nothing on {name}", hint=hint)
    module, _, attribute = BACKENDS[name].partition(":")
    backend: Backend = getattr(import_module(module), attribute)(site or Site())
    return backend
