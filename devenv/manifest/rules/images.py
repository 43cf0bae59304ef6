"""Rules about where an image comes from, and about the secrets of its build."""

from __future__ import annotations

import re
from collections.abc import Iterator

from devenv.errors import did_you_mean
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path

BUILD_SECRET = re.compile(
    r"\$(?P<short>[A-Za-z_][A-Za-z0-9_]*)|\$\{secret\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}"
)


def images_have_one_origin(scope: Scope) -> Iterator[Finding]:
    """A service or job has exactly one of build, image and like."""
    for path, workload in scope.workloads.items():
        origins = [key for key in ("build", "image", "like") if getattr(workload, key, None) is not None]
        if not origins:
            yield (
                path,
                "has neither build nor image",
                "build: ./folder-with-a-Dockerfile, or image: name:tag",
            )
        elif len(origins) > 1:
            yield (*path, origins[-1]), f"cannot be combined with {origins[0]}", "keep one of them"
        like = getattr(workload, "like", None)
        if like is not None and like not in scope.manifest.services:
            yield (*path, "like"), f'no service "{like}"', did_you_mean(like, scope.manifest.services)
        if workload.image is not None and not workload.image.strip():
            yield (*path, "image"), "is empty", ""


def build_secrets_are_whole(scope: Scope) -> Iterator[Finding]:
    """A build secret is a file of the project or one whole secret."""
    for path, workload in scope.workloads.items():
        for key, source in workload.build.secrets.items() if workload.build is not None else ():
            at: Path = (*path, "build", "secrets", key)
            if not re.fullmatch(r"[A-Za-z0-9._-]+", key):
                yield at, f'"{key}" is not an id of a build secret', "letters, digits, dots, hyphens and _"
            if (source.startswith("$") or "${" in source) and not BUILD_SECRET.fullmatch(source):
                hint = "write a file of the project, or a whole secret: ${secret.NAME}"
                yield at, f'"{source}" is not a build secret', hint
