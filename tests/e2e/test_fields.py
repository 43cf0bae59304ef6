"""An application in another style: every field of the manifest arrives in its container."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import docker
import pytest

from tests.serving import free_port

from .checkout import Checkout, Container
from .conftest import making

pytestmark = pytest.mark.engine

MANIFEST = """
    namespace: warehouse

    services:
      gate:                             # another Dockerfile, arguments, a stage that is not the last
        build:
          context: ./gate
          dockerfile: Gate.dockerfile
          target: small
          args: {COLOUR: green, STACK: "${stack.name}"}
        entrypoint: [/bin/httpd, -f]
        command: [-p, "80", -h, /srv]
        ports: {http: 80, metrics: 81}
        publish: {http: HTTP_PORT}
        health: {http: /colour.txt, every: 100ms, timeout: 1s, within: 20s}
        uses: [echo]
        env: {LEVEL: debug, RATIO: 0.50, ON: true, SELF: "${gate.url}", OUTSIDE: "${gate.public_url}"}
        grace: 7s
        resources: {cpu: 250m, memory: 48Mi}
        files: {/etc/gate.ini: ./gate.ini, /run/secrets/key: {secret: KEY}}
        volumes: {state: /var/lib/gate}
        replicas: 3
        compose: {ulimits: {nofile: 4096}, cap_add: [NET_ADMIN], labels: {team: doors}}
        kubernetes: {Deployment: {spec: {minReadySeconds: 3}}}

      echo:                             # raw TCP
        image: node:24-slim
        command: [node, -e, 'require("net").createServer(one => one.pipe(one)).listen(90)']
        port: 90

      clock:                            # no port, no shell words
        image: python:3.13-slim
        command: ["python", "-u", "-c", "import os, time; print(os.environ['GATE_URL']); time.sleep(900)"]
        uses: [gate]
        ulimits: {nofile: {soft: 4096, hard: 8192}}
        sysctls: {net.core.somaxconn: 77}
        hosts: {old.lan: 10.0.0.5, this.lan: host-gateway}
        no_new_privileges: true
        host_paths: {/of/this/machine: /etc/hostname, /tmp/shared: {path: ../outside, write: true}}

      front:                            # Node, reached from outside under no path
        image: node:24-slim
        command: node /app/front.js
        files: {/app/front.js: ./front.js}
        port: 83
        uses: [gate]

    jobs:
      stock:
        like: gate
        entrypoint: [sh, -c]
        command: [echo stocked with $LEVEL on $(cat /srv/colour.txt) >/data/report]
        env: {LEVEL: info}
        volumes: {data: /data}
      count: {image: "busybox:1.37", command: 'echo counted by $WHO; exit 5', env: {WHO: hand}, manual: true}
