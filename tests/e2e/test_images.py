"""What an image says of itself: its own check counts where the manifest says nothing, and it may lack a shell."""

from __future__ import annotations

import pytest

from .checkout import Checkout, eventually

pytestmark = pytest.mark.engine

CHECKED = """\
FROM busybox:1.37 AS late
HEALTHCHECK --interval=1s --start-period=1s --retries=20 CMD test -e /tmp/ready
CMD ["sh", "-c", "sleep 2; touch /tmp/ready; exec sleep 900"]
FROM busybox:1.37 AS bad
HEALTHCHECK --interval=1s --retries=2 CMD echo the queue is full; false
CMD ["sleep", "900"]
"""

TOOL = """\
FROM python:3.13-slim
USER 1234
ENTRYPOINT ["python3", "-c", "import sys, time; print(sys.argv[1:], flush=True); time.sleep(900)"]
"""

BARE = """\
FROM busybox:1.37 AS tools
FROM scratch
COPY --from=tools /bin/busybox /busybox
COPY page.txt /www/index.html
ENTRYPOINT ["/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]
"""


def test_who_uses_a_service_with_a_check_of_its_image_starts_once_that_passed(checkout: Checkout) -> None:
    checkout.sources("late", dockerfile=CHECKED)
    checkout.sources("tool", dockerfile=TOOL)
    checkout.manifest(
        """
        services:
          late: {build: {context: ./late, target: late}, port: 8080}
          tool: {build: ./tool, env: {WHAT: "a b"}, command: 'get "$WHAT" http://x/?a=1&b=2'}
          user: {image: "busybox:1.37", command: sleep 900, uses: [late]}
        """
    )

    ended = checkout.devenv("up", "-d")

    assert ended.stderr.index("late  healthy") < ended.stderr.index("user  starting")
    words = "['get', 'a b', 'http://x/?a=1&b=2']"
    eventually(lambda: words in checkout.devenv("logs", "tool").stdout, "its words")
    assert checkout.units()["late"].health == "healthy"
    assert "healthy" in checkout.devenv("status").stdout
    assert "nothing to do" in checkout.devenv("up", "-d").output


def test_a_service_whose_image_finds_itself_unhealthy_fails_in_up_as_in_status(checkout: Checkout) -> None:
    checkout.sources("worker", dockerfile=CHECKED)
    checkout.manifest("services: {worker: {build: ./worker}}")

    ended = checkout.devenv("up", "-d", exits=1)

    assert "x worker was not ready within 5 s" in ended.stderr
    assert "HEALTHCHECK of the image" in ended.stderr
    assert "answer    the queue is full" in ended.stderr
    assert "unhealthy" in checkout.devenv("status", exits=1).stdout


def test_a_shell_in_an_image_without_one_is_refused_and_its_own_programs_run(checkout: Checkout) -> None:
    checkout.sources("web", dockerfile=BARE)
    checkout.manifest("services: {web: {build: ./web, port: 8080, health: /}}")
    checkout.devenv("up", "-d")

    ended = checkout.devenv("exec", "web", exits=127)

    assert "the image of web has no shell" in ended.stderr
    assert "devenv exec web PROGRAM" in ended.stderr
    assert checkout.devenv("exec", "web", "/busybox", "echo", "one of its own").stdout == "one of its own\n"


def test_an_image_that_was_made_anew_under_its_name_replaces_what_runs_the_old_one(
    checkout: Checkout,
) -> None:
    image = f"{checkout.name}-base:1"  # cleared with the checkout's images
    checkout.write("Dockerfile", "FROM busybox:1.37\nARG N\nRUN echo $N >/number\n")
    checkout.host("docker", "build", "-q", "-t", image, "--build-arg", "N=1", ".")
    checkout.manifest(f"services: {{api: {{image: {image}, command: sleep 900, grace: 1s}}}}")
    checkout.devenv("up", "-d")
    assert "nothing to do" in checkout.devenv("up", "-d").stderr

    checkout.host("docker", "build", "-q", "-t", image, "--build-arg", "N=2", ".")

    assert f"apply api ({image} is another image now)" in checkout.devenv("plan").stdout
    checkout.devenv("up", "-d")
    assert checkout.inside("api", "cat", "/number") == "2\n"
    assert "nothing to do" in checkout.devenv("up", "-d").stderr
