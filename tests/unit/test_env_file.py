"""`env_file`: variables from files, below `env` and above what is injected, on every backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from devenv import sources
from devenv.render import compose, process, swarm
from devenv.render.bundle import Source
from devenv.sources.digests import Digests
from devenv.stack.model import Stack
from devenv.stack.outline import outline
from devenv.stack.resolve import host_environment, resolve
from devenv.stack.world import World
from tests import documents
from tests.helm import Helm
from tests.table import each_row

from . import stacks
from .chart.charts import environment, pod, project, rendered, written
from .kubernetes import stacks as kubernetes

MANIFEST = """\
name: shop
services:
  web: {image: "web:1", port: 80}
  api:
    image: api:1
    uses: [web]
    env_file: [./common.env, api.env]
    secrets: [KEY]
    env: {WON: env}
jobs:
  migrate: {like: api, env_file: job.env}
"""
FILES = {
    "common.env": "COMMON=1\nBOTH=common\n",
    "api.env": (
        "# a comment\nexport BOTH='api'\nWON=file\nKEY=file\nWEB_URL=file\nDOLLAR=p$$a${HOME}${env.X}\n"
        'LINES="one\\ntwo"\nEMPTY=\nlog.level=debug\n'
    ),
    "job.env": "BOTH=job\n",
}
VALUES = {
    "COMMON": "1", "BOTH": "api", "WON": "env", "WEB_URL": "file", "DOLLAR": "p$$a${HOME}${env.X}",
    "LINES": "one\ntwo", "EMPTY": "", "log.level": "debug",
}  # fmt: skip


def write(root: Path, **more: str) -> None:
    for name, text in (FILES | {"devenv.yaml": MANIFEST} | more).items():
        (root / name).write_text(text)


def read(root: Path, text: str = MANIFEST) -> sources.Sources:
    return sources.read(root, outline(stacks.manifest(text), stacks.CATALOGUE).wants, Digests({}))


def stack(root: Path) -> Stack:
    found = read(root)
    assert not found.findings
    return resolve(stacks.manifest(MANIFEST), stacks.CATALOGUE, World("", **found.answers))


def shown(variables: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name in VALUES}


def test_the_name_of_a_secret_in_dot_env_means_that_secret(tmp_path: Path) -> None:
    text = """\
name: shop
services:
  web: {image: "web:1", env_file: [./.env, other.env], env: {DSN: "x:${secret.IN_A_TEXT}"}}
  api: {image: "api:1", secrets: [LISTED], files: {/key: {secret: A_FILE}}}
"""
    variables = "IN_A_TEXT=a\nLISTED=b\nA_FILE=c\nPLAIN=d\nLATER=e\n"
    write(tmp_path, **{".env": variables, "other.env": "LATER=f\n"})
    of = resolve(stacks.manifest(text), stacks.CATALOGUE, World("", **read(tmp_path, text).answers))
    env = dict(of.unit("web").env)
    assert {name for name in ("IN_A_TEXT", "LISTED", "A_FILE") if isinstance(env[name], str)} == set()
    assert (env["PLAIN"], env["LATER"]) == ("d", "f")


def test_env_wins_over_files_and_files_over_what_is_injected(tmp_path: Path) -> None:
    write(tmp_path)
    of = stack(tmp_path)
    assert shown(dict(of.unit("api").env)) == VALUES
    assert not isinstance(dict(of.unit("api").env)["KEY"], str)  # a secret stays one
    assert dict(of.unit("migrate").env)["BOTH"] == "job"
    assert dict(of.unit("migrate").env)["COMMON"] == "1"


def test_every_renderer_hands_the_values_on_as_they_are(tmp_path: Path, helm: Helm) -> None:
    write(tmp_path)
    of = stack(tmp_path)
    source = Source(secrets={"KEY": "k"})
    document = documents.load(compose.render(of, source).files["compose.yaml"])
    escaped = {name: value.replace("$", "$$") for name, value in VALUES.items()}
    assert shown(document["services"]["api"]["environment"]) == escaped
    document = documents.load(swarm.render(of, Source()).files["stack.yaml"])
    assert shown(document["services"]["api"]["environment"]) == escaped
    units = documents.load(process.render(of, source).files["processes.json"])["units"]
    assert shown(units["api"]["ways"][0]["environment"]) == VALUES
    chart = rendered(helm, written(tmp_path / "chart", project(tmp_path)))
    for objects in (kubernetes.objects(of), chart):
        (container,) = pod(objects["Deployment", "api"])["containers"]
        secrets = {name: {"KEY": "k"} for name in ("api", "shop-secrets")}
        assert shown(environment(container, secrets)) == VALUES


def test_a_program_on_this_machine_gets_them_too(tmp_path: Path) -> None:
    write(tmp_path)
    world = World("", **read(tmp_path).answers)
    variables = host_environment(stacks.manifest(MANIFEST), stacks.CATALOGUE, world, "api")
    assert shown(dict(variables)) == VALUES


def test_a_changed_value_makes_only_its_units_stale(tmp_path: Path) -> None:
    write(tmp_path)
    before = stacks.fingerprints(stack(tmp_path), {"KEY": "k"})
    write(tmp_path, **{"api.env": FILES["api.env"] + "MORE=1\n"})
    after = stacks.fingerprints(stack(tmp_path), {"KEY": "k"})
    assert {name for name in after if after[name] != before[name]} == {"api", "migrate"}


def test_the_loop_watches_the_files(tmp_path: Path) -> None:
    write(tmp_path)
    wants = outline(stacks.manifest(MANIFEST), stacks.CATALOGUE).wants
    assert {want.name for want in wants if want.kind == "env"} == {"./common.env", "api.env", "job.env"}


REFUSED = {
    "./gone.env": 'no file "./gone.env"',
    "./folder": 'no file "./folder"',
    "./latin.env": 'cannot read "./latin.env"',
    "./odd.env": '"a b" in "./odd.env" is not a name of a variable',
}


def test_a_file_that_is_none_is_refused_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.env").write_bytes(b"A=\xff\n")
    (tmp_path / "odd.env").write_text("'a b'=1\n")
    listed = ", ".join(REFUSED)
    found = read(tmp_path, f"name: shop\nservices:\n  api: {{image: x, env_file: [{listed}]}}\n")
    assert [(path, message) for path, message, _ in found.findings] == [
        (("services", "api", "env_file", index), message) for index, message in enumerate(REFUSED.values())
    ]


@each_row({"outside": "../x.env", "absolute": "/etc/environment"})
def test_a_file_outside_the_project_is_refused(name: str) -> None:
    assert stacks.problems(f"name: a\nservices:\n  a: {{image: x, env_file: {name}}}\n") == [
        f'3:17: services.a.env_file[0]: "{name}" is outside the project'
        " - write a path beside or below devenv.yaml"
    ]
