"""Every kind is data that holds what it promises, and a new one needs no Python."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from devenv import assets
from devenv.errors import ManifestInvalid
from devenv.manifest.parse import parse
from devenv.manifest.versions import matches
from devenv.render import compose
from devenv.render.bundle import Source
from devenv.stack.infra import variable
from devenv.stack.kinds.catalogue import Catalogue, Facts
from devenv.stack.resolve import resolve
from devenv.stack.world import World
from tests import documents
from tests.table import each_row

from .stacks import CATALOGUE, stack

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@each_row([*CATALOGUE])
def test_a_kind_is_pinned_described_and_asked_over_the_network_whether_it_is_ready(kind: str) -> None:
    file = CATALOGUE[kind].file
    main = file.services[kind]
    assert file.block.about
    assert "version" in file.block.options
    assert "latest" not in main.image
    check = main.healthcheck
    assert check is not None
    assert len(type(check).model_fields.keys() - check.model_fields_set) == 1  # test, or x-http
    assert "/run/" not in str(check.test)  # a temporary server listens on a socket while it initialises


@each_row([*CATALOGUE])
def test_a_kind_says_what_runs_it_in_production(kind: str) -> None:
    assert CATALOGUE[kind].block.production


@each_row([kind for kind in CATALOGUE if kind != "kong"])
def test_whoever_uses_a_kind_gets_its_address(kind: str) -> None:
    api = stack(f"name: a\nservices:\n  api: {{image: x, uses: [{kind}]}}\n").unit("api")
    assert dict(api.env)[f"{variable(kind)}_URL"]


@each_row([kind for kind in CATALOGUE if kind != "kong"])
def test_every_kind_is_shown_by_an_example(kind: str) -> None:
    used = set()
    for file in EXAMPLES.glob("*/devenv.yaml"):
        document = documents.load(file.read_text())
        used |= {infra.get("kind", name) for name, infra in document.get("infra", {}).items()}
        used |= {document[word]["to"] for word in ("logs",) if word in document}
        used |= {
            use.partition("/")[0]
            for service in document["services"].values()
            for use in service.get("uses", ())
        }
    assert kind in used


NATS = """
x-devenv:
  about: NATS, a message broker
  options: {version: "2.12", token: {secret: true}}
  url: nats://${token}@${host}:${port}
  env: {"${NAME}_URL": "${url}"}
  links: {monitor: monitor}
  production: Synadia Cloud
services:
  nats:
    image: nats:${version}
    command: [--auth, "${token}", -m, "8222"]
    ports: [{name: client, target: 4222}, {name: monitor, target: 8222}]
    healthcheck: {test: [CMD, nats, ping], start_interval: 250ms, start_period: 30s}
"""


def test_a_new_kind_is_one_file_in_the_folder_of_kinds(tmp_path: Path) -> None:
    for name, content in {**assets.catalogue(), "nats": NATS}.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    catalogue = Catalogue({file.stem: file.read_text() for file in tmp_path.iterdir()})
    text = "name: a\nservices:\n  api: {image: x, uses: [bus]}\ninfra:\n  bus: {kind: nats}\n"
    parsed, _ = parse(text, file="devenv.yaml", kinds=Facts(catalogue))
    app = resolve(parsed, catalogue, World("c0ffee", {("bus", 4222): 4222, ("bus", 8222): 9999}))
    files = compose.render(app, Source(secrets={"BUS_TOKEN": "t"})).files
    services = documents.load(files["compose.yaml"])["services"]
    assert services["api"]["environment"] == {"BUS_URL": "nats://${DEVENV_URL_BUS_TOKEN}@bus:4222"}
    assert services["api"]["depends_on"] == {"bus": {"condition": "service_healthy"}}
    bus = services["bus"]
    assert {key: bus[key] for key in ("image", "command", "ports")} == {
        "image": "nats:2.12",
        "command": ["--auth", "${DEVENV_SECRET_BUS_TOKEN}", "-m", "8222"],
        "ports": ["127.0.0.1:4222:4222", "127.0.0.1:9999:8222"],
    }
    assert [(link.label, link.url) for link in app.unit("bus").links] == [
        ("monitor", "http://localhost:9999")
    ]


WHOLE = """\
x-devenv:
  about: Odd, a store
  options: {version: "1", seed: [], password: {secret: true}, memory: 64Mi}
  url: odd://${host}:${port}
  env: {"${NAME}_URL": "${url}"}
  links: {page: page}
