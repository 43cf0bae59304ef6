"""A CI pipeline for a project, from the templates in templates/ci/.

In a template `@name@` stands for a value. A line that begins with `%%` repeats or leaves out what follows, up
to its `%% end`: `each KEY` once for every item, `when KEY` if there is something, `unless KEY` if nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devenv.manifest.models import Manifest

SYSTEMS = {
    "github": ("ci/github.yml", ".github/workflows/devenv.yml"),
    "gitlab": ("ci/gitlab.yml", ".gitlab-ci.yml"),
    "jenkins": ("ci/Jenkinsfile", "Jenkinsfile"),
}
"""CI system -> its template, and where in a project it looks for its pipeline."""

TESTS = re.compile(r"(test|e2e|check|smoke|integration)", re.IGNORECASE)
PRODUCTION = re.compile(r"(^|[-_.])(prod|production|live)($|[-_.])", re.IGNORECASE)
OWN = {"github": "ghcr.io", "gitlab": "registry.gitlab.com"}  # where its pipelines have a login already

Values = Mapping[str, Any]


def pipeline(
    system: str, template: str, manifest: Manifest, secrets: Collection[str], *, branch: str, version: str
) -> str:
    """The pipeline of a project for a CI system. `secrets` are those that a user has to bring."""
    environments = [
        {
            "environment": name,
            "VARIABLE": re.sub(r"\W", "_", name).upper(),
            "context": environment.context,
            "production": bool(PRODUCTION.search(name)),
            "registry": (host := (environment.registry or "").partition("/")[0]),
            "own": host == OWN.get(system),
        }
        for name, environment in manifest.environments.items()
    ]
    values = {
        "branch": branch,
        "version": version,
        "secret": [{"secret": name} for name in sorted(secrets)],
        "test": [{"test": name} for name, job in manifest.jobs.items() if job.manual and TESTS.search(name)],
        "environment": sorted(environments, key=lambda item: bool(item["production"])),
    }
    values["login"] = [item for item in environments if item["registry"] and not item["own"]]
    values["settings"] = values["secret"] or environments
    lines = iter(template.splitlines())
    return "".join(f"{line}\n" for line in _filled(_block(lines), values))


Block = list["str | tuple[str, str, Block]"]


def _block(lines: Iterator[str]) -> Block:
    """The lines up to `%% end`, with the blocks in them."""
    block: Block = []
    for line in lines:
        if not line.startswith("%%"):
            block.append(line)
            continue
        verb, *key = line[2:].split()
        if verb == "end":
            break
        block.append((verb, key[0], _block(lines)))
    return block


def _filled(block: Block, values: Values) -> Iterator[str]:
    for part in block:
        if isinstance(part, str):
            yield re.sub(r"@(\w+)@", lambda match: str(values[match[1]]), part)
            continue
        verb, key, inner = part
        if verb == "each":
            for item in values[key]:
                yield from _filled(inner, {**values, **item})
        elif bool(values[key]) is (verb == "when"):
            yield from _filled(inner, values)
