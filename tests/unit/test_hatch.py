"""`compose:` is laid over what is rendered: added to it, never instead of it, unless asked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from devenv.render.bundle import Source
from devenv.render.compose import render
from tests import documents
from tests.table import each_row

from .stacks import problems, stack

API = "image: x, port: 80, env: {A: a, B: b}, volumes: {data: /data}, files: {/etc/a.ini: ./a.ini}"


def document(fragment: str, *, root: str = "../..", section: str = "services") -> dict[str, Any]:
    text = f"name: a\n{section}:\n  api: {{{API}, compose: {fragment}}}\n"
    of = stack(text)
    files = render(of, Source(root=root)).files
    return dict(documents.load(files["compose.yaml"]))


def service(fragment: str, *, root: str = "../..") -> dict[str, Any]:
    return dict(document(fragment, root=root)["services"]["api"])


PLAIN = service("{}")
FORMS = {
    "labels in a list": ("{labels: [team=doors, bare]}", "labels", {"team": "doors", "bare": None}),
    "labels in a mapping": ("{labels: {team: doors, code: 08}}", "labels", {"team": "doors", "code": "08"}),
    "environment in a list": ("{environment: [A=new, C=c=d, D]}", "environment", {"A": "new", "C": "c=d", "D": None}),
    "environment in a mapping": (
        "{environment: {A: +1, C: 1.10, D: true, E: }}", "environment", {"A": "+1", "C": "1.10", "D": "true", "E": None}
    ),
    "networks in a list": ("{networks: [other]}", "networks", {"other": None}),
    "networks in a mapping": ("{networks: {default: {priority: 1}}}", "networks", {"default": {
        **PLAIN["networks"]["default"], "priority": 1}}),
}  # fmt: skip


@pytest.mark.parametrize("key", ["labels", "environment", "networks", "volumes", "ports", "sysctls"])
def test_a_key_with_nothing_after_it_changes_nothing(key: str) -> None:
    spec = service(f"{{{key}: }}")
    assert (spec.pop(key) or None) == PLAIN.get(key)
    assert spec == {name: value for name, value in PLAIN.items() if name != key}


@pytest.mark.parametrize(("fragment", "key", "added"), FORMS.values(), ids=FORMS)
def test_mappings_merge_in_both_of_composes_forms(fragment: str, key: str, added: dict[str, Any]) -> None:
    assert service(fragment) == {**PLAIN, key: {**PLAIN[key], **added}}


LISTS = {
    "a short volume": ('{volumes: ["./src:/app"]}', "volumes", ["../../src:/app"]),
    "a volume above": ('{volumes: ["../lib:/lib:ro"]}', "volumes", ["../../../lib:/lib:ro"]),
    "a volume of the machine": ('{volumes: ["/etc:/x", "~/y:/y"]}', "volumes", ["/etc:/x", "~/y:/y"]),
    "a long volume": (
        "{volumes: [{type: bind, source: src, target: /app}]}",
        "volumes",
        [{"type": "bind", "source": "../../src", "target": "/app"}],
    ),
    "a short port": ('{ports: ["127.0.0.1:9000:9000"]}', "ports", ["127.0.0.1:9000:9000"]),
    "a number": ("{ports: [9000]}", "ports", [9000]),
    "a long port": (
        "{ports: [{target: 9000, published: 9000}]}",
        "ports",
        [{"target": 9000, "published": 9000}],
    ),
    "a port that is there": (f'{{ports: ["{PLAIN["ports"][0]}"]}}', "ports", []),
}


@each_row(LISTS.values())
def test_lists_append_in_both_of_composes_forms(fragment: str, key: str, added: list[Any]) -> None:
    assert service(fragment) == {**PLAIN, key: [*PLAIN[key], *added]}


def test_what_is_mounted_on_one_of_our_places_takes_it() -> None:
    *_, own_file = PLAIN["volumes"]
    assert service('{volumes: ["./d:/data"]}')["volumes"] == [own_file, "../../d:/data"]


RESET = {
    "a list": ("{ports: !reset [9000]}", "ports", [9000]),
    "a path": ('{volumes: !reset ["./src:/app"]}', "volumes", ["../../src:/app"]),
    "a mapping": ("{environment: !reset {C: c}}", "environment", {"C": "c"}),
    "a text": ("{stop_grace_period: !reset 3s}", "stop_grace_period", "3s"),
    "Compose's other tag": ("{ports: !override [9000]}", "ports", [9000]),
    "one entry": ("{environment: {A: !reset }}", "environment", {"B": "b", "PORT": "80"}),
}


@pytest.mark.parametrize(("fragment", "key", "value"), RESET.values(), ids=RESET)
def test_reset_replaces(fragment: str, key: str, value: Any) -> None:
    assert service(fragment) == {**PLAIN, key: value}


@pytest.mark.parametrize("nothing", ["!reset ", "!reset null", "!reset []"])
def test_reset_to_nothing_takes_a_key_away(nothing: str) -> None:
    assert service(f"{{ports: {nothing}}}") == {key: value for key, value in PLAIN.items() if key != "ports"}


@pytest.mark.parametrize(
    "labels", ["[devenv.dev/unit=x]", "{devenv.dev/unit: x}", "!reset []", "!reset [a=b]"]
)
def test_our_labels_stay(labels: str) -> None:
    assert service(f"{{labels: {labels}}}")["labels"].items() >= PLAIN["labels"].items()


def test_words_of_a_command_are_replaced_and_one_text_joins_a_list() -> None:
    assert service("{command: [run, it]}")["command"] == ["run", "it"]
    assert service("{command: run it}")["command"] == "run it"
    assert service("{dns: 1.1.1.1}")["dns"] == "1.1.1.1"


def test_other_files_are_relative_to_the_manifest() -> None:
    spec = service("{env_file: [./a.env, {path: b.env, required: false}], credential_spec: {file: c.json}}")
    assert spec["env_file"] == ["../../a.env", {"path": "../../b.env", "required": False}]
    assert spec["credential_spec"] == {"file": "../../c.json"}
    assert service("{env_file: a.env}", root=".")["env_file"] == "./a.env"
    assert service('{volumes: ["./src:/app"]}', root=".")["volumes"][-1] == "./src:/app"


def test_the_network_of_the_machine_takes_the_place_of_ours() -> None:
    assert "networks" not in service("{network_mode: host}")


def test_a_named_volume_is_made_and_is_ours() -> None:
    rendered = document('{volumes: ["cache:/cache"]}')
    assert rendered["services"]["api"]["volumes"][-1] == "cache:/cache"
    assert rendered["volumes"]["cache"] == {**rendered["volumes"]["api-data"], "name": "a-c0ffee_cache"}


REFUSED = {
    "build": (
        "{build: {additional_contexts: {shared: ./shared}}}",
        "write it under build:, with additional_contexts: for what services share",
    ),
    "image": ("{image: y}", "write image:"),
    "depends_on": ("{depends_on: [b]}", "write uses:"),
    "healthcheck": ("{healthcheck: {test: [NONE]}}", "write health:"),
    "profiles": ("{profiles: [x]}", "write manual: true, and profiles: at the top"),
    "reset": ("{image: !reset y}", "write image:"),
}


@pytest.mark.parametrize(("fragment", "instead"), REFUSED.values(), ids=REFUSED)
def test_what_devenv_does_itself_is_refused_with_what_to_write(fragment: str, instead: str) -> None:
    (problem,) = problems(f"name: a\nservices:\n  api:\n    image: x\n    compose: {fragment}\n")
    assert problem.startswith("5:15: services.api.compose.")
    assert problem.endswith(f": has no effect here: devenv sets it itself - {instead}")


@pytest.mark.parametrize(
    "fragment", ["{extends: {file: c.yaml, service: s}}", "{extends: s}", "{extends: !reset s}"]
)
def test_what_brings_keys_unseen_is_refused(fragment: str) -> None:
    # `build.additional_contexts` of such a file would send `.devenv` to the builder.
    (problem,) = problems(f"name: a\nservices:\n  api:\n    image: x\n    compose: {fragment}\n")
    assert problem == (
        "5:15: services.api.compose.extends: would bring keys that devenv sets itself, such as build"
        " - write its keys here; a YAML anchor shares them"
    )


@pytest.mark.parametrize(
    "fragment", ["{labels: 5}", "{environment: [{A: b}]}", "{volumes: x}", "{ports: {80: 80}}"]
)
def test_a_form_that_is_none_of_composes_is_refused(fragment: str) -> None:
    (problem,) = problems(f"name: a\nservices:\n  api:\n    image: x\n    compose: {fragment}\n")
    assert problem.startswith("5:15: services.api.compose.")
    assert ": expected a " in problem


@pytest.mark.parametrize("text", ["env: {A: !reset b}", "uses: !reset [b]", "compose: !reset {}"])
def test_reset_is_for_fragments_alone(text: str) -> None:
    (problem,) = problems(f"name: a\nservices:\n  api: {{image: x, {text}}}\n")
    assert problem.endswith("the tag '!reset' means nothing here - it works only below compose:")


@pytest.mark.engine
def test_compose_takes_all_of_it(tmp_path: Path) -> None:
    fragment = (
        '{volumes: ["./src:/app", "cache:/cache"], ports: ["127.0.0.1:9000:9000", 9001], labels: [team=doors],'
        " environment: [C=08], restart: always, tmpfs: /tmp, extra_hosts: [a=127.0.0.1], cap_add: [NET_ADMIN]}"
    )
    folder = tmp_path / ".devenv" / "compose"
    folder.mkdir(parents=True)
    text = f"name: a\nservices:\n  api: {{{API}, compose: {fragment}}}\n"
    of = stack(text)
    for name, content in render(of, Source()).files.items():
        (folder / name).write_text(content)
    config = ["docker", "compose", "-f", str(folder / "compose.yaml"), "config", "--format", "json"]
    process = subprocess.run(config, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")
    api = json.loads(process.stdout)["services"]["api"]
    assert {mount["target"]: mount["source"] for mount in api["volumes"]} == {
        "/data": "api-data", "/etc/a.ini": f"{tmp_path}/a.ini", "/app": f"{tmp_path}/src", "/cache": "cache",
    }  # fmt: skip
    assert [port["target"] for port in api["ports"]] == [80, 9000, 9001]
    assert api["environment"] == {"A": "a", "B": "b", "C": "08", "PORT": "80"}
    assert api["labels"]["team"] == "doors"
    assert api["labels"]["devenv.dev/unit"] == "api"
