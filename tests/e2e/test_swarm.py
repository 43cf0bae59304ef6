"""A stack on a swarm of one node, from the files of `devenv render --swarm` and Docker's own commands alone.

The kernels of test machines lack IPVS, on which a swarm's virtual addresses and its ingress stand: the manifest asks
for names that lead to the tasks themselves, and for a port of the node.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from .checkout import Checkout, eventually
from .ownengine import OwnEngine, needs_own_engine

pytestmark = [pytest.mark.engine, pytest.mark.long]

NODE = "10.77.0.1"
PREPARE = (
    "mount -t tmpfs tmpfs data; ip link set lo up; ip link add node type bridge; "
    f"ip addr add {NODE}/24 dev node; ip link set node up"
)
STACK = """
    services:
      web:
        image: busybox:1.37
        port: 8000
        entrypoint: []
        command: [sh, -c, 'mkdir /w; cp /etc/page.txt /w/page; echo "$WORD" >/w/word; exec httpd -f -p 8000 -h /w']
        route: {path: /web, strip: true, plugins: [key-auth]}
        secrets: [WORD]
        files: {/etc/page.txt: ./page.txt}
        grace: 1s
        compose: &direct {deploy: {endpoint_mode: dnsrr}}
    jobs:
      warm: {image: "busybox:1.37", uses: [web], command: wget -qO /dev/null http://web:8000/page}
      seed: {image: "busybox:1.37", manual: true, command: "true", volumes: {kept: /kept}}
    infra:
      kong: {compose: {<<: *direct, ports: !override [{target: 8000, published: 8000, mode: host}]}}
    gateway:
      consumers: {ann: {key: "${secret.KEY}"}}
"""
IMAGES = ("busybox:1.37", "kong:3.9.3")
KEY = 'k"e\\y'


@pytest.fixture
def swarm() -> Iterator[OwnEngine]:
    with (
        tempfile.TemporaryDirectory() as folder,
        OwnEngine(Path(folder), prepare=PREPARE, options=()) as own,
    ):
        with subprocess.Popen(["docker", "save", *IMAGES], stdout=subprocess.PIPE) as saved:
            load = ["docker", "--host", own.address, "load"]
            subprocess.run(load, stdin=saved.stdout, capture_output=True, check=True)
        own.client.swarm.init(advertise_addr=NODE, listen_addr=f"{NODE}:2377")
        yield own


@needs_own_engine
def test_a_swarm_serves_the_routes(swarm: OwnEngine, environment: Mapping[str, str], tmp_path: Path) -> None:
    app = Checkout(tmp_path, "swarmed", swarm.client, {**environment, "DOCKER_HOST": swarm.address})
    app.write("page.txt", "a page")
    app.manifest(STACK)
    assert app.devenv("render", "--swarm", "out").stdout == "out\n"
    app.environment = {**app.environment, "DEVENV_SECRET_WORD": "sesame"}
    swarm.client.secrets.create(name="swarmed-KEY.json", data=json.dumps(KEY)[1:-1])
    app.host("docker", "stack", "deploy", "-c", "out/stack.yaml", "--resolve-image", "never", "swarmed")

    def page(name: str) -> str:
        return swarm.inside("curl", "-s", "-H", f"apikey: {KEY}", f"http://{NODE}:8000/web/{name}").stdout

    eventually(lambda: page("page") == "a page", "the page", within=60)
    assert page("word") == "sesame\n"
    refused = swarm.inside("curl", "-s", "-w", "%{http_code}", f"http://{NODE}:8000/web/page").stdout
    assert refused.endswith("401")

    def states(name: str) -> set[str]:
        (job,) = swarm.client.services.list(filters={"name": f"swarmed_{name}"})
        return {task["Status"]["State"] for task in job.tasks()}

    eventually(lambda: "complete" in states("warm"), "the job", within=30)
    assert states("seed") == set()
    (node,) = swarm.client.nodes.list()
    node.update({**node.attrs["Spec"], "Labels": {"devenv.data": "true"}})
    app.host("docker", "service", "scale", "-d", "swarmed_seed=1")
    eventually(lambda: "complete" in states("seed"), "the job by hand", within=30)