"""


@pytest.fixture(scope="module")
def warehouse(
    tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient, environment: Mapping[str, str]
):
    """The application, up."""
    port = free_port()
    with making(tmp_path_factory.mktemp("fields"), engine, environment) as make:
        checkout = make("warehouse")
        checkout.write("gate.ini", "open = yes\n")
        checkout.write(
            "front.js",
            """\
            require("http").createServer((request, response) =>
              fetch(process.env.GATE_URL + "/colour.txt")
                .then(colour => colour.text())
                .then(colour => response.end("front: " + colour))
            ).listen(process.env.PORT)
            """,
        )
        checkout.write(
            "gate/Gate.dockerfile",
            """\
            FROM busybox:1.37 AS small
            ARG COLOUR
            ARG STACK
            RUN mkdir /srv && echo "$COLOUR $STACK" >/srv/colour.txt
            FROM small
            RUN echo wrong >/srv/colour.txt
            """,
        )
        checkout.write(".env", "KEY=open sesame\n")
        checkout.manifest(MANIFEST.replace("HTTP_PORT", str(port)))
        ended = checkout.devenv("up", "-d")
        checkout.up_said = ended.stderr
        checkout.http_port = port
        yield checkout


@pytest.fixture(scope="module")
def gate(warehouse: Checkout) -> Container:
    """The container of the service that has every field."""
    return warehouse.units()["gate"]


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


def test_everything_that_is_not_manual_is_up(warehouse: Checkout) -> None:
    assert warehouse.running() == {"gate", "echo", "clock", "front"}
    assert set(warehouse.units()) == {"gate", "echo", "clock", "front", "stock"}


def test_the_image_is_of_the_named_dockerfile_stage_and_arguments(warehouse: Checkout) -> None:
    assert warehouse.inside("gate", "cat", "/srv/colour.txt") == f"green {warehouse.name}\n"


def test_entrypoint_and_command_are_the_manifests(gate: Container) -> None:
    assert gate.raw["Config"]["Entrypoint"] == ["/bin/httpd", "-f"]
    assert gate.raw["Config"]["Cmd"] == ["-p", "80", "-h", "/srv"]


def test_environment_is_written_injected_and_filled_in(warehouse: Checkout, gate: Container) -> None:
    wanted = {
        "LEVEL": "debug",
        "RATIO": "0.50",
        "ON": "true",
        "SELF": "http://gate:80",
        "OUTSIDE": f"http://localhost:{warehouse.http_port}",
        "PORT": "80",
        "ECHO_URL": "http://echo:90",
    }
    assert {key: gate.env.get(key) for key in wanted} == wanted
    assert warehouse.units()["clock"].env["GATE_URL"] == "http://gate:80"


def test_published_ports_are_the_written_one_and_an_allotted_one_on_this_machine_only(
    warehouse: Checkout, gate: Container
) -> None:
    bindings = gate.raw["HostConfig"]["PortBindings"]
    assert bindings["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(warehouse.http_port)}]
    assert [binding["HostIp"] for binding in bindings["81/tcp"]] == ["127.0.0.1"]
    assert get(f"http://localhost:{warehouse.http_port}/colour.txt").startswith("green")
    assert warehouse.port("gate", "metrics") == int(bindings["81/tcp"][0]["HostPort"])


def test_a_raw_tcp_service_answers_on_its_published_port(warehouse: Checkout) -> None:
    with socket.create_connection(("127.0.0.1", warehouse.port("echo")), timeout=5) as connection:
        connection.sendall(b"anybody there?\n")
        assert connection.recv(100) == b"anybody there?\n"


def test_a_service_reaches_another_over_the_injected_address(warehouse: Checkout) -> None:
    assert get(f"http://localhost:{warehouse.port('front')}").startswith("front: green")


@pytest.mark.parametrize(
    "address",
    ["gate", "gate.warehouse", "gate.warehouse.svc.cluster.local", "gate.default.svc.cluster.local"],
)
def test_the_addresses_of_kubernetes_answer_here_too(warehouse: Checkout, address: str) -> None:
    ask = f"import urllib.request as http; print(http.urlopen('http://{address}/colour.txt').read())"

    assert "green" in warehouse.inside("clock", "python", "-c", ask)


def test_limits_grace_and_health_are_the_manifests(gate: Container) -> None:
    host, config = gate.raw["HostConfig"], gate.raw["Config"]
    assert host["Memory"] == 48 * 1024**2
    assert host["NanoCpus"] == 250_000_000
    assert config["StopTimeout"] == 7
    health = config["Healthcheck"]
    assert (health["StartInterval"], health["Timeout"], health["StartPeriod"]) == (10**8, 10**9, 20 * 10**9)


def test_files_are_there_and_read_only(warehouse: Checkout, gate: Container) -> None:
    assert warehouse.inside("gate", "cat", "/etc/gate.ini") == "open = yes\n"
    assert warehouse.inside("gate", "cat", "/run/secrets/key") == "open sesame"
    written = {mount["Destination"]: mount["RW"] for mount in gate.raw["Mounts"]}
    assert written == {"/etc/gate.ini": False, "/run/secrets/key": False, "/var/lib/gate": True}


def test_a_changed_file_recreates_who_mounts_it(warehouse: Checkout) -> None:
    before = warehouse.lives()
    warehouse.write("gate.ini", "open = no\n")

    warehouse.devenv("up", "-d")

    after = warehouse.lives()
    assert {name for name in after if after[name] != before[name]} == {"gate", "stock"}
    assert warehouse.inside("gate", "cat", "/etc/gate.ini") == "open = no\n"


def test_volumes_outlive_their_containers(warehouse: Checkout) -> None:
    warehouse.inside("gate", "sh", "-c", "echo kept >/var/lib/gate/note")
    warehouse.devenv("down")
    warehouse.devenv("up", "-d")

    assert warehouse.inside("gate", "cat", "/var/lib/gate/note") == "kept\n"


def test_the_compose_fragment_is_merged_last(gate: Container) -> None:
    host = gate.raw["HostConfig"]
    assert host["Ulimits"] == [{"Name": "nofile", "Hard": 4096, "Soft": 4096}]
    assert host["CapAdd"] in (["NET_ADMIN"], ["CAP_NET_ADMIN"])
    assert gate.labels["team"] == "doors"
    assert gate.labels["devenv.dev/unit"] == "gate"


def test_a_container_has_what_is_of_the_machine_below(warehouse: Checkout) -> None:
    say = """
