"""What there is to do, and why: the printed plan, word for word."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from textwrap import dedent

import pytest

from devenv.errors import UsageError
from devenv.plan.carrying import left_behind
from devenv.plan.model import Elsewhere, Observed, ObservedUnit, Op, Plan
from devenv.plan.notes import data_left, only_for_new_data
from devenv.plan.planner import Intent, Situation, plan_restart, plan_run, plan_up, wanted_images
from devenv.stack.fingerprints import differences, fingerprint
from devenv.stack.model import Stack
from tests.table import each_row

from .stacks import fingerprints, running, stack

SHOP = """
    name: shop
    services:
      web: {image: web:1, port: 80, uses: [orders]}
      orders: {build: ./orders, uses: [postgres, migrate]}
    jobs:
      migrate: {like: orders, command: migrate, uses: [postgres]}
      votes: {image: votes:1, manual: true, uses: [orders]}
"""


@cache
def shop(digest: str = "one") -> Stack:
    return stack(SHOP, builds={("./orders", "Dockerfile"): digest})


def planned(
    stack: Stack,
    observed: Observed,
    *names: str,
    changes: dict[str, str] | None = None,
    rebuild: bool = False,
) -> str:
    return str(
        plan_up(stack, situation(stack, observed, changes=changes or {}), Intent(names, rebuild=rebuild))
    )


def situation(stack: Stack, observed: Observed, **more: object) -> Situation:
    return Situation("compose", observed, fingerprints(stack), **more)  # type: ignore[arg-type]


def expect(text: str) -> str:
    return dedent(text).strip()


def observed_unit(name: str, **facts: object) -> ObservedUnit:
    return replace(running(shop()).units[name], **facts)  # type: ignore[arg-type]


def test_nothing_is_there() -> None:
    app = shop()
    image = app.unit("orders").image
    assert planned(app, Observed()) == expect(
        """
        [] -> #1 pull postgres:18.6 (not on this machine)
        [] -> #2 pull web:1 (not on this machine)
        [1,2] -> #3 prepare shop (network missing)
        [] -> #4 build migrate (not built yet)
        [3] -> #5 apply postgres (not found)
        [5] -> #6 wait postgres
        [4,6] -> #7 apply migrate (not found)
        [7] -> #8 wait migrate
        [8] -> #9 apply orders (not found)
        [9] -> #10 wait orders
        [10] -> #11 apply web (not found)
        [11] -> #12 wait web
        """
    )
    assert image == app.unit("migrate").image


def test_nothing_to_do_is_no_plan() -> None:
    assert planned(shop(), running(shop())) == ""


def test_changed_sources_rebuild_and_replace_what_is_built_from_them_and_nothing_else() -> None:
    app = shop("two")
    observed = replace(running(shop("one")), images=frozenset({"postgres:18.6", "web:1"}))
    changes = {app.unit("orders").image: "sources changed: main.py"}
    assert planned(app, observed, changes=changes) == expect(
        """
        [] -> #1 prepare shop (has steps to run)
        [] -> #2 build migrate (sources changed: main.py)
        [1,2] -> #3 apply migrate (image changed)
        [3] -> #4 wait migrate
        [4] -> #5 apply orders (image changed)
        [5] -> #6 wait orders
        """
    )


def test_what_differs_is_named() -> None:
    before = shop()
    after = stack(
        SHOP.replace("port: 80,", "port: 80, env: {A: b}, grace: 3s,"),
        builds={("./orders", "Dockerfile"): "one"},
    )
    assert planned(after, running(before)) == expect(
        """
        [] -> #1 prepare shop (has steps to run)
        [1] -> #2 apply web (env and settings changed)
        [2] -> #3 wait web
        """
    )


def store(options: str, **files: tuple[tuple[str, str], ...]) -> Stack:
    password = "" if "password" in options else "password: one, "
    text = f"name: shop\ninfra:\n  db: {{kind: postgres, seed: seed.sql, {password}{options}}}\n"
    return stack(text, files=files)


NEW_DATA = {
    "password: two": "env changed; password is set in the existing data",
    "database: two": "env changed; database is made in the existing data",
    "user: two": "env changed; user counts only for new data",
    "user: two, database: two": "env changed; database is made in the existing data; "
    "user counts only for new data",
    "env: {POSTGRES_INITDB_ARGS: -k}": "env changed; POSTGRES_INITDB_ARGS counts only for new data",
    "env: {PGTZ: UTC}": "env changed",
    "memory: 1Gi": "settings changed",
}


@each_row(NEW_DATA.items())
def test_what_counts_only_for_new_data_is_said(options: str, cause: str) -> None:
    before, after = store("password: one"), store(options)
    (line,) = [line for line in planned(after, running(before)).splitlines() if "apply db" in line]
    assert line.endswith(f"apply db ({cause})")


def test_a_changed_seed_counts_only_for_new_data_and_the_ways_out_are_said() -> None:
    before, after = (store("password: one", **{"seed.sql": (("seed.sql", digest),)}) for digest in "ab")
    assert "apply db (files changed; seed counts only for new data)" in planned(after, running(before))
    assert [*only_for_new_data(after, running(before), fingerprints(after))] == [
        "db has data: seed counts only for new data; set it back, or make all data anew: devenv down --volumes"
    ]
    empty = running(before, db=replace(running(before).units["db"], state="created"))
    assert [*only_for_new_data(after, empty, fingerprints(after))] == []


def test_half_made_data_goes_with_its_store_before_anything_is_made_anew() -> None:
    app = shop()
    half = replace(running(app).units["postgres"], id="c1", state="exited", exit_code=3, half_made=True)
    assert planned(app, running(app, postgres=half), "postgres") == expect("""
        [] -> #1 clear postgres (its first start did not finish: the data is half made)
        [1] -> #2 prepare shop (has steps to run)
        [2] -> #3 apply postgres (half-made data is made anew)
        [3] -> #4 wait postgres
    """)
    (step,) = plan_up(app, situation(app, running(app, postgres=half)), Intent()).of(Op.CLEAR)
    assert (step.target, step.id) == ("postgres", "c1")


def test_where_the_data_of_what_is_called_otherwise_now_stays_is_said() -> None:
    app = shop()
    gone = ObservedUnit("old", "c1", "running", stack=app.id, volumes=("shop-c0ffee_old-data",))
    renamed = ObservedUnit(
        "postgres", "c2", "running", stack="market-c0ffee", volumes=("market-c0ffee_postgres-data",)
    )
    kept = replace(running(app).units["postgres"], volumes=("shop-c0ffee_postgres-data",))
    assert [*data_left(app, running(app, old=gone, postgres=renamed))] == [
        "the data of postgres in market-c0ffee stays in market-c0ffee_postgres-data; "
        "devenv down --volumes removes it with all other",
        "the data of old stays in shop-c0ffee_old-data; devenv down --volumes removes it with all other",
    ]
    assert [*data_left(app, running(app, postgres=kept))] == []
    bare = replace(running(app).units["web"], volumes=("shop-c0ffee_web-data",))
    assert [*data_left(app, running(app, web=bare))] == [
        "the data of web stays in shop-c0ffee_web-data; devenv down --volumes removes it with all other"
    ]


def test_what_stopped_is_started_and_what_crashed_too() -> None:
    observed = running(
        shop(),
        web=observed_unit("web", state="exited"),
        orders=observed_unit("orders", state="exited", exit_code=3),
    )
    assert planned(shop(), observed) == expect(
        """
        [] -> #1 prepare shop (has steps to run)
        [1] -> #2 apply orders (failed with exit 3)
        [2] -> #3 wait orders
        [3] -> #4 apply web (stopped)
        [4] -> #5 wait web
        """
    )


def test_what_was_created_and_never_started_is_started() -> None:
    observed = running(shop(), web=observed_unit("web", state="created"))
    assert "apply web (not started)" in planned(shop(), observed)


def test_what_runs_but_is_not_healthy_is_waited_for() -> None:
    observed = running(shop(), postgres=observed_unit("postgres", healthy=False))
    assert planned(shop(), observed) == "[] -> #1 wait postgres (not healthy)"


def test_a_job_that_failed_runs_again_and_one_that_runs_is_waited_for() -> None:
    failed = running(shop(), migrate=observed_unit("migrate", exit_code=1))
    busy = running(shop(), migrate=observed_unit("migrate", state="running"))
    assert "apply migrate (failed with exit 1)" in planned(shop(), failed)
    assert planned(shop(), busy) == "[] -> #1 wait migrate (still running)"


def test_what_left_the_manifest_is_removed() -> None:
    observed = running(shop(), old=observed_unit("web", unit="old"))
    assert planned(shop(), observed) == "[] -> #1 remove old (not in the manifest any more)"


def test_the_second_container_of_a_unit_is_removed() -> None:
    observed = replace(running(shop()), strays=(observed_unit("web", id="c0ffee"),))
    assert planned(shop(), observed) == "[] -> #1 remove web (a duplicate of the unit)"


def test_ids_are_taken_as_they_are() -> None:
    observed = replace(running(shop()), strays=(observed_unit("web", id="shop/StatefulSet/web"),))
    (remove,) = plan_up(shop(), situation(shop(), observed), Intent())
    assert (remove.target, remove.id) == ("web", "shop/StatefulSet/web")


def test_a_paused_container_goes_on() -> None:
    observed = running(shop(), web=observed_unit("web", state="paused"))
    assert planned(shop(), observed).startswith(
        "[] -> #1 prepare shop (has steps to run)\n[1] -> #2 apply web (paused)"
    )


def test_a_renamed_stack_takes_the_place_of_the_old_one() -> None:
    only = "name: {}\nservices:\n  web: {{image: web:1}}\n"
    old, new = stack(only.format("old")), stack(only.format("new"))
    assert planned(new, running(old)) == expect(
        """
        [] -> #1 remove web (in old-c0ffee, where the stack was before)
        [1] -> #2 prepare new (has steps to run)
        [2] -> #3 apply web (not found)
        [3] -> #4 wait web
        """
    )


def test_a_stack_in_another_namespace_than_before_leaves_nothing_running_in_the_old_one() -> None:
    app = stack("name: shop\nnamespace: new\nservices:\n  web: {image: web:1, volumes: {data: /data}}\n")
    web = replace(running(app).units["web"], id="old/StatefulSet/web", volumes=("data-web-0",))
    before = replace(running(app, web=web), namespace="old")

    plan = plan_up(app, situation(app, before), Intent())

    assert str(plan) == expect(
        """
        [] -> #1 remove web (in the namespace old, where the stack was before)
        [1] -> #2 prepare shop (has steps to run)
        [2] -> #3 apply web (not found)
        [3] -> #4 wait web
        """
    )
    assert [step.id for step in plan.of(Op.REMOVE)] == ["old/StatefulSet/web"]
    assert [*data_left(app, before)] == [
        "the data of web in the namespace old stays in data-web-0; "
        "devenv down --volumes removes it with all other"
    ]
    assert planned(app, replace(before, namespace="new")) == ""


def test_named_units_come_with_all_they_use_and_nothing_more() -> None:
    plan = planned(shop(), Observed(images=running(shop()).images), "migrate")
    assert plan == expect(
        """
        [] -> #1 prepare shop (network missing)
        [1] -> #2 apply postgres (not found)
        [2] -> #3 wait postgres
        [3] -> #4 apply migrate (not found)
        [4] -> #5 wait migrate
        """
    )


def test_a_manual_job_runs_only_when_it_is_named() -> None:
    observed = running(shop())
    assert "votes" not in planned(shop(), observed)
    assert "apply votes (not found)" in planned(shop(), observed, "votes")


def test_a_rebuild_that_is_asked_for_replaces_what_is_built() -> None:
    assert planned(shop(), running(shop()), rebuild=True) == expect(
        """
        [] -> #1 prepare shop (has steps to run)
        [] -> #2 build migrate (asked for)
        [1,2] -> #3 apply migrate (rebuilt)
        [3] -> #4 wait migrate
        [4] -> #5 apply orders (rebuilt)
        [5] -> #6 wait orders
        """
    )


def test_preparing_creates_what_is_new_and_has_its_image() -> None:
    observed = Observed(images=frozenset({"postgres:18.6", "web:1"}))
    plan = plan_up(shop(), situation(shop(), observed), Intent())
    (prepare,) = [step for step in plan if step.op == "prepare"]
    assert prepare.units == ("postgres", "web")


def test_a_run_brings_up_what_the_unit_uses_and_only_makes_its_image() -> None:
    observed = replace(running(shop(), orders=None), images=frozenset({"postgres:18.6", "web:1"}))
    plan = plan_run(shop(), situation(shop(), observed), "votes")
    assert str(plan) == expect(
        """
        [] -> #1 pull votes:1 (not on this machine)
        [1] -> #2 prepare shop (has steps to run)
        [] -> #3 build orders (not built yet)
        [2,3] -> #4 apply orders (not found)
        [4] -> #5 wait orders
        """
    )


def test_a_run_with_everything_there_needs_nothing() -> None:
    assert str(plan_run(shop(), situation(shop(), running(shop())), "votes")) == ""


def test_a_tag_that_means_another_image_now_replaces_what_runs_the_old_one_if_it_is_here() -> None:
    app = stack("name: shop\nservices:\n  web: {image: web:1}\n  api: {build: ./api}\n")
    units = running(app).units
    observed = running(app, **{name: replace(unit, image_moved=True) for name, unit in units.items()})

    assert planned(app, observed) == expect(
        """
        [] -> #1 prepare shop (has steps to run)
        [1] -> #2 apply web (web:1 is another image now)
        [2] -> #3 wait web
        """
    )
    assert "web:1" in wanted_images(app, situation(app, replace(observed, images=frozenset())), Intent())
    assert planned(app, replace(observed, images=frozenset())) == ""


def test_an_image_that_nodes_have_from_before_is_brought_to_them_again() -> None:
    app = stack("name: shop\nservices:\n  web: {image: web:1}\n  api: {build: ./api}\n")
    units = running(app).units
    observed = running(app, **{name: replace(unit, image_outdated=True) for name, unit in units.items()})

    assert planned(app, observed) == expect(
        """
        [] -> #1 pull web:1 (this machine has another image of that name)
        [1] -> #2 prepare shop (has steps to run)
        [2] -> #3 apply web (web:1 is another image now)
        [3] -> #4 wait web
        """
    )


def test_a_unit_restarts_once_what_it_needs_is_back() -> None:
    app = stack(
        """
        name: shop
        services:
          api: {image: api:1, uses: [migrate]}
          other: {image: other:1}
        jobs:
          migrate: {image: migrate:1, uses: [valkey]}
        """
    )
    units = running(app).units
    all_three = [units[name] for name in ("api", "other", "valkey")]

    assert str(plan_restart(app, all_three)) == expect(
        """
        [] -> #1 restart valkey (asked for)
        [1] -> #2 wait valkey
        [2] -> #3 restart api (asked for)
        [3] -> #4 wait api
        [] -> #5 restart other (asked for)
        [5] -> #6 wait other
        """
    )
    assert [step.id for step in plan_restart(app, [units["api"]]).of(Op.RESTART)] == ["id-api"]
    assert str(plan_restart(app, [ObservedUnit("old", "1", "running")])) == ""


STALE = {
    "another image": ("image: y", "image"),
    "a command": ("image: x, command: run", "command"),
    "an entrypoint": ("image: x, entrypoint: run", "command"),
    "a variable": ("image: x, env: {A: b}", "env"),
    "the name of a secret": ("image: x, secrets: [KEY]", "env"),
    "what is used": ("image: x, uses: [valkey]", "env"),
    "another port": ("image: x, port: 8080", "ports health env"),
    "another host port": ("image: x, port: 80, publish: 8080", "ports health env"),
    "a probe": ("image: x, health: {exec: up}", "health"),
    "a volume": ("image: x, volumes: {d: /d}", "volumes"),
    "a file": ("image: x, files: {/a: ./a}", "files"),
    "memory": ("image: x, resources: {memory: 1Gi}", "settings"),
    "cpu": ("image: x, resources: {cpu: 1}", "settings"),
    "grace": ("image: x, grace: 3s", "settings"),
    "a fragment": ("image: x, compose: {ulimits: {nofile: 9}}", "settings"),
    "nothing": ("image: x", ""),
    "a fragment of another runtime": ("image: x, kubernetes: {Deployment: {spec: {}}}", ""),
    "replicas, of which one runs": ("image: x, replicas: 3", ""),
    "what waits": ("image: x, uses: [other]", ""),
    "the resources of none": ("image: x, resources: {}", ""),
}


@each_row(STALE.values())
def test_what_makes_a_container_stale_is_named(line: str, aspects: str) -> None:
    def print_of(line: str) -> str:
        text = f"name: a\nservices:\n  api: {{{line}}}\n  other: {{image: z}}\n"
        return fingerprints(stack(text))["api"]

    assert set(differences(print_of("image: x"), print_of(line))) == set(aspects.split())


def test_what_changes_nothing_in_a_container_leaves_it_alone() -> None:
    def print_of(line: str) -> str:
        return fingerprint(stack(f"name: a\nservices:\n  api: {{image: x, {line}}}\n").unit("api"), {})

    assert print_of("port: 80") == print_of("port: 80, route: /x")
    assert print_of("env: {A: a, B: b}") == print_of("env: {B: b, A: a}")
    assert print_of("uses: [valkey, mailpit]") == print_of("uses: [mailpit, valkey]")


def test_the_content_of_a_file_and_of_an_image_count_and_not_when_they_were_written() -> None:
    def print_of(source: str, file: str) -> str:
        text = "name: a\nservices:\n  api: {build: ., files: {/a: ./a}}\n"
        app = stack(text, builds={(".", "Dockerfile"): source}, files={"./a": (("a", file),)})
        return fingerprint(app.unit("api"), {})

    assert differences(print_of("1", "1"), print_of("2", "1")) == ["image"]
    assert differences(print_of("1", "1"), print_of("1", "2")) == ["files"]
    assert print_of("1", "1") == print_of("1", "1")


def test_the_value_of_a_secret_counts_and_does_not_show() -> None:
    api = stack("name: a\nservices:\n  api: {image: x, secrets: [KEY]}\n").unit("api")
    before, after = (fingerprint(api, {"KEY": digest}) for digest in ("1", "2"))
    assert before != after
    assert fingerprint(api, {"KEY": "1", "OTHER": "x"}) == before


def test_a_new_value_of_a_key_reaches_the_gateway() -> None:
    kong = stack(
        "name: a\nservices:\n  api: {image: x, port: 80, route: /}\n"
        'gateway: {consumers: {me: {key: "${secret.KEY}"}}}\n'
    ).unit("kong")
    before, after = (fingerprint(kong, {"KEY": digest}) for digest in ("1", "2"))
    assert differences(before, after) == ["files"]


# -- other places, backends that are down, ports that lead nowhere


def test_a_backend_that_is_down_is_started_first() -> None:
    observed = Observed(down="the profile shop is not running", forwarded=frozenset())
    app = stack("name: shop\nservices:\n  web: {image: web:1, port: 80}\n")
    assert planned(app, observed) == expect(
        f"""
        [] -> #1 start compose (the profile shop is not running)
        [1] -> #2 pull web:1 (not on this machine)
        [2] -> #3 prepare shop (network missing)
        [3] -> #4 apply web (not found)
        [4] -> #5 wait web
        [3] -> #6 forward shop (no forward leads to {app.unit("web").ports[0].host})
        """
    )


def test_forwards_to_a_cluster_that_is_down_leave_their_ports_to_the_next_place() -> None:
    for ports, expected in {
        frozenset({8000}): "[] -> #1 leave minikube (the stack moves to compose; its data stays)",
        frozenset[int](): "",
    }.items():
        elsewhere = Elsewhere("minikube", Observed(down="not running", forwarded=ports))
        world = Situation("compose", Observed(), fingerprints(shop()), elsewhere=elsewhere)
        assert "\n".join(map(str, plan_up(shop(), world, Intent()).of(Op.LEAVE))) == expected


def test_what_runs_elsewhere_is_stopped_before_anything_takes_its_ports() -> None:
    elsewhere = Elsewhere("compose", running(shop()))
    plan = plan_up(shop(), Situation("kube", Observed(), fingerprints(shop()), elsewhere=elsewhere), Intent())
    (leave,) = plan.of(Op.LEAVE)
    assert str(leave) == "[] -> #1 leave compose (the stack moves to kube; its data stays)"
    (prepare,) = plan.of(Op.PREPARE)
    assert leave.number in prepare.after
    assert prepare.cause == "namespace missing"


def test_data_is_saved_before_the_other_place_is_left_and_loaded_before_anything_uses_it() -> None:
    elsewhere = Elsewhere("compose", running(shop()))
    world = Situation("kube", Observed(), fingerprints(shop()), elsewhere=elsewhere)
    text = str(plan_up(shop(), world, Intent(carry=True)))
    assert text.startswith(
        expect(
            """
            [] -> #1 save postgres (--with-data from compose)
            [1] -> #2 leave compose (the stack moves to kube; its data stays)
            """
        )
    )
    assert "wait postgres\n" in text
    load = next(line for line in text.splitlines() if "load postgres" in line)
    number = load.partition("#")[2].partition(" ")[0]
    migrate = next(line for line in text.splitlines() if "apply migrate" in line)
    assert number in migrate.partition("]")[0].strip("[").split(",")


def moved(wanted: str, ran: str) -> Plan:
    """RabbitMQ of these versions, taken from Compose to a cluster with its data."""
    text = "name: a\nservices: {web: {image: x, uses: [rabbitmq/orders]}}\ninfra: {rabbitmq: {version: %s}}\n"
    app, before = stack(text % json.dumps(wanted)), stack(text % json.dumps(ran))
    observed = running(before)
    units = {name: replace(unit, version=before.unit(name).version) for name, unit in observed.units.items()}
    elsewhere = Elsewhere("compose", replace(observed, units=units))
    return plan_up(
        app, Situation("kube", Observed(), fingerprints(app), elsewhere=elsewhere), Intent(carry=True)
    )


def test_a_store_that_was_stopped_for_its_data_is_waited_for_again_before_anything_uses_it() -> None:
    plan = moved("4.3.6", "4.2.0")
    (load,) = plan.of(Op.LOAD)
    waits = [step for step in plan.of(Op.WAIT) if step.target == "rabbitmq"]
    assert [wait.number in load.after for wait in waits] == [True, False]
    assert waits[1].after == (load.number,)
    (setup,) = (step for step in plan.of(Op.APPLY) if step.target == "rabbitmq-setup")
    assert waits[1].number in setup.after


def test_a_store_that_is_stopped_to_be_copied_is_carried_when_it_is_stopped_already() -> None:
    app = stack("name: a\nservices: {web: {image: x, uses: [rabbitmq, postgres]}}\n")
    observed = running(app)
    units = {name: replace(unit, state="exited") for name, unit in observed.units.items()}
    elsewhere = Elsewhere("compose", replace(observed, units=units))
    world = Situation("kube", Observed(), fingerprints(app), elsewhere=elsewhere)
    assert [step.target for step in plan_up(app, world, Intent(carry=True)).of(Op.SAVE)] == ["rabbitmq"]
    assert left_behind(app, elsewhere) == ["postgres does not run on compose: there is no data to carry"]


@pytest.mark.parametrize(("wanted", "ran"), [("4.2.0", "4.3.6"), ("4.3.5", "4.3.6"), ("3.13", "4.3.6")])
def test_files_do_not_go_to_a_store_that_is_older_than_they(wanted: str, ran: str) -> None:
    with pytest.raises(UsageError) as refused:
        moved(wanted, ran)
    error = refused.value
    assert error.what == f"the data of rabbitmq cannot come along: {ran} wrote it, and {wanted} is to run"
    assert error.hint == "devenv up   without --with-data leaves it where it is"


def test_the_data_of_a_store_that_another_program_plays_is_not_carried() -> None:
    """What imitates MinIO on plain processes knows neither its ports nor its tools."""
    text = "name: a\nservices:\n  web: {image: x, uses: [minio, postgres]}\n"
    contained = stack(text)
    plain = stack(text, hosted=tuple(unit.name for unit in contained.units))
    for app, there, elsewhere in ((contained, "compose", "process"), (plain, "process", "compose")):
        observed = Elsewhere(elsewhere, running(app))
        world = Situation(there, Observed(), fingerprints(app), elsewhere=observed)
        assert [step.target for step in plan_up(app, world, Intent(carry=True)).of(Op.SAVE)] == ["postgres"]
        assert left_behind(app, observed) == [f"minio cannot export its data: it stays on {elsewhere}"]


def test_ports_that_lead_nowhere_are_forwarded_and_only_those() -> None:
    port = shop().unit("web").ports[0].host
    assert port is not None
    hosts = {entry.host for unit in shop().units for entry in unit.ports if entry.host}
    observed = replace(running(shop()), forwarded=frozenset(hosts - {port}))
    assert planned(shop(), observed) == f"[] -> #1 forward shop (no forward leads to {port})"
    assert planned(shop(), replace(observed, forwarded=frozenset(hosts))) == ""
    assert planned(shop(), replace(observed, forwarded=frozenset({*hosts, 1}))) == (
        "[] -> #1 forward shop (ports changed)"
    )


def test_only_what_is_changed_is_created_anew() -> None:
    observed = running(
        shop(),
        web=observed_unit("web", fingerprint="image:old"),
        orders=observed_unit("orders", state="exited", exit_code=3),
        migrate=observed_unit("migrate", exit_code=1),
        postgres=None,
    )
    plan = plan_up(shop(), situation(shop(), observed), Intent())
    assert {step.target: step.recreate for step in plan.of(Op.APPLY)} == {
        "postgres": False,  # not there
        "migrate": True,  # a one-shot is tried again in a container of its own
        "orders": False,  # the same container is started again
        "web": True,
    }
    rebuilt = plan_up(shop(), situation(shop(), running(shop())), Intent(rebuild=True))
    assert {step.target: step.recreate for step in rebuilt.of(Op.APPLY)} == {"migrate": True, "orders": True}


STATES = [
    None,
    {"state": "running", "healthy": True},
    {"state": "running", "healthy": False},
    {"state": "exited", "exit_code": 3},
    {"state": "exited"},
    {"state": "created"},
    {"state": "paused"},
    {"state": "running", "fingerprint": "image:old"},
]


@each_row(range(200))
def test_nothing_is_applied_before_its_image_is_there_and_the_ground_is_prepared(seed: int) -> None:
    """Whatever was observed: every apply comes after each pull or build of its image, and after prepare."""
    chance = random.Random(seed)
    app = shop()
    changes = {}
    for unit in app.units:
        state = chance.choice(STATES)
        if not unit.manual:
            changes[unit.name] = None if state is None else observed_unit(unit.name, **state)
    images = frozenset(unit.image for unit in app.units if chance.random() < 0.5)
    observed = replace(running(app, **changes), images=images, prepared=chance.random() < 0.5)
    intent = Intent(rebuild=chance.random() < 0.3)
    plan = plan_up(app, situation(app, observed), intent)
    before: dict[int, set[int]] = {}
    for step in plan:
        before[step.number] = set(step.after).union(*(before[number] for number in step.after))
    for apply in plan.of(Op.APPLY):
        image = app.unit(apply.target).image
        needed = [step for step in plan.of(Op.PULL) if step.target == image]
        needed += [step for step in plan.of(Op.BUILD) if app.unit(step.target).image == image]
        for step in (*needed, *plan.of(Op.PREPARE)):
            assert step.number in before[apply.number], f"{step}\n\n{plan}"
        assert plan.of(Op.PREPARE), str(plan)
        for need in app.unit(apply.target).needs:
            for step in (*plan.of(Op.WAIT),):
                if step.target == need.unit:
                    assert step.number in before[apply.number], f"{step}\n\n{plan}"
