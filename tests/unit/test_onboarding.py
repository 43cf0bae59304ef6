"""The way of a fresh clone to its first green: what is asked, what it took, what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.engine import onboarding
from devenv.engine.onboarding import Journey
from devenv.envfiles import read_env
from devenv.manifest.fields import Request
from devenv.plan.onboarding import Passport, port_of, report, seeds, shown
from devenv.workspace import Workspace
from tests.table import each_row
from tests.unit.stacks import problems, stack

SHOP = """
name: shop
services:
  api: {image: "api:1", port: 80, publish: 18080, route: /api, secrets: [KEY]}
  side: {image: "side:1"}
jobs:
  seed: {image: "seed:1", manual: true}
  seed-more: {image: "seed:1", manual: true}
  seedling: {image: "seed:1", manual: true}
  seed-always: {image: "seed:1"}
"""


@each_row(
    [
        ("/api", Request("/api")),
        ("GET /api/orders 200", Request("/api/orders")),
        ("POST /api/orders?x=1 201", Request("/api/orders?x=1", "POST", 201)),
        ("DELETE orders/1 404", Request("/1", "DELETE", 404, "orders")),
    ]
)
def test_a_request_as_people_write_it(text: str, request_: Request) -> None:
    assert Request.read(text) == request_
    assert Request.read(str(request_)) == request_


@each_row(
    {
        "fine": ("smoke: [GET /api 200, api/health]\nsecrets: {KEY: {ask: the vault}}", []),
        "no request": ("smoke: [fetch it]", ['smoke[0]: is not a request - write "GET /api/orders 200"']),
        "no text": ("smoke: [7]", ['smoke[0]: is not a request - write "GET /api/orders 200"']),
        "no service": ("smoke: [GET apu/ 200]", ['smoke[0]: no service "apu" - did you mean "api"?']),
        "no port": ("smoke: [side/]", ["smoke[0]: side has no port to ask - add port: to services.side"]),
        "no source": ("secrets: {KEY: {}}", ["secrets.KEY.ask: is missing"]),
    }
)
def test_a_manifest_with_requests(text: str, expected: list[str]) -> None:
    assert [line.partition(" ")[2] for line in problems(SHOP + text)] == expected


def test_without_a_gateway_a_request_names_a_service() -> None:
    (problem,) = problems("name: shop\nservices: {api: {image: x, port: 80}}\nsmoke: [/]")
    assert problem.endswith("smoke[0]: nothing has a route, so there is no gateway to ask - write NAME/path")


def test_only_jobs_that_are_started_by_hand_and_called_so_are_seeds() -> None:
    assert [unit.name for unit in seeds(stack(SHOP))] == ["seed", "seed-more"]


def test_requests_go_to_the_gateway_or_past_it() -> None:
    shop = stack(SHOP)
    assert [port_of(Request.read(text), shop) for text in ("/api", "api/", "side/")] == [8000, 18080, 0]


@each_row([(8.44, "8.4 s"), (59.4, "59.4 s"), (59.6, "1 min 0 s"), (372.2, "6 min 12 s")])
def test_times_for_people(seconds: float, text: str) -> None:
    assert shown(seconds) == text


def test_a_passport_sums_all_attempts_and_outlives_a_step_that_fails(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "devenv.yaml")
    journey = Journey(space)
    with journey.step("doctor"):
        pass
    with pytest.raises(KeyboardInterrupt), journey.step("up"):
        raise KeyboardInterrupt
    again = Journey(space)
    assert (again.passport, again.passport.done) == (journey.passport, ("doctor",))
    assert set(again.passport.seconds) == {"doctor", "up"}
    assert Passport({"up": 2.0}).spent("up", 3.0, done=True) == Passport({"up": 5.0}, ("up",))
    green = Passport({"smoke": 1.0}, ("smoke",))
    assert green.spent("up", 3.0, done=True) == green


@each_row(["", "{", "[]", '{"seconds": {"up": "x"}, "done": []}', '{"seconds": 1, "done": 2}'])
def test_a_broken_passport_is_a_new_one(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        space = Workspace(Path(folder) / "devenv.yaml")
        space.write({onboarding.FILE: text})
        assert Journey(space).passport == Passport()


@each_row(["plain", "with 'quotes' and \\ and $HOME and #", 'say "hi"', " space "])
def test_a_secret_is_kept_as_it_was_typed_and_for_nobody_else(value: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        space = Workspace(Path(folder) / "devenv.yaml")
        (space.root / ".env").write_text("OTHER=1")
        onboarding.keep(space, "KEY", value)
        assert read_env(space.root / ".env") == {"OTHER": "1", "KEY": value}
        assert (space.root / ".env").stat().st_mode & 0o777 == 0o600


def test_the_page_for_a_team() -> None:
    page = report(
        stack(SHOP),
        Passport({"up": 60.0, "doctor": 1.24}),
        ["GET /api  200 OK"],
        {"api": "http://localhost:1/"},
    )
    assert (
        page
        == """\
# shop: first green in 1 min 1 s

| step | took |
|---|---|
| doctor | 1.2 s |
| up | 1 min 0 s |

## Requests

- `GET /api  200 OK`

## Pages

- api: <http://localhost:1/>
"""
    )
