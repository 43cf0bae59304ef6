"""A secret in every place where one may stand: it arrives byte for byte, and nobody else sees it."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from devenv.errors import UsageError
from devenv.plan.model import Observed
from devenv.plan.planner import Intent, Situation, plan_up
from devenv.render import compose
from devenv.render.bundle import Bundle, Source
from devenv.render.kubernetes import render as render_kubernetes
from devenv.stack import text
from devenv.stack.fingerprints import fingerprint
from devenv.stack.model import Stack
from tests import documents

from .kubernetes.stacks import source
from .stacks import problems, stack

EVERYWHERE = """
name: shop
infra:
  postgres: {user: "${secret.USER}", password: "${secret.ROOT}", env: {EXTRA: "${secret.ROOT}"}}
services:
  api:
    build: {context: ., args: {TOKEN: "${secret.TOKEN}"}}
    port: 80
    uses: [postgres]
    secrets: [KEY]
    command: serve --token ${secret.TOKEN} --url "${postgres.url}"
    env:
      PLAIN: a ${secret.TOKEN}
      CONFIG: '{"token": "${secret.TOKEN}"}'
    files: {/run/key: {secret: KEY}}
    health: {exec: [check, "--password=${secret.TOKEN}", "${postgres.url}"]}
    route: {path: /api, plugins: [{request-transformer: {add: {headers: ["x:${secret.TOKEN}"]}}}]}
  shell:
    image: x
    uses: [postgres]
    command: printf '%s %s' ${secret.TOKEN} '${postgres.url}' | tee /dev/null
    health: {exec: 'test "${secret.TOKEN}" = ${secret.KEY}'}
jobs:
  list: {image: x, uses: [postgres], entrypoint: [sh, -ec], command: ["printf %s ${secret.TOKEN}"]}
gateway:
  plugins: [{key-auth: {key_names: ["${secret.TOKEN}"]}}]
  consumers:
    me:
      key: "${secret.KEY}"
      basic: {me: "${secret.TOKEN}"}
      jwt: [{key: iss, secret: "${secret.JWT}"}]
      groups: ["${secret.TOKEN}"]
      custom_id: "${secret.TOKEN}"
