"""The process: arguments, Kong's variables, exit codes, signals and how fast it starts."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from devenv.gateway import server
from devenv.gateway.config import load
from devenv.gateway.listen import Address, Settings, addresses, settings
from devenv.gateway.proxy import Gateway
from devenv.gateway.registry import Loaded
from tests.serving import Handler, listening

from .harness import LISTENERS, Loop, Reply, Upstream, ask

COMMAND = [sys.executable, "-W", "error", "-m", "devenv.gateway"]
ANY_PORT = {
    f"KONG_{name}_LISTEN": "127.0.0.1:0 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl"
    for name in ("PROXY", "STATUS", "ADMIN", "ADMIN_GUI")
}


class Process:
    """A gateway in a process of its own."""

    def __init__(self, variables: Mapping[str, str], arguments: list[str]) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.ports: dict[str, int] = {}
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if match := re.search(r"gateway: (\w+) listens on 127\.0\.0\.1:(\d+)", line):
                self.ports[match[1]] = int(match[2])
            if len(self.ports) == 4:
                break

    def wait_for_line(self, text: str) -> None:
        """Wait until a line on stderr has a text."""
        assert self.process.stderr is not None
        assert any(text in line for line in self.process.stderr)

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; return the code, stdout and stderr."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@contextmanager
def process(variables: Mapping[str, str], *arguments: str) -> Iterator[Process]:
    gateway = Process(variables, list(arguments))
    try:
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.process.kill()
        gateway.process.communicate()


@pytest.fixture
def file(tmp_path: Path, upstream: Upstream) -> Path:
    path = tmp_path / "kong.yml"
    path.write_text(
        '_format_version: "3.0"\n'
        f"services: [{{name: s, url: '{upstream.url}', routes: [{{name: r, paths: [/a]}}]}}]\n"
    )
    return path


@pytest.mark.programs
def test_it_runs_from_kongs_variables_logs_and_ends(file: Path) -> None:
    with process({**ANY_PORT, "KONG_DECLARATIVE_CONFIG": str(file)}) as gateway:
        assert ask(gateway.ports["status"], "/status/ready").status == 200
        assert ask(gateway.ports["proxy"], "/a/x?key=secret").status == 200
        assert ask(gateway.ports["admin"], "/services").json["data"][0]["name"] == "s"
        assert b"not Kong" in ask(gateway.ports["admin_gui"], "/").body
        gateway.process.send_signal(signal.SIGTERM)
        code, out, err = gateway.end()
    assert code == 0
    assert re.fullmatch(r'127\.0\.0\.1 "GET /a/x\?\.\.\." 200 \d+ r [\d.]+ms \w{32}\n', out)
    assert err == "devenv-gateway: stopping\n"


@pytest.mark.programs
def test_a_refused_configuration_ends_it_with_2(tmp_path: Path) -> None:
    path = tmp_path / "kong.yml"
    path.write_text('_format_version: "3.0"\nplugins: [{name: oauth2}, {name: acme}]\n')
    done = subprocess.run([*COMMAND, "--config", path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert [line.partition(" - ")[0] for line in lines] == [
        'kong.yml: plugins[0] (oauth2): the embedded gateway has no plugin "oauth2"',
        'kong.yml: plugins[1] (acme): the embedded gateway has no plugin "acme"',
    ]


@pytest.mark.programs
def test_a_missing_file_ends_it_with_2(tmp_path: Path) -> None:
    path = tmp_path / "kong.yml"
    done = subprocess.run([*COMMAND, "--config", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == f"{path}: cannot be read: No such file or directory\n"


@pytest.mark.programs
def test_a_taken_port_ends_it_with_1(file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            [*COMMAND, "--config", file, "--proxy", address],
            env={**os.environ, **ANY_PORT},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert f"cannot listen on {address} (proxy): " in done.stderr


@pytest.mark.programs
def test_a_hangup_reads_the_file_again_and_keeps_the_old_one_if_it_must(file: Path) -> None:
    with process(ANY_PORT, "--config", str(file)) as gateway:
        good = file.read_text()
        file.write_text(good.replace("/a", "/b"))
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_for_line("the configuration was reloaded")
        assert [ask(gateway.ports["proxy"], path).status for path in ("/a", "/b")] == [404, 200]
        file.write_text(good + "plugins: [{name: oauth2}]\n")
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_for_line("kong.yml: plugins[0] (oauth2)")
        gateway.wait_for_line("not reloaded")
        assert ask(gateway.ports["proxy"], "/b").status == 200


@pytest.mark.programs
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_running_requests_finish_at_the_end(file: Path, upstream: Upstream, number: signal.Signals) -> None:
    replies: list[Reply] = []
    with process(ANY_PORT, "--config", str(file)) as gateway:
        proxy = gateway.ports["proxy"]
        client = threading.Thread(target=lambda: replies.append(ask(proxy, "/a/events")))
        client.start()
        assert upstream.arrived.wait(60)
        gateway.process.send_signal(number)
        gateway.wait_for_line("stopping")
        with pytest.raises(ConnectionError):
            while True:
                ask(proxy, "/a")
                time.sleep(0.01)
        upstream.release.set()
        client.join(60)
        assert gateway.end()[0] == 0
    assert replies[0].body == b"data: 1\n\ndata: 2\n\n"


@pytest.mark.programs
def test_it_starts_fast(file: Path) -> None:
    spent, imports = [], []
    for _ in range(5):
        began = of_children()
        subprocess.run([sys.executable, "-c", "import aiohttp.web, yaml"], check=True)
        imports.append(of_children() - began)
        began = of_children()
        with process(ANY_PORT, "--config", str(file)) as gateway:
            assert gateway.ports
        spent.append(of_children() - began)
        # In the processor's time, against what its libraries take to load: not about how busy the machine is.
        if min(spent) < 2 * min(imports):
            return
    pytest.fail(f"{min(spent):.2f} s, and its libraries {min(imports):.2f} s")


def of_children() -> float:
    """The processor's time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.programs