import os, pathlib, socket
status = pathlib.Path("/proc/self/status").read_text()
pathlib.Path("/tmp/shared/note").write_text("from within")
# Of the container's own process: in one that joins it, runc and its Go set the limit at the same time.
limits = pathlib.Path("/proc/1/limits").read_text().partition("Max open files")[2].split()[:2]
print(*limits, pathlib.Path("/proc/sys/net/core/somaxconn").read_text().strip(),
      socket.gethostbyname("old.lan"), socket.gethostbyname("this.lan") != "10.0.0.5", "NoNewPrivs:\\t1" in status,
      bool(os.statvfs("/of/this/machine").f_flag & os.ST_RDONLY), pathlib.Path("/of/this/machine").read_text())
"""
    said = warehouse.devenv("exec", "clock", "--", "python", "-c", say).stdout
    name = Path("/etc/hostname").read_text(encoding="utf-8").strip()
    assert said.split() == ["4096", "8192", "77", "10.0.0.5", "True", "True", "True", name]
    assert (warehouse.root.parent / "outside" / "note").read_text(encoding="utf-8") == "from within"


def test_a_field_that_compose_cannot_honour_is_reported(warehouse: Checkout) -> None:
    assert "services.gate.kubernetes does nothing on compose" in warehouse.up_said
    assert "services.gate.replicas" in warehouse.devenv("plan", "--parity").stdout


def test_a_job_like_a_service_has_its_image_and_its_own_environment(warehouse: Checkout) -> None:
    report = warehouse.devenv("run", "stock", "cat /data/report").stdout

    assert report == f"stocked with info on green {warehouse.name}\n"


def test_a_manual_job_runs_when_asked_and_its_exit_code_is_ours(warehouse: Checkout) -> None:
    ended = warehouse.devenv("run", "count", exits=5)

    assert ended.stdout == "counted by hand\n"
    assert "count" not in warehouse.units()


def test_a_one_off_command_runs_in_a_services_image_beside_it(warehouse: Checkout) -> None:
    before = warehouse.lives()

    output = warehouse.devenv("run", "clock", "--", "python", "-c", "print('beside it')").stdout

    assert output == "beside it\n"
    assert warehouse.lives() == before


def test_exec_takes_a_command_and_returns_its_exit_code(warehouse: Checkout) -> None:
    assert warehouse.devenv("exec", "gate", "--", "sh", "-c", "echo $LEVEL").stdout == "debug\n"
    warehouse.devenv("exec", "gate", "sh", "-c", "exit 42", exits=42)
    assert 'did you mean "gate"?' in warehouse.devenv("exec", "gat", "true", exits=2).stderr


def test_status_says_of_every_unit_how_it_is_and_where(warehouse: Checkout) -> None:
    status = warehouse.devenv("status", "--json").json
    units = {unit["name"]: unit for unit in status["units"]}

    assert (status["stack"], status["backend"]) == (warehouse.id, "compose")
    assert {name: unit["state"] for name, unit in units.items()} == {
        "gate": "healthy",
        "echo": "healthy",
        "front": "healthy",
        "clock": "running",
        "stock": "done",
    }
    assert units["gate"]["urls"] == [f"http://localhost:{warehouse.http_port}"]
    assert units["gate"]["ports"]["http"] == warehouse.http_port
    plain = warehouse.devenv("status").stdout
    assert all(name in plain for name in units)
