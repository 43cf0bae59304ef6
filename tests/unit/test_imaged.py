"""What an image says of itself decides how its unit is started and checked, on every backend that has images."""

from __future__ import annotations

from typing import Any

import yaml

from devenv.render import renderer
from devenv.render.bundle import Source
from devenv.render.compose import as_image as on_compose
from devenv.render.kubernetes.pod import as_image as on_kubernetes
from devenv.stack.imaged import Declared, runs_its_words, with_image, with_images
from devenv.stack.model import Probe, Stack
from tests import documents
from tests.table import each_row

from .stacks import fingerprints, stack, unit

SECOND = 10**9
CHECK = {"Test": ["CMD-SHELL", "test -e /tmp/ready"], "Interval": 10 * SECOND, "StartPeriod": 20 * SECOND}
CONFIG = {
    "User": "1234:5678",
    "Entrypoint": ["/srv/tool"],
    "Cmd": ["serve"],
    "Healthcheck": CHECK,
    "ExposedPorts": {"8000/tcp": {}, "53/udp": {}, "9000": {}},
    "Volumes": {"/data": {}},
    "Labels": {"a": "b"},
}
READY = Probe(
    "exec", command=("sh", "-c", "test -e /tmp/ready"), every=2.0, timeout=30.0, within=50.0, of_image=True
)


def declared(**config: Any) -> Declared:
    return Declared.of({"Config": config})


def test_what_an_image_says_is_read_from_what_the_engine_knows_of_it() -> None:
    assert Declared.of({"Config": CONFIG}) == Declared(
        "1234:5678", ("/srv/tool",), ("serve",), READY, (8000, 9000), ("/data",), (("a", "b"),)
    )
    assert Declared.of({}) == Declared.of({"Config": {"Entrypoint": None, "User": ""}}) == Declared()
    assert declared(ExposedPorts={"8000-8002/tcp": {}, "8001": {}, "5-4": {}, "x": {}}).ports == (
        8000,
        8001,
        8002,
    )
    assert declared(Healthcheck={"Test": ["NONE"]}).check is None
    assert declared(Healthcheck={"Test": []}).check is None
    exact = declared(Healthcheck={"Test": ["CMD", "/ok"], "Retries": 1, "Interval": SECOND}).check
    assert exact == Probe("exec", command=("/ok",), every=1.0, timeout=30.0, within=5.0, of_image=True)


RUNS = {
    "nothing": ((), True),
    "tini": (("/usr/bin/tini", "--"), True),
    "tini with options": (("tini", "-g", "--"), True),
    "tini and a program": (("tini", "--", "jupyter"), False),
    "dumb-init": (("dumb-init",), True),
    "an official script": (("docker-entrypoint.sh",), True),
    "a script": (("/srv/start.sh",), True),
    "a script by a shell": (("sh", "/srv/entrypoint"), True),
    "a shell": (("/bin/bash", "-c"), True),
    "a program": (("/srv/tool",), False),
    "an interpreter": (("python", "-m", "app"), False),
}


@each_row(RUNS)
def test_a_script_before_a_program_is_told_from_the_program(entrypoint: tuple[str, ...], runs: bool) -> None:
    assert runs_its_words(entrypoint) is runs


TOOL = ("/srv/tool",)
LINES = {
    "no sign": ("serve --port 80", TOOL, None, ("serve", "--port", "80")),
    "a URL": ("serve http://x/?a=1&b=2#c", TOOL, None, ("serve", "http://x/?a=1&b=2#c")),
    "an expression": ("match (a|b)* 'c d'", ("sh", "/x"), None, ("sh", "-c", "match (a|b)* 'c d'")),
    "a quoted expression": ("match '(a|b)*'", TOOL, None, ("match", "(a|b)*")),
    "a star": ("ls *.py", TOOL, None, ("ls", "*.py")),
    "a variable": ("serve --port $PORT", TOOL, ("sh", "-c", "exec /srv/tool serve --port $PORT"), ()),
    "a variable in quotes": ('serve "$A b"', TOOL, ("sh", "-c", 'exec /srv/tool serve "$A b"'), ()),
    "a dollar in single quotes": ("serve '$A'", TOOL, None, ("serve", "$A")),
    "a variable in a URL": ("get $H/?a=1&b=2", TOOL, ("sh", "-c", "exec /srv/tool get $H/\\?a=1\\&b=2"), ()),
    "two commands": ("migrate && serve", TOOL, ("sh", "-c", "migrate && serve"), ()),
    "a pipe": ("serve | tee /log", TOOL, ("sh", "-c", "serve | tee /log"), ()),
    "a script": ("a\nb", TOOL, ("sh", "-c", "a\nb"), ()),
    "no ENTRYPOINT": ("serve --port $PORT", (), None, ("sh", "-c", "serve --port $PORT")),
    "a script before it": ("a && b", ("entrypoint.sh",), None, ("sh", "-c", "a && b")),
    "an interpreter": ("-m app $PORT", ("python",), ("sh", "-c", "exec python -m app $PORT"), ()),
}


