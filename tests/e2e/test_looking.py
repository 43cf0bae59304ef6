"""Logs, variables and mail: what a person looks at while it runs."""

from __future__ import annotations

import json
import re
import urllib.request

import pytest

from .checkout import Checkout, eventually

pytestmark = pytest.mark.engine

TALKING = """
    services:
      tick: {image: "busybox:1.37", command: "for n in 1 2 3; do echo tick $n; sleep 0.2; done; sleep 900"}
      safe: {image: "busybox:1.37", command: ["sh", "-c", "echo $KEY; sleep 900"], secrets: [KEY]}
      tock: {image: "busybox:1.37", command: "sleep 0.1; for n in 1 2 3; do echo tock $n; sleep 0.2; done; sleep 900"}
"""


@pytest.fixture
def talking(shared: Checkout) -> Checkout:
    """Services that took turns to speak, and one that told its secret."""
    shared.manifest(TALKING)
    shared.write(".env", "KEY=sesame-open\n")
    shared.devenv("up", "-d")
    last = ("tick 3", "tock 3", "******")
    eventually(lambda: all(line in shared.devenv("logs").stdout for line in last), "the last lines")
    return shared


def test_logs_of_several_services_are_in_the_order_they_were_printed(talking: Checkout) -> None:
    lines = talking.devenv("logs", "-t", "tick", "tock").stdout.splitlines()
    times = [re.search(r"\d{4}-\S+", line)[0] for line in lines]

    assert {line.split(" |")[0] for line in lines} == {"tick", "tock"}
    assert times == sorted(times)
    assert [line.split()[-1] for line in lines if line.startswith("tick")] == ["1", "2", "3"]


def test_saved_logs_hold_no_secrets(talking: Checkout) -> None:
    saved = talking.devenv("logs", "--save", "saved").stdout.split()
    assert sorted(saved) == [f"saved/{name}.log" for name in ("safe", "tick", "tock")]
    assert (talking.root / "saved/safe.log").read_text() == "******\n"
    assert (talking.root / "saved/tick.log").read_text() == "tick 1\ntick 2\ntick 3\n"


def test_logs_of_one_service_have_no_prefix(talking: Checkout) -> None:
    assert talking.devenv("logs", "tick").stdout == "tick 1\ntick 2\ntick 3\n"


def test_tail_and_since_leave_lines_out(talking: Checkout) -> None:
    assert talking.devenv("logs", "-n", "1", "tick", "tock").stdout.splitlines() in (
        ["tick | tick 3", "tock | tock 3"],
        ["tock | tock 3", "tick | tick 3"],
    )
    assert talking.devenv("logs", "tick", "--since", "1h").stdout.count("tick") == 3
    eventually(lambda: talking.devenv("logs", "tick", "--since", "1s").stdout == "", "a quiet second")
    assert "is not a time" in talking.devenv("logs", "--since", "soon", exits=2).stderr


def test_followed_logs_go_on_until_ctrl_c(talking: Checkout) -> None:
    going = talking.begin("logs", "-f", "-n", "1")
    going.wait_for("tick | tick 3")
    talking.inside("tick", "sh", "-c", "echo one more >/proc/1/fd/1")
    going.wait_for("tick | one more")

    ended = going.interrupt()

    assert ended.code == 130
    assert ended.seconds < 1.5
    assert talking.running() == {"safe", "tick", "tock"}


def test_followed_logs_go_on_when_a_service_is_restarted_or_replaced(talking: Checkout) -> None:
    going = talking.begin("logs", "-f", "-n", "0")

    talking.devenv("restart", "tick")
    going.wait_for("tick | tick 3")
    assert going.output.count("tick | tick 1") == 1

    talking.manifest(TALKING.replace("echo tock $n", "echo tock number $n"))
    talking.devenv("up", "-d")
    going.wait_for("tock | tock number 3")
    assert "tock 3" not in going.output

    talking.devenv("down")
    assert going.end().code == 0


def test_logs_of_what_is_not_up_name_what_is(talking: Checkout) -> None:
    stderr = talking.devenv("logs", "tic", exits=2).stderr

    assert '"tic" is not running' in stderr
    assert 'did you mean "tick"?' in stderr


def test_mail_that_a_service_sends_is_in_the_inbox(checkout: Checkout) -> None:
    send = (
        "import os, smtplib, time; from urllib.parse import urlsplit\n"
        "url = urlsplit(os.environ['SMTP_URL'])\n"
        "with smtplib.SMTP(url.hostname, url.port) as server:\n"
        "    server.sendmail('me@here', ['you@there'], 'Subject: It works\\n\\nIt never left.')\n"
        "time.sleep(900)"
    )
    checkout.write("send.py", send)
    checkout.manifest("""
        services:
          sender:
            image: python:3.13-slim
            command: python /send.py
            files: {/send.py: ./send.py}
            uses: [mailpit]
    """)
    checkout.devenv("up", "-d")
    inbox = checkout.devenv("open", "mailpit").stdout.strip()

    def letters() -> list[str]:
        with urllib.request.urlopen(f"{inbox}/api/v1/messages", timeout=5) as answer:
            return [letter["Subject"] for letter in json.load(answer)["messages"]]

    assert eventually(letters, "a letter") == ["It works"]


def test_variables_for_this_machine_are_those_of_the_service_with_published_addresses(
    checkout: Checkout,
) -> None:
    checkout.manifest("""
        services:
          api: {image: "busybox:1.37", command: sleep 900, uses: [page], env: {LEVEL: debug, PAGE: "${page.url}"}}
          page: {image: "busybox:1.37", command: httpd -f -p 80 -h /etc, port: 80}
    """)
    checkout.devenv("up", "-d")
    address = f"http://localhost:{checkout.port('page')}"

    assert checkout.devenv("env", "api", "--json").json == {
        "LEVEL": "debug",
        "PAGE": address,
        "PAGE_URL": address,
    }
    output = checkout.host(
        "sh",
        "-c",
        'eval "$(devenv env api --export)"; python3 -c "import os; print(os.environ[\'PAGE_URL\'])"',
    )
    assert output == f"{address}\n"
    with urllib.request.urlopen(f"{address}/passwd", timeout=5) as answer:
        assert b"root" in answer.read()
