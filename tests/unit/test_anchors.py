"""Anchors, aliases and merges: as in a Compose file, with one problem for one mistake, at its own place."""

from __future__ import annotations

from tests.table import each_row

from .stacks import manifest, problems, unit

SHARED = """\
name: shop
x-env: &env
  LEVEL: debug
  EMPTY:
x-base: &base
  image: a:1
  comand: run
services:
"""
USERS = "".join(f"  {name}: {{<<: *base, env: *env}}\n" for name in ("a", "b", "c", "d", "e"))


def test_a_mistake_in_an_anchor_is_reported_once_at_its_place() -> None:
    assert problems(SHARED + USERS) == [
        "4:3: services.a.env.EMPTY: has no value, in 5 places"
        ' - write ${env.EMPTY} for this machine\'s, or "" if it is to be empty',
        '7:3: services.a.comand: unknown key, in 5 places - did you mean "command"?',
    ]


def test_different_mistakes_at_one_place_are_both_reported() -> None:
    text = "name: shop\nservices: {a: {image: a:1}}\nenvironments: {test: {context: c, charts: {x: {}}}}\n"
    assert problems(text) == [
        "3:44: environments.test.charts.x.chart: is missing",
        "3:44: environments.test.charts.x.version: is missing",
    ]


MERGES = {  # how a service is written -> its variable
    "<<: *one": "1",
    "<<: [*one, *two]": "1",
    "<<: [*two, *one]": "2",
    "<<: [*two, *one]\n    env: {A: own}": "own",
    "env: {A: own}\n    <<: [*two, *one]": "own",
}


@each_row(MERGES.items())
def test_the_first_of_several_merges_wins_and_own_keys_win_over_all(lines: str, value: str) -> None:
    text = f"""\
name: shop
x-one: &one {{image: a:1, env: {{A: "1"}}}}
x-two: &two {{image: a:1, env: {{A: "2"}}}}
services:
  api:
    {lines}
"""
    assert dict(unit(text, "api").env)["A"] == value


PLACES = {
    "<<: [*one, *two]": "2:28: services.api.port: ",
    "<<: [*two, *one]": "3:28: services.api.port: ",
    "<<: [*one, *two]\n    port: own": "8:5: services.api.port: ",
    "port: own\n    <<: [*one, *two]": "7:5: services.api.port: ",
    "<<: *list\n    port: 80\n    route: [/x, 2]": "9:17: services.api.route[1]: ",
}


@each_row(PLACES.items())
def test_a_problem_is_where_the_value_that_counts_is_written(lines: str, place: str) -> None:
    text = f"""\
name: shop
x-one: &one {{image: "a:1", port: one}}
x-two: &two {{image: "a:1", port: two}}
x-list: &list {{image: "a:1", route: [1, 2]}}
services:
  api:
    {lines}
"""
    (problem,) = problems(text)
    assert problem.startswith(place)


def test_keys_of_ones_own_are_ignored_wherever_compose_ignores_them() -> None:
    text = """\
name: shop
x-team: tea
services:
  api: {image: a:1, x-owner: me, port: 80, health: {http: /, x-note: y}}
infra:
  postgres: {x-note: z}
"""
    assert manifest(text).services["api"].image == "a:1"
