"""CI pipelines that `devenv init --ci` writes.

GitHub's and GitLab's are checked against their published schemas. A Jenkins cannot be had here: its file is
checked against the sections and their places that Jenkins documents for declarative pipelines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from devenv import assets
from devenv.manifest.environments import Environment
from devenv.manifest.models import Manifest
from devenv.manifest.workloads import Job
from devenv.render.pipeline import SYSTEMS, pipeline
from tests.conftest import ROOT

PRODUCTION = Environment(context="gke-prod", registry="ghcr.io/acme/shop")
STAGING = Environment(context="gke-stage", registry="registry.acme.io/shop")
FULL = Manifest(
    name="shop",
    jobs={"e2e-tests": Job(image="t:1", manual=True), "migrate": Job(image="m:1")},
    environments={"production": PRODUCTION, "staging-eu": STAGING},
)
BARE = Manifest(name="shop")
WORDS = Manifest(name="shop", environments=dict.fromkeys(("test", "install", "image", "default"), STAGING))
"""Environments that are called as a stage of ours is, or as a word of the system's."""
MANIFESTS = {"full": (FULL, ("STRIPE_KEY", "MAIL_KEY")), "bare": (BARE, ()), "words": (WORDS, ())}
SCHEMAS = {
    "github": ["vendor.github-workflows"],
    "gitlab": ["vendor.gitlab-ci", "--data-transform=gitlab-ci"],
}

INSIDE = {
    "": {"pipeline"},
    "pipeline": {"agent", "options", "environment", "stages", "post", "tools", "parameters", "triggers"},
    "stages": {"stage"},
    "stage": {
        "steps",
        "stages",
        "when",
        "input",
        "environment",
        "post",
        "agent",
        "options",
        "tools",
        "parallel",
    },
    "post": {"always", "success", "failure", "cleanup", "changed", "unstable", "aborted", "fixed"},
    "when": {
        "branch",
        "tag",
        "buildingTag",
        "beforeInput",
        "beforeAgent",
        "environment",
        "expression",
        "not",
    },
    "input": {"message", "ok", "submitter", "id", "parameters"},
}
"""A section of a declarative pipeline -> what may stand in it, as Jenkins' handbook lists it."""


def written(system: str, case: str) -> str:
    manifest, secrets = MANIFESTS[case]
    template = assets.template(SYSTEMS[system][0])
    return pipeline(system, template, manifest, secrets, branch="trunk", version="1.2.3")


@pytest.mark.parametrize("case", MANIFESTS)
@pytest.mark.parametrize("system", SCHEMAS)
def test_a_pipeline_is_valid_by_its_published_schema(system: str, case: str, tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yml"
    file.write_text(written(system, case))
    assert check(system, file) == ""


def test_the_workflow_of_this_project_is_valid_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    workflow = ROOT / ".github/workflows/ci.yml"
    assert check("github", workflow) == ""
    wrong = tmp_path / "ci.yml"
    wrong.write_text(workflow.read_text().replace("runs-on:", "runs_on:"))
    assert "runs_on" in check("github", wrong)


def check(system: str, file: Path) -> str:
    """What `check-jsonschema` has against a file; empty for nothing."""
    from check_jsonschema import main

    ended = CliRunner().invoke(main, ["--builtin-schema", *SCHEMAS[system], str(file)])
    return "" if ended.exit_code == 0 else ended.output


@pytest.mark.parametrize("case", MANIFESTS)
def test_a_jenkinsfile_has_the_sections_of_a_declarative_pipeline(case: str) -> None:
    placed = list(sections(written("jenkins", case)))
    wrong = [
        (section, parent) for parent, section in placed if parent in INSIDE and section not in INSIDE[parent]
    ]
    assert wrong == []
    assert [section for parent, section in placed if parent == ""] == ["pipeline"]
    stages = [section for parent, section in placed if parent == "stages"]
    assert len(stages) == {"full": 4, "bare": 2, "words": 6}[case]
    names = re.findall(r"stage\('(.*?)'\)", written("jenkins", case))
    assert len({*names}) == len(stages)


def test_a_jenkinsfile_with_a_section_in_a_wrong_place_is_noticed() -> None:
    wrong = written("jenkins", "bare").replace("stages {", "steps {", 1)
    assert ("pipeline", "steps") in list(sections(wrong))


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Each first word of a line or block with the block it stands in. Raises if braces do not match."""
    text = re.sub(r"'''.*?'''", "''", text, flags=re.DOTALL)
    text = re.sub(r"(?m)^\s*//.*$|'[^'\n]*'", "''", text)
    open_: list[str] = []
    for token in re.finditer(r"(?m)^\s*(\w+)|[{}]|(?<=\{)\s*(\w+)", text):
        word = token[1] or token[2]
        if word:
            yield (open_[-1] if open_ else "", word)
            last = word
        elif token[0] == "{":
            open_.append(last)
        else:
            open_.pop()
    assert not open_


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_pipeline_says_what_it_needs_runs_the_tests_and_promotes(system: str) -> None:
    text = written(system, "full")
    for part in (
        "STRIPE_KEY", "gke-stage", "gke-prod", "devenv-stack==1.2.3", "devenv run e2e-tests", "trunk",
        "devenv promote staging-eu --yes", "devenv promote production --yes", "registry.acme.io", "REGISTRY_USER",
    ):  # fmt: skip
        assert part in text, part
    assert text.index("promote staging-eu") < text.index("promote production")
    assert "devenv run migrate" not in text
    assert not re.search(r"@\w+@|%%", text)


@pytest.mark.parametrize("system", SYSTEMS)
def test_without_environments_it_tests_and_promotes_nothing(system: str) -> None:
    text = written(system, "bare")
    assert "devenv up -d" in text
    assert "devenv promote" not in text
    assert not re.search(r"@\w+@|%%", text)


def test_only_a_pipeline_of_the_same_house_logs_in_with_its_own_token() -> None:
    assert written("github", "full").count("secrets.GITHUB_TOKEN") == 1
    assert written("gitlab", "full").count("CI_REGISTRY_PASSWORD") == 0
