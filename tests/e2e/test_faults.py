"""What a person sees when something does not come up, and what is left as it was."""

from __future__ import annotations

import pytest

from .checkout import Checkout, Ended

pytestmark = pytest.mark.engine

WEB = 'web: {image: "busybox:1.37", command: sleep 900}'


def fails(checkout: Checkout, manifest: str) -> Ended:
    """Bring it up; it ends with 1, and says so in a card."""
    checkout.manifest(manifest)
    return checkout.devenv("up", "-d", exits=1)


def test_every_missing_image_is_named_and_nothing_is_created(checkout: Checkout) -> None:
    ended = fails(
        checkout,
        f"""
        services:
          {WEB}
          one: {{image: "localhost:1/devenv/one:1"}}
          two: {{image: "localhost:1/devenv/two:2"}}
        """,
    )

    for image in ("localhost:1/devenv/one:1", "localhost:1/devenv/two:2"):
        assert f"the image {image} is not on this machine and cannot be pulled" in ended.stderr
    assert (checkout.containers(), checkout.networks()) == ([], [])


def test_a_service_that_ends_at_once_has_a_card_with_its_exit_code_and_last_words(checkout: Checkout) -> None:
    ended = fails(
        checkout,
        f"""
        services:
          {WEB}
          flaky: {{image: "busybox:1.37", command: "for n in $(seq 30); do echo line $n; done; exit 3"}}
          shop: {{image: "busybox:1.37", command: sleep 900, uses: [flaky]}}
        """,
    )

    assert "x flaky ended with exit 3 - shop waits for it" in ended.stderr
    assert "line 30" in ended.stderr
    assert "line 16" in ended.stderr
    assert "line 15\n" not in ended.stderr
    assert checkout.running() == {"web"}


def test_who_waits_for_an_unhealthy_store_is_not_started_and_named(checkout: Checkout) -> None:
    ended = fails(
        checkout,
        f"""
        services:
          {WEB}
          store:
            image: busybox:1.37
            command: sleep 900
            health: {{exec: "echo the disk is gone; exit 1", every: 100ms, within: 1s}}
          api: {{image: "busybox:1.37", command: sleep 900, uses: [store]}}
          page: {{image: "busybox:1.37", command: sleep 900, uses: [api]}}
        """,
    )

    assert "x store" in ended.stderr
    assert "api and page wait for it" in ended.stderr
    assert "the disk is gone" in ended.stderr
    assert ended.seconds < 10
    assert checkout.running() == {"web", "store"}


def test_a_probe_that_gets_no_good_answer_in_time_says_which_answer(checkout: Checkout) -> None:
    ended = fails(
        checkout,
        """
        services:
          web:
            image: busybox:1.37
            command: httpd -f -p 80 -h /tmp
            port: 80
            health: {http: /nothing, every: 100ms, within: 1s}
        """,
    )

    assert "x web was not ready within 1 s" in ended.stderr
    assert "GET /nothing on port 80" in ended.stderr
    assert "404 Not Found" in ended.stderr


def test_a_port_that_nobody_listens_on_is_not_ready(checkout: Checkout) -> None:
    ended = fails(
        checkout,
        """
        services:
          web: {image: "busybox:1.37", command: sleep 900, port: 80, health: {tcp: 80, within: 1s}}
        """,
    )

    assert "x web was not ready within 1 s" in ended.stderr
    assert "nothing listens on the port" in ended.stderr


def test_a_job_that_fails_keeps_those_who_use_it_from_starting(checkout: Checkout) -> None:
    manifest = """
        services:
          api: {image: "busybox:1.37", command: sleep 900, uses: [migrate]}
        jobs:
          migrate: {image: "busybox:1.37", command: "echo no such table; exit CODE"}
    """
    ended = fails(checkout, manifest.replace("CODE", "4"))
    assert "x migrate ended with exit 4 - api waits for it" in ended.stderr
    assert "no such table" in ended.stderr
    assert checkout.running() == set()

    checkout.manifest(manifest.replace("CODE", "0"))
    checkout.devenv("up", "-d")

    assert checkout.running() == {"api"}
    assert checkout.units()["migrate"].exit_code == 0


def test_a_job_that_does_not_end_in_time_is_a_failure(checkout: Checkout) -> None:
    ended = fails(checkout, 'jobs: {migrate: {image: "busybox:1.37", command: sleep 900, within: 500ms}}')

    assert "x migrate did not end within 0.5 s" in ended.stderr


