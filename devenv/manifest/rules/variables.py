"""Rules about the names of environment variables and secrets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from devenv.manifest.models import Manifest
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ENV = re.compile(r"(?!\.\.|\.\Z)[A-Za-z_.-][A-Za-z0-9_.-]*\Z")  # what Docker and Kubernetes both take


def variables_have_names(scope: Scope) -> Iterator[Finding]:
    """Variables and secrets have names that a shell can hold."""
    variables: list[tuple[Path, str]] = []
    secrets: list[tuple[Path, str]] = []
    for path, workload in scope.workloads.items():
        variables += [((*path, "env", key), key) for key in workload.env]
        variables += [
            ((*path, "build", "args", key), key) for key in (workload.build.args if workload.build else ())
        ]
        secrets += [((*path, "secrets", index), key) for index, key in enumerate(workload.secrets)]
        secrets += [
            ((*path, "files", target, "secret"), source.secret)
            for target, source in workload.files.items()
            if not isinstance(source, str) and source.secret is not None
        ]
    variables += [
        (("infra", name, "env", key), key)
        for name, infra in scope.manifest.infra.items()
        for key in infra.env
    ]
    variables += [
        (("environments", name, section, workload, "env", key), key)
        for name, environment in scope.manifest.environments.items()
        for section, overrides in (("services", environment.services), ("jobs", environment.jobs))
        for workload, override in overrides.items()
        for key in override.env
    ]
    for at, key in variables:
        if not _ENV.match(key):
            yield (
                at,
                f'"{key}" is not a name of an environment variable',
                "use letters, digits, _, dots and hyphens",
            )
    for at, key in secrets:
        if not VARIABLE.match(key):
            yield at, f'"{key}" is not a name of a secret', "use letters, digits and _"


def secrets_shown(manifest: Manifest, variables: Mapping[Path, Collection[str]]) -> Iterator[Finding]:
    """What the manifest calls a secret is not filled in as plain text; `variables`: what was, by place."""
    workloads = [*manifest.services.values(), *manifest.jobs.values()]
    secrets = {*manifest.secrets, *(name for workload in workloads for name in workload.secrets)}
    for path, names in variables.items():
        for name in sorted(secrets.intersection(names)):
            hint = f"write ${{secret.{name}}}"
            yield path, f"{name} is a secret, and ${{env.{name}}} would be seen", hint