services:
  odd:
    image: odd:${version}
    ports: [{name: odd, target: 1}, {name: page, target: 2}]
    volumes: ["data:/data"]
  odd-side:
    image: side:1
    depends_on: [odd]
"""

MALFORMED = {
    "empty": ("", "", "1:1: the file is empty"),
    "a list": ("", "- a\n", "1:1: is no kind: it has no x-devenv block"),
    "no block of ours": ("", "services: {odd: {image: x}}\n", "1:1: is no kind: it has no x-devenv block"),
    "a block that is a text": ("", "x-devenv: yes\n", "1:1: is no kind: it has no x-devenv block"),
    "not YAML": ("", "x-devenv: {about: a\n", "2:1: "),
    "no services": ("", "x-devenv: {about: a}\n", "1:1: services: is missing"),
    "no service of its name": ("  odd:\n", "  other:\n", "7:1: services: no service called odd"),
    "services that are a list": (
        "",
        "x-devenv: {about: a}\nservices: [odd]\n",
        "2:1: services: expected a mapping",
    ),
    "nothing about it": ("  about: Odd, a store\n", "", "1:1: x-devenv.about: is missing"),
    "an unknown key of ours": (
        "  links:",
        "  lnks:",
        '6:3: x-devenv.lnks: unknown key - did you mean "links"?',
    ),
    "an unknown key of Compose": (
        "    volumes:",
        "    volums:",
        '11:5: services.odd.volums: unknown key - did you mean "volumes"?',
    ),
    "a build": ("    image: side:1", "    build: .", "13:5: services.odd-side.build: unknown key"),
    "no image": ("    image: side:1\n", "", "12:3: services.odd-side.image: is missing"),
    "an image that is a number": (
        "    image: side:1",
        "    image: 1",
        "13:5: services.odd-side.image: expected text",
    ),
    "a port that is none": ("{name: page, target: 2}", "web", "10:37: services.odd.ports[1]: is not a port"),
    "a range of ports": (
        "{name: page, target: 2}",
        '"1-2:1-2"',
        "10:37: services.odd.ports[1]: is not a port",
    ),
    "a port on every interface": (
        "{name: page, target: 2}",
        '"0.0.0.0:2:2"',
        "10:37: services.odd.ports[1]: is not a port",
    ),
    "a port out of range": (
        "target: 2}",
        "target: 70000}",
        "10:50: services.odd.ports[1].target: 70000 is out of range",
    ),
    "a port of UDP": (
        "target: 2}",
        "target: 2, protocol: udp}",
        "10:61: services.odd.ports[1].protocol: cannot be 'udp'",
    ),
    "a port's long name": (
        "name: page",
        "name: Web_Page",
        "10:38: services.odd.ports[1].name: a port name is at most",
    ),
    "two ports of one name": (
        "name: page, target: 2",
        "name: odd, target: 2",
        '10:37: services.odd.ports[1]: "odd" is listed already',
    ),
    "two ports of one number": (
        "target: 2}",
        "target: 1}",
        "10:37: services.odd.ports[1]: 1 is listed already",
    ),
    "a folder of this machine": (
        '"data:/data"',
        '"./data:/data"',
        '11:15: services.odd.volumes[0]: "./data" is a folder of this machine',
    ),
    "a volume without a name": (
        '"data:/data"',
        '"/data"',
        "11:15: services.odd.volumes[0]: is not a named volume",
    ),
    "a volume on a relative path": (
        '"data:/data"',
        '"data:data"',
        '11:15: services.odd.volumes[0]: "data" is not a path in a container',
    ),
    "a volume of another type": (
        '"data:/data"',
        "{type: bind, source: a, target: /a}",
        "11:16: services.odd.volumes[0].type: cannot be 'bind'",
    ),
    "a variable from the shell": (
        "    image: side:1",
        "    image: side:1\n    environment: [HOME]",
        "14:5: services.odd-side.environment: HOME has no value",
    ),
    "a variable without a value": (
        "    image: side:1",
        "    image: side:1\n    environment: {A: }",
        "14:19: services.odd-side.environment.A: has no value",
    ),
    "a command with an open quote": (
        "    image: side:1",
        '    image: side:1\n    command: "echo \'a"',
        "14:5: services.odd-side.command: not a command",
    ),
    "a check without CMD": (
        "    image: side:1",
        "    image: side:1\n    healthcheck: {test: [curl, a]}",
        "14:19: services.odd-side.healthcheck.test: begins with CMD",
    ),
    "a check's odd time": (
        "    image: side:1",
        "    image: side:1\n    healthcheck: {test: a, interval: soon}",
        "14:28: services.odd-side.healthcheck.interval: is not a duration",
    ),
    "an odd amount of memory": (
        "    image: side:1",
        "    image: side:1\n    mem_limit: much",
        "14:5: services.odd-side.mem_limit: is not an amount of memory",
    ),
    "a need of nothing": (
        "depends_on: [odd]",
        "depends_on: [od]",
        '14:5: services.odd-side.depends_on.od: no service "od" - did you mean "odd"?',
    ),
    "a need that is no condition": (
        "depends_on: [odd]",
        "depends_on: {odd: {condition: ready}}",
        "14:24: services.odd-side.depends_on.odd.condition: cannot be 'ready'",
    ),
    "needs in a circle": (
        '    volumes: ["data:/data"]',
        "    depends_on: [odd-side]",
        "services.odd.depends_on: a cycle: odd -> odd-side -> odd",
    ),
    "a link to no port": (
        "{page: page}",
        "{page: pag}",
        '6:11: x-devenv.links.page: no port "pag" - did you mean "page"?',
    ),
    "a reference to nothing": (
        "${version}",
        "${verson}",
        '9:5: services.odd.image: ${verson} is not a known reference - did you mean "version"?',
    ),
    "a reference without an end": (
        "odd:${version}",
        '"odd:${version"',
        '9:5: services.odd.image: "${version" is not closed',
    ),
    "a shell's own variable": (
        "image: side:1",
        "image: side:1\n    command: 'echo ${HOME}'",
        "14:5: services.odd-side.command[1]: ${HOME} is not a known reference",
    ),
    "a script that names nothing": (
        "  links:",
        "  process: {command: 'serve ${prot}'}\n  links:",
        "6:13: x-devenv.process.command: ${prot} is not a known reference",
    ),
    "a program that names nothing": (
        "  links:",
        "  process: [{command: serve}, {command: serve, environment: {PAGE: '${port.pages}'}}]\n  links:",
        "6:62: x-devenv.process[1].environment.PAGE: ${port.pages} is not a known reference",
    ),
    "a kind that may not be there": (
        '"${url}"}',
        '"${url}", TRACES: "${traces.url}"}\n  joins: traces',
        "5:34: x-devenv.env.TRACES: ${traces.url}: a stack may be without traces - write it below x-devenv.when.traces",
    ),
    "another word that is a mapping": (
        "  links:",
        "  also: [{odder: {}}]\n  links:",
        "6:3: x-devenv.also: expected a mapping",
    ),
    "an option that means something else": (
        "{version:",
        "{host: a, version:",
        "3:13: x-devenv.options.host: is a reserved name",
    ),
    "an option that is a mapping": ("seed: []", "seed: {a: b}", "3:27: x-devenv.options.seed"),
    "options in a circle": (
        '{version: "1",',
        '{version: "${other}", other: "${version}",',
        "3:13: x-devenv.options.version: a cycle: version -> other -> version",
    ),
    "an image that names itself": (
        "odd:${version}",
        "${image}",
        "9:5: services.odd.image: a cycle: image -> image",
    ),
    "an extension that is none": (
        '    volumes: ["data:/data"]',
        '    x-file: {/seed: "${seed}"}',
        '11:5: services.odd.x-file: unknown key - did you mean "x-files"?',
    ),
    "files of no list": (
        '    volumes: ["data:/data"]',
        '    x-files: {/seed: "${version}"}',
        '11:15: services.odd.x-files./seed: "${version}" is not a list of files',
    ),
    "a config that is not there": (
        '    volumes: ["data:/data"]',
        "    configs: [rules]",
        '11:15: services.odd.configs[0]: no config "rules"',
    ),
    "a part of no option": (
        "  links:",
        "  part: {option: database}\n  links:",
        '6:10: x-devenv.part.option: no option "database" that is text',
    ),
    "data of no option": (
        "  links:",
        "  data: {new: [databse, SEED_URL]}\n  links:",
        '6:16: x-devenv.data.new[0]: no option "databse"',
    ),
    "a copy of no volume": (
        "  links:",
        "  dump: volumes\n  links:",
        "6:3: x-devenv.dump: cannot be 'volumes' - one of 'volume' or a mapping",
    ),
    "a copy of two volumes": (
        WHOLE.partition("    volumes:")[0][WHOLE.index("  links:") :] + '    volumes: ["data:/data"]',
        "  dump: volume\n  links: {page: page}\nservices:\n  odd:\n    image: odd:${version}\n"
        '    ports: [{name: odd, target: 1}, {name: page, target: 2}]\n    volumes: ["data:/data", "more:/more"]',
        "6:3: x-devenv.dump: odd needs one volume to be copied",
    ),
    "a copy with a command": (
        "  links:",
        "  dump: volume\n  load: {exec: [cat]}\n  links:",
        "7:3: x-devenv.load: dump: volume is read back the same way",
    ),
    "a gateway without its port": (
        "  links:",
        "  gateway: {config: /a.yml, port: 80}\n  links:",
        "6:29: x-devenv.gateway.port: odd has no port 80",
    ),
    "a version that is no condition": (
        "  links:",
        "  versions: {old: {services: {odd: {image: x}}}}\n  links:",
        '6:14: x-devenv.versions.old: "old" is not a condition',
    ),
    "a version that breaks the file": (
        "  links:",
        '  versions: {"<1": {services: {odd: {image: 5}}}}\n  links:',
        "6:38: x-devenv.versions.<1.services.odd.image: expected text",
    ),
    "a tag without a group": (
        "  links:",
        "  tag: pg\n  links:",
        "6:3: x-devenv.tag: has no group that captures the version",
    ),
    "a kind that is not there": (
        "  links:",
        "  uses: [postgers]\n  links:",
        '6:10: x-devenv.uses[0]: no infra kind "postgers" - did you mean "postgres"?',
    ),
    "a part of what has none": (
        "  links:",
        "  uses: [mailpit/a]\n  links:",
        '6:10: x-devenv.uses[0]: "mailpit" has no parts',
    ),
    "what another kind does not have": (
        "image: side:1",
        "image: side:1\n    command: '${postgres.usr}'",
        '${postgres.usr}: postgres has no "usr" - did you mean "user"?',
    ),
    "itself": ("  links:", "  uses: [odd]\n  links:", "6:10: x-devenv.uses[0]: uses itself"),
}


def malformed(row: tuple[str, str, str]) -> tuple[str, str]:
    """The text of a row, and the problem that it has."""
    old, new, problem = row
    uses = "  uses: [postgres]\n" if "${postgres" in new else ""
    return (WHOLE.replace(old, new).replace("  links:", f"{uses}  links:") if old else new), problem


@each_row(MALFORMED)
def test_a_malformed_kind_says_where_and_what(*row: str) -> None:
    text, problem = malformed(row)
    assert text != WHOLE
    with pytest.raises(ManifestInvalid) as refused:
        Catalogue({**assets.catalogue(), "odd": text}, {"odd": "infra/odd.yaml"})["odd"]
    assert [entry for entry in refused.value.problems if problem in str(entry)], refused.value.what
    assert all(re.match(r"infra/odd\.yaml:\d+:\d+: ", str(entry)) for entry in refused.value.problems)


def test_the_kind_that_the_malformed_ones_are_made_from_is_whole() -> None:
    kind = Catalogue({"odd": WHOLE})["odd"]
    assert kind.facts.services == ("odd", "odd-side")


def test_kinds_that_use_each_other_name_their_circle() -> None:
    other = WHOLE.replace("odd", "even").replace("  links:", "  uses: [odd]\n  links:")
    odd = WHOLE.replace("  links:", "  uses: [even]\n  links:")
    with pytest.raises(ManifestInvalid, match="a cycle: odd -> even -> odd"):
        Catalogue({"odd": odd, "even": other})["odd"]


LONG_AND_SHORT = {
    "ports": (
        '["80", "127.0.0.1:8081:81", 82]',
        '[{target: 80, name: port-80}, {target: 81, published: "8081", name: port-81}, {target: 82, name: port-82}]',
    ),
    "command": ("sh -c 'a b'", '[sh, -c, "a b"]'),
    "environment": ('["A=1", "B=x=y"]', '{A: 1, B: "x=y"}'),
    "volumes": (
        '["data:/data", "more:/more:rw"]',
        "[{type: volume, source: data, target: /data}, {source: more, target: /more}]",
    ),
    "configs": ("[rules]", "[{source: rules, target: /rules}]"),
    "tmpfs": ("/tmp", "[/tmp]"),
    "depends_on": ("[odd]", "{odd: {condition: service_started}}"),
    "healthcheck": ("{test: a b}", '{test: [CMD-SHELL, "a b"]}'),
}


@each_row([*LONG_AND_SHORT])
def test_composes_short_form_is_its_long_one(key: str) -> None:
    short, long = (
        Catalogue({"odd": WHOLE + f"    {key}: {form}\nconfigs: {{rules: {{content: a}}}}\n"
                   if key != "depends_on" else WHOLE.replace("[odd]", form)})["odd"].file.services["odd-side"]
        for form in LONG_AND_SHORT[key]
    )  # fmt: skip
    assert getattr(short, key) == getattr(long, key) != type(short).model_fields[key].default


def test_limits_are_taken_in_both_of_composes_forms() -> None:
    deploy = "    deploy: {resources: {limits: {cpus: '0.5', memory: 64M}}}\n"
    side = Catalogue({"odd": WHOLE + deploy})["odd"].file.services["odd-side"]
    assert (side.memory, side.cpu) == ("64M", "0.5")


@each_row([*CATALOGUE])
def test_a_kind_keeps_what_it_may_not_lose_in_volumes_and_takes_no_more_memory_than_it_says(
    kind: str,
) -> None:
    main = CATALOGUE[kind].file.services[kind]
    assert main.memory == "${memory}"
    assert all(port.name and not port.name.startswith("port-") for port in main.ports)


@each_row([*CATALOGUE])
def test_every_option_of_a_kind_is_used_somewhere_in_its_file(kind: str) -> None:
    text = assets.catalogue()[kind]
    unused = {option for option in CATALOGUE[kind].options if f"${{{option}" not in text}
    block = CATALOGUE[kind].block
    conditions = {condition.partition("=")[0] for condition in block.when}
    assert unused <= {block.part.option if block.part else ""} | conditions


@each_row(
    [
        ("17.11", "<18", True),
        ("18", "<18", False),
        ("18.6", "<18", False),
        ("9.7.2", ">=9.7", True),
        ("v1.2", "=1.2", True),
        ("latest", "<18", False),
        ("18-alpine", ">=18", True),
        ("18.6", ">18", False),
        ("5", "<5.2", False),
        ("5", ">=5.2", True),
        ("18.6", "<=18", True),
        ("19", "about 19", False),
    ]
)
def test_versions_compare_by_their_numbers(version: str, condition: str, holds: bool) -> None:
    assert matches(version, condition) is holds
