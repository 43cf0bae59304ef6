"""`health: none`: a service is ready as soon as it runs, whatever its image checks."""

from __future__ import annotations

from devenv.render.bundle import Source
from devenv.render.compose import described
from devenv.render.kubernetes.objects import of_unit
from tests.table import each_row

from .stacks import editor, fingerprints, problems, stack

ONE = "name: a\nservices:\n  web: {{image: x, uses: [api]}}\n  api: {{image: x, port: 80{}}}\n"
SOURCE = Source()


@each_row(["none", "false", '"none"', "False"])
def test_nothing_is_waited_for_but_that_it_runs(written: str) -> None:
    app = stack(ONE.format(f", health: {written}"))
    api = app.unit("api")
    assert api.probe is None
    spec = described(app, api, SOURCE)
    assert spec["healthcheck"] == {"disable": True}
    assert described(app, app.unit("web"), SOURCE)["depends_on"] == {"api": {"condition": "service_started"}}
    container = of_unit(app, api, SOURCE)[-1]["spec"]["template"]["spec"]["containers"][0]
    assert "startupProbe" not in container
    assert "readinessProbe" not in container


def test_a_service_without_a_word_of_it_still_has_the_check_of_its_port_or_image() -> None:
    app = stack(ONE.format(""))
    assert described(app, app.unit("api"), SOURCE)["healthcheck"]["test"]
    assert "healthcheck" not in described(app, app.unit("web"), SOURCE)


def test_its_container_is_made_anew_when_its_check_goes() -> None:
    portless = "name: a\nservices:\n  api: {{image: x{}}}\n"
    before, after = (fingerprints(stack(portless.format(text)))["api"] for text in ("", ", health: none"))
    assert before != after


@each_row(
    [
        ("true", "4:29: services.api.health: expected text, found true - put it in quotes"),
        ("{}", "4:29: services.api.health: needs one of http, tcp, grpc, exec, and has none"),
        ("{httpp: /}", '4:38: services.api.health.httpp: unknown key - did you mean "http"?'),
    ]
)
def test_anything_else_is_judged_as_before(written: str, expected: str) -> None:
    assert problems(ONE.format(f", health: {written}"))[0] == expected


@each_row([("none", True), (False, True), ("/ready", True), (True, False), (3, False)])
def test_editors_know_it(value: object, valid: bool) -> None:
    manifest = {"services": {"api": {"image": "x", "health": value}}}
    assert editor().is_valid(manifest) is valid