def test_it_imports_nothing_else_of_devenv_and_devenv_does_not_import_it() -> None:
    code = (
        "import sys, devenv; assert 'devenv.gateway' not in sys.modules\n"
        "assert not [m for m in sys.modules if m.startswith(('aiohttp', 'yaml', 'jwt'))]\n"
        "import devenv.gateway.__main__\n"
        "names = [m for m in sys.modules if m.startswith('devenv.')]\n"
        "assert all(m.startswith('devenv.gateway') for m in names), names\n"
        "assert not [m for m in sys.modules if m in ('jwt', 'cryptography')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.0.0.0:8000", ["0.0.0.0:8000"]),
        ("0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl", ["0.0.0.0:8000"]),
        ("127.0.0.1:1,[::1]:2", ["127.0.0.1:1", "[::1]:2"]),
        ("off", []),
        ("0.0.0.0:8443 ssl", []),
    ],
)
def test_listener_lists(value: str, expected: list[str]) -> None:
    assert [str(address) for address in addresses(value)] == expected


@pytest.mark.parametrize("value", ["8000", "localhost", ":1", "a:b", "a:70000", "unix:/x.sock"])
def test_bad_listeners_are_usage_errors(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        settings([], {"KONG_PROXY_LISTEN": value})
    assert ended.value.code == 2
    assert f'KONG_PROXY_LISTEN: expected HOST:PORT, found "{value}"' in capsys.readouterr().err


def test_defaults_are_kongs_and_arguments_go_first() -> None:
    options = settings([], {})
    assert options.file is None
    assert {name: str(listen[0]) for name, listen in options.listeners.items()} == {
        "proxy": "0.0.0.0:8000",
        "status": "127.0.0.1:8007",
        "admin": "127.0.0.1:8001",
        "admin_gui": "0.0.0.0:8002",
    }
    options = settings(
        ["--config", "a.yml", "--proxy", "127.0.0.1:1", "--gui", "off"],
        {"KONG_DECLARATIVE_CONFIG": "b.yml", "KONG_PROXY_LISTEN": "127.0.0.1:2"},
    )
    assert options.file == Path("a.yml")
    assert options.listeners["proxy"] == (Address("127.0.0.1", 1),)
    assert options.listeners["admin_gui"] == ()


def test_a_database_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        settings([], {"KONG_DATABASE": "postgres"})
    assert "the embedded gateway has no database" in capsys.readouterr().err


def test_a_client_that_keeps_its_connection_is_told_to_leave_at_the_end(
    loop: Loop, upstream: Upstream
) -> None:
    route = f"services: [{{name: s, url: '{upstream.url}', routes: [{{name: r, paths: [/a]}}]}}]\n"
    gateway = Gateway(Loaded.of(load(f'_format_version: "3.0"\n{route}')), print, print)
    context = server.listening(gateway, Settings(None, None, LISTENERS), farewell=30)
    client = http.client.HTTPConnection("127.0.0.1", loop.run(context.__aenter__())["proxy"], timeout=60)
    assert last_of(client, "/a") is False
    ending = asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop.loop)
    deadline = time.monotonic() + 60
    while not gateway.leaving:
        assert time.monotonic() < deadline, "the gateway does not begin to end"
        time.sleep(0.01)
    assert last_of(client, "/a") is True
    ending.result(60)  # it waits no longer than for that


def last_of(client: http.client.HTTPConnection, path: str) -> bool:
    """Ask with a body; whether the answer was the last on its connection."""
    client.request("POST", path, body=b"{}")
    response = client.getresponse()
    assert response.status == 200
    response.read()
    return bool(response.will_close)


@pytest.mark.programs
@pytest.mark.parametrize(("size", "connections"), [("0", 3), ("512", 1)])
def test_upstream_connections_are_kept_or_not(file: Path, size: str, connections: int) -> None:
    peers = []

    class Counting(Handler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            peers.append(self.client_address)
            self.send_json({})

    variables = {**ANY_PORT, "KONG_UPSTREAM_KEEPALIVE_POOL_SIZE": size}
    with listening(Counting) as counting:
        file.write_text(re.sub(r"url: '[^']+'", f"url: '{counting.address}'", file.read_text()))
        with process(variables, "--config", str(file)) as gateway:
            assert [ask(gateway.ports["proxy"], "/a").status for _ in range(3)] == [200, 200, 200]
    assert len(set(peers)) == connections


def test_a_pool_that_is_no_number_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        settings([], {"KONG_UPSTREAM_KEEPALIVE_POOL_SIZE": "off"})
    assert 'KONG_UPSTREAM_KEEPALIVE_POOL_SIZE: expected a number, found "off"' in capsys.readouterr().err