def test_a_container_that_ran_out_of_memory_says_so(checkout: Checkout) -> None:
    ended = fails(
        checkout,
        """
        services:
          greedy:
            image: python:3.13-slim
            command: [python, -c, "import time; time.sleep(0.1); held = b'x' * (1 << 28)"]
            resources: {memory: 24Mi}
            compose: {memswap_limit: 24m}
            health: {exec: exit 1}  # without a check, one that has not got to its end yet counts as running
        """,
    )

    assert "x greedy ran out of memory" in ended.stderr
    assert "resources: {memory:" in ended.stderr


def test_a_container_that_was_killed_did_not_run_out_of_memory(checkout: Checkout) -> None:
    ended = fails(checkout, 'services: {victim: {image: "busybox:1.37", command: "sh -c \'kill -9 $$\'"}}')

    assert "x victim ended with exit 137" in ended.stderr
    assert "memory" not in ended.stderr


def test_a_command_that_is_not_in_the_image_says_what_to_look_at(checkout: Checkout) -> None:
    ended = fails(checkout, f'services: {{{WEB}, odd: {{image: "busybox:1.37", command: nosuchthing}}}}')

    assert "x odd" in ended.stderr
    assert "nosuchthing" in ended.stderr
    assert "command:" in ended.stderr
    assert checkout.running() == {"web"}, ended.output


def test_what_the_engine_refuses_is_said_in_its_words(checkout: Checkout) -> None:
    both = '{image: "busybox:1.37", command: sleep 900, grace: 1s, compose: {ports: ["127.0.0.1:18427:80"]}}'
    ended = fails(checkout, f"services: {{one: {both}, two: {both}}}")

    assert "could not be started" in ended.stderr
    assert "port is already allocated" in ended.stderr
    assert "something took the port meanwhile" in ended.stderr


def test_a_build_that_fails_shows_its_last_lines_and_keeps_what_runs(checkout: Checkout) -> None:
    checkout.sources("web")
    checkout.manifest("services: {web: {build: ./web, command: sleep 900}}")
    checkout.devenv("up", "-d")
    before = checkout.lives()
    checkout.sources("web", dockerfile="FROM busybox:1.37\nCOPY . /srv\nRUN echo so sorry && exit 7\n")

    ended = checkout.devenv("up", "-d", exits=1)

    assert "x web could not be built" in ended.stderr
    assert "web/Dockerfile" in ended.stderr
    assert "so sorry" in ended.stderr
    assert checkout.lives() == before
    assert checkout.running() == {"web"}


def test_a_broken_manifest_leaves_the_running_stack_alone_and_it_can_still_be_looked_at(
    checkout: Checkout,
) -> None:
    checkout.manifest('services: {web: {image: "busybox:1.37", command: "echo hello; sleep 900"}}')
    checkout.devenv("up", "-d")
    before = checkout.lives()
    checkout.write("devenv.yaml", "name: other\nservices: {web: {imag: busybox, uses: [nothing]}\n")

    for command in (["up", "-d"], ["plan"], ["render"], ["restart"], ["run", "web"]):
        assert "devenv.yaml:" in checkout.devenv(*command, exits=2).stderr
    assert checkout.lives() == before

    assert checkout.devenv("status", "--json").json["units"][0]["state"] == "running"
    assert "hello" in checkout.devenv("logs").stdout
    assert checkout.devenv("exec", "web", "echo", "inside").stdout == "inside\n"
    checkout.devenv("down")
    assert checkout.containers() == []


def test_after_a_failure_up_goes_on_from_what_is_there(checkout: Checkout) -> None:
    manifest = f"""
        services:
          {WEB}
          late: {{image: "busybox:1.37", command: "exit 1"}}
    """
    fails(checkout, manifest)
    before = checkout.lives()

    checkout.manifest(manifest.replace("exit 1", "sleep 900"))
    checkout.devenv("up", "-d")

    assert checkout.running() == {"late", "web"}
    assert checkout.lives()["web"] == before["web"]


def test_a_card_shows_the_run_that_failed_and_none_before_it(checkout: Checkout) -> None:
    checkout.manifest(
        """
        services:
          web: {image: "busybox:1.37", command: [sh, -c, "echo 'one attempt'; sleep 0.1; exit 3"], port: 80}
        """
    )
    checkout.devenv("up", "-d", exits=1)
    again = checkout.devenv("up", "-d", exits=1).stderr
    printed = [
        line for line in again.splitlines() if line.strip().removeprefix("output").strip() == "one attempt"
    ]
    assert len(printed) == 1
    assert """command   sh -c 'echo '"'"'one attempt'"'"'; sleep 0.1; exit 3'""" in again