@each_row(LINES)
def test_a_line_becomes_words_that_the_entrypoint_takes(
    line: str, entrypoint: tuple[str, ...], before: Any, words: tuple[str, ...]
) -> None:
    text = {"name": "shop", "services": {"api": {"image": "api:1", "command": line}}}
    own = unit(yaml.safe_dump(text), "api")
    imaged = with_image(own, Declared(entrypoint=entrypoint))
    assert (imaged.entrypoint, imaged.command) == (before, words)


def test_words_that_are_a_list_and_an_entrypoint_of_the_manifest_are_left_alone() -> None:
    for manifest in (
        '{name: shop, services: {api: {image: api, command: [sh, -c, "serve $PORT"]}}}',
        "{name: shop, services: {api: {image: api, entrypoint: /run.sh, command: serve $PORT}}}",
    ):
        own = unit(manifest, "api")
        imaged = with_image(own, Declared(entrypoint=TOOL))
        assert (imaged.entrypoint, imaged.command) == (own.entrypoint, own.command)


MANIFEST = """
    name: shop
    services:
      api: {image: "api:1", port: 80, command: serve --port $PORT}
      asked: {image: "api:1", port: 80, health: /ok}
      user: {image: "user:1", uses: [api]}
    jobs:
      once: {image: "api:1"}
"""


def imaged() -> Stack:
    return with_images(stack(MANIFEST), {"api:1": Declared.of({"Config": CONFIG})})


def rendered(app: Stack, backend: str) -> dict[str, Any]:
    """The services, or the pods by their unit."""
    bundle = renderer(backend).render(app, Source(fingerprints=fingerprints(stack(MANIFEST))))
    if backend == "compose":
        return dict(documents.load(bundle.files["compose.yaml"])["services"])
    objects = documents.load_all(bundle.files["stack.yaml"])
    return {item["metadata"]["name"]: item for item in objects if "template" in item.get("spec", {})}


def test_the_check_of_an_image_counts_where_the_manifest_says_nothing() -> None:
    app = imaged()
    assert app.unit("api").probe == READY
    assert app.unit("asked").probe == stack(MANIFEST).unit("asked").probe
    assert app.unit("once").probe is None
    assert "HEALTHCHECK of the image" in READY.shown
    services = rendered(app, "compose")
    assert services["api"]["healthcheck"]["test"] == ["CMD", "sh", "-c", "test -e /tmp/ready"]
    assert services["api"]["labels"]["devenv.dev/probe"] == "exec:0"
    assert services["user"]["depends_on"] == {"api": {"condition": "service_healthy"}}
    pod = rendered(app, "kubernetes")["api"]["spec"]["template"]["spec"]["containers"][0]
    assert pod["readinessProbe"]["exec"] == {"command": ["sh", "-c", "test -e /tmp/ready"]}
    assert pod["startupProbe"]["failureThreshold"] == 25


def test_an_image_with_a_number_for_its_user_gets_no_way_to_become_another() -> None:
    pods = rendered(imaged(), "kubernetes")
    for name, ours in (("api", True), ("once", True), ("user", False)):
        spec = pods[name]["spec"]["template"]["spec"]
        capabilities = spec["containers"][0]["securityContext"]["capabilities"]
        assert ("add" not in capabilities) is ours
        assert spec["securityContext"].get("runAsNonRoot", False) is ours


def test_an_image_that_is_only_known_later_leads_to_the_same() -> None:
    bare, app = stack(MANIFEST), imaged()
    early = rendered(app, "compose")["api"]
    late = rendered(bare, "compose")["api"]
    changes = on_compose(bare.unit("api"), late, app.unit("api"))
    labels = late["labels"] | changes.pop("labels")
    assert {**late, **changes, "labels": labels} == early
    workload = rendered(bare, "kubernetes")["api"]
    assert (
        on_kubernetes(bare.unit("api"), workload, app.unit("api"))["spec"]["template"]["spec"]
        == rendered(app, "kubernetes")["api"]["spec"]["template"]["spec"]
    )


def test_a_fragment_of_the_user_goes_before_what_the_image_says() -> None:
    manifest = """
        name: shop
        services:
          api:
            image: api:1
            command: serve --port $PORT
            compose: {command: [mine]}
            kubernetes:
              Deployment:
                spec: {template: {spec: {containers: [{name: api, args: [mine], readinessProbe: {}}]}}}
    """
    bare = stack(manifest)
    app = with_images(bare, {"api:1": Declared.of({"Config": CONFIG})})
    service = rendered(bare, "compose")["api"]
    changes = on_compose(bare.unit("api"), service, app.unit("api"))
    assert changes.keys() == {"healthcheck", "labels"}
    workload = on_kubernetes(bare.unit("api"), rendered(bare, "kubernetes")["api"], app.unit("api"))
    container = workload["spec"]["template"]["spec"]["containers"][0]
    assert (container["args"], "command" in container, container["readinessProbe"]) == (["mine"], False, {})
