"""Rules about where an image comes from, and about the secrets of its build."""

from __future__ import annotations

import re
from collections.abc import Iterator

from devenv.errors import did_you_mean
from devenv.manifest.contexts import has_password, is_folder, is_repository
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path
from devenv.manifest.versions import IMAGE

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
        if workload.image is not None:
            yield from _image_has_a_name((*path, "image"), workload.image)


def stores_have_images(scope: Scope) -> Iterator[Finding]:
    """An image in place of a kind's own is one."""
    for name, store in scope.manifest.infra.items():
        if store.image is not None:
            yield from _image_has_a_name(("infra", name, "image"), store.image)


def _image_has_a_name(path: Path, image: str) -> Iterator[Finding]:
    if not image.strip():
        yield path, "is empty", ""
    elif "${" not in image and not IMAGE.fullmatch(image):
        yield path, f'"{image}" is not the name of an image', "name:tag in lower-case letters: nginx:1.27"


PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?")


def contexts_have_names(scope: Scope) -> Iterator[Finding]:
    """The main context is a folder or a repository; others have names that a Dockerfile can refer to."""
    for path, workload in scope.workloads.items():
        build = workload.build
        if build is None:
            continue
        if not is_folder(build.context) and not is_repository(build.context):
            hint = f"COPY --from=source, with additional_contexts: {{source: {build.context}}}"
            yield (*path, "build", "context"), "the context is a folder, with the Dockerfile in it", hint
        if has_password(build.context):
            hint = "git@HOST:NAME.git, and build.ssh: default for your key"
            yield (*path, "build", "context"), "a login in a URL is seen by everybody", hint
        for name in build.additional_contexts:
            if not re.fullmatch(r"[a-z0-9][a-z0-9._/-]*", name):
                at: Path = (*path, "build", "additional_contexts", name)
                yield (
                    at,
                    f'"{name}" is not a name of a context',
                    "lower-case letters, digits, dots, hyphens and _",
                )
        if build.platform is not None and not PLATFORM.fullmatch(build.platform):
            yield (*path, "build", "platform"), f'"{build.platform}" is not a platform', "write linux/amd64"


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