"""
VALUES = {
    name: f"""{name}-open: 'sesame' "$HOME" `no` \\n /{name}"""
    for name in ("USER", "ROOT", "TOKEN", "KEY", "JWT")
}
FORMS = {
    form
    for value in VALUES.values()
    for form in (value, quote(value, safe=""), json.dumps(value)[1:-1], value.replace("$", "$$"), value[:12])
} | {base64.b64encode(value.encode()).decode()[:-4] for value in VALUES.values()}


@pytest.fixture(scope="module")
def app() -> Stack:
    return stack(EVERYWHERE)


def compose_bundle(app: Stack) -> Bundle:
    return compose.render(app, Source(fingerprints=prints(app), secrets=VALUES))


def kubernetes_bundle(app: Stack) -> Bundle:
    return render_kubernetes(app, replace(source(app), fingerprints=prints(app), secrets=VALUES))


def prints(app: Stack) -> dict[str, str]:
    digests = {name: text.digest(value) for name, value in VALUES.items()}
    return {unit.name: fingerprint(unit, digests) for unit in app.units}


def forms_in(output: str) -> set[str]:
    """What of the secrets somebody would see in it, and marks that stand for them."""
    return {form for form in (*FORMS, "\0", "\\0", "\\x00", "Sealed(", "Secret(") if form in output}


def test_every_secret_is_asked_for(app: Stack) -> None:
    assert app.secrets == VALUES.keys()


def test_nothing_that_others_can_read_holds_a_secret(app: Stack) -> None:
    shown = {
        "compose.yaml": compose_bundle(app).files["compose.yaml"],
        **{
            name: file
            for name, file in kubernetes_bundle(app).files.items()
            if name not in kubernetes_bundle(app).private
        },
        "plan": str(plan_up(app, Situation("compose", Observed(), prints(app)), Intent())),
        "fingerprints": str(prints(app)),
        "cards": str([(unit.shown_command, unit.probe and unit.probe.shown) for unit in app.units]),
        "stack": repr(app),
    }
    for name, output in shown.items():
        assert (name, forms_in(output) - ({"Sealed(", "Secret("} if name == "stack" else set())) == (
            name,
            set(),
        )


def test_no_file_of_a_bundle_holds_a_mark(app: Stack) -> None:
    for bundle in (compose_bundle(app), kubernetes_bundle(app)):
        for name, file in bundle.files.items():
            assert (name, forms_in(file) & {"\0", "\\0", "\\x00", "Sealed(", "Secret("}) == (name, set())


def test_a_card_shows_what_runs_without_its_secrets(app: Stack) -> None:
    url = "postgresql://******:******@postgres:5432/app"
    api = app.unit("api")
    assert api.shown_command == f"serve --token ****** --url {url}"
    assert api.probe is not None
    assert api.probe.shown == f"check --password=****** {url}"


def test_a_new_value_changes_the_fingerprint_of_those_who_have_it_in_that_aspect(app: Stack) -> None:
    before, after = ({"TOKEN": "one"}, {"TOKEN": "two"})
    aspects = {
        unit.name: {
            aspect.partition(":")[0]
            for aspect in set(fingerprint(unit, after).split()) - set(fingerprint(unit, before).split())
        }
        for unit in app.units
    }
    assert aspects["api"] == {"command", "env", "health"}
    assert aspects["shell"] == aspects["list"] == {"env"}
    assert aspects["kong"] == {"files"}
    assert aspects["postgres"] == set()


URL = f"postgresql://{quote(VALUES['USER'], safe='')}:{quote(VALUES['ROOT'], safe='')}@postgres:5432/app"
SERVED = ["serve", "--token", VALUES["TOKEN"], "--url", URL]
CHECKED = ["check", f"--password={VALUES['TOKEN']}", URL]


@pytest.mark.programs
def test_on_compose_all_of_it_arrives(app: Stack) -> None:
    bundle = compose_bundle(app)
    variables = dict(re.findall(r'^(\w+)="(.*)"$', bundle.files[".env"], re.M))
    values = {name: re.sub(r"\\(.)", r"\1", value) for name, value in variables.items()}
    document = interpolated(documents.load(bundle.files["compose.yaml"]), values)
    services = document["services"]
    assert services["api"]["command"] == SERVED
    assert services["api"]["healthcheck"]["test"] == ["CMD", *CHECKED]
    assert services["api"]["build"]["args"] == {"TOKEN": VALUES["TOKEN"]}
    the_rest_arrives(
        {name: service.get("environment", {}) for name, service in services.items()},
        services["shell"]["command"],
        services["shell"]["healthcheck"]["test"][1:],
        [*services["list"]["entrypoint"], *services["list"]["command"]],
    )


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """What Compose makes of it."""
    match value:
        case str():
            return re.sub(r"\$(\$|\{(\w+)\})", lambda m: variables[m[2]] if m[2] else "$", value)
        case dict():
            return {key: interpolated(item, variables) for key, item in value.items()}
        case list():
            return [interpolated(item, variables) for item in value]
    return value


@pytest.mark.programs
def test_on_kubernetes_all_of_it_arrives(app: Stack) -> None:
    files = kubernetes_bundle(app).files.values()
    objects = {
        (item["kind"], item["metadata"]["name"]): item for file in files for item in documents.load_all(file)
    }
    containers = {
        name: item["spec"]["template"]["spec"]["containers"][0]
        for (kind, name), item in objects.items()
        if kind in ("Deployment", "StatefulSet", "Job")
    }
    env = {
        name: {item["name"]: value_of(item, objects) for item in container.get("env", ())}
        for name, container in containers.items()
    }
    started = {
        name: expanded([*container.get("command", ()), *container.get("args", ())], env[name])
        for name, container in containers.items()
    }
    assert started["api"] == SERVED
    check = containers["api"]["readinessProbe"]["exec"]["command"]  # the kubelet expands nothing in it
    assert (
        ran(f'check() {{ printf "%s\\n" check "$@"; }}; {check[2].removeprefix("exec ")}', env["api"])
        == CHECKED
    )
    the_rest_arrives(
        env, started["shell"], containers["shell"]["readinessProbe"]["exec"]["command"], started["list"]
    )


def value_of(variable: Mapping[str, Any], objects: Mapping[tuple[str, str], Any]) -> str:
    if "value" in variable:
        return str(expanded([variable["value"]], {})[0])
    key = variable["valueFrom"]["secretKeyRef"]
    return base64.b64decode(objects["Secret", key["name"]]["data"][key["key"]]).decode()


def expanded(words: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """What the kubelet makes of a command: `$(NAME)` is a variable that is there, `$$` a dollar."""
    return [
        re.sub(r"\$(\$|\((\w+)\))", lambda m: env.get(m[2], m[0]) if m[2] else "$", word) for word in words
    ]


def the_rest_arrives(
    env: Mapping[str, Mapping[str, str]],
    command: Sequence[str],
    check: Sequence[str],
    job: Sequence[str],
) -> None:
    """What is the same on both: variables, and what shells make of scripts."""
    api = env["api"]
    assert (api["KEY"], api["PLAIN"], api["DATABASE_URL"]) == (VALUES["KEY"], f"a {VALUES['TOKEN']}", URL)
    assert json.loads(api["CONFIG"]) == {"token": VALUES["TOKEN"]}
    assert env["postgres"]["EXTRA"] == VALUES["ROOT"]
    assert ran(command[2], env["shell"]) == [f"{VALUES['TOKEN']} {URL}"]
    assert list(command[:2]) == list(check[:2]) == ["sh", "-c"]
    assert subprocess.run(check, env=dict(env["shell"]), check=False).returncode == 1
    same = {**env["shell"], "DEVENV_SECRET_KEY": VALUES["TOKEN"]}
    assert subprocess.run(check, env=same, check=False).returncode == 0
    assert list(job[:2]) == ["sh", "-ec"]
    assert ran(job[2], env["list"]) == [VALUES["TOKEN"]]


def ran(script: str, env: Mapping[str, str]) -> list[str]:
    asked = subprocess.run(["sh", "-c", script], env=dict(env), capture_output=True, text=True, check=True)
    return asked.stdout.splitlines()


SEEN = "a secret would be seen here"


@pytest.mark.parametrize(
    "where",
    ['image: "x:${secret.KEY}"', 'image: x, port: 80, health: {http: "/${postgres.password}"}',
     'image: x, port: 80, route: {path: "/${secret.KEY}"}',
     'image: x, port: 80, route: {path: /a, host: ["${postgres.password}"]}'],
)  # fmt: skip
def test_where_everybody_would_see_a_secret_it_is_refused_with_the_line(where: str) -> None:
    lines = problems(f"name: a\nservices:\n  api: {{{where}, uses: [postgres]}}\n")
    assert [line.partition(":")[0] for line in lines if SEEN in line] == ["3"]


@pytest.mark.parametrize(
    "where", ['health: {http: "/${postgres.url}"}', 'route: {path: "/${postgres.user}"}']
)
def test_a_secret_that_comes_by_another_name_is_refused_too(where: str) -> None:
    with pytest.raises(UsageError, match=SEEN):
        stack(
            f"name: a\ninfra: {{postgres: {{user: '${{secret.USER}}'}}}}\n"
            f"services:\n  api: {{image: x, port: 80, {where}, uses: [postgres]}}\n"
        )


def test_secrets_whose_names_and_places_join_to_one_name_stay_two() -> None:
    app = stack(
        "name: a\ninfra: {postgres: {password: '${secret.X}'}}\n"
        "services:\n  api: {image: x, uses: [postgres], secrets: [X_URL]}\n"
    )
    lines = compose.render(app, Source(secrets={"X": "one", "X_URL": "two"})).files[".env"]
    names = re.findall(r"^(\w+)=", lines, re.M)
    assert len(names) == len(set(names)) == 2 * len(text.PLACES)
