"""The process: listeners, signals, reload, and an end that lets running requests finish."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from devenv.gateway.admin import admin_application, gui_application, status_application
from devenv.gateway.config import load
from devenv.gateway.draft import Refused
from devenv.gateway.listen import Address, Settings
from devenv.gateway.proxy import Gateway
from devenv.gateway.registry import Configuration, Loaded
from devenv.gateway.websocket import GOING_AWAY

DRAIN_SECONDS = 10.0
# So long a client that keeps its connection can ask once more at the end, and is told to leave.
FAREWELL_SECONDS = 1.0
Runner = web.BaseRunner


class CannotListen(Exception):
    """An address that the gateway cannot listen on."""


def configured(settings: Settings) -> Configuration | None:
    """Return the configuration the settings name, or raise Refused; None when they name none."""
    if settings.file is None:
        if settings.text is None:
            return None
        return load(settings.text, "KONG_DECLARATIVE_CONFIG_STRING")
    try:
        content = settings.file.read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not UTF-8 text"
        raise Refused([f"{settings.file}: cannot be read: {reason}"]) from None
    return load(content, settings.file.name)


def complain(message: str) -> None:
    """Write a line about the gateway itself to stderr."""
    print(f"devenv-gateway: {message}", file=sys.stderr, flush=True)


def reload(gateway: Gateway, settings: Settings) -> None:
    """Load the configuration again; a refused one leaves the old one in place."""
    try:
        configuration = configured(settings)
    except Refused as refused:
        for problem in refused.problems:
            complain(problem)
        complain("the configuration was not reloaded")
        return
    if configuration is not None:
        gateway.loaded = Loaded.of(configuration)
        complain("the configuration was reloaded")


async def serve(settings: Settings, configuration: Configuration | None) -> None:
    """Run until a signal ends the process."""
    loop = asyncio.get_running_loop()
    gateway = Gateway(
        loaded=Loaded.of(configuration) if configuration else None,
        log=lambda line: print(line, flush=True),
        complain=complain,
        keeps_upstreams=settings.keeps_upstreams,
    )
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        loop.add_signal_handler(number, partial(stop, stopping))
    loop.add_signal_handler(signal.SIGHUP, partial(reload, gateway, settings))
    complain("this is devenv's stand-in for Kong, not Kong")
    async with listening(gateway, settings):
        await stopping.wait()
        complain("stopping")


def stop(stopping: asyncio.Event) -> None:
    """Begin to stop; asked a second time, stop at once."""
    if stopping.is_set():
        sys.exit(1)
    stopping.set()


@asynccontextmanager
async def listening(
    gateway: Gateway, settings: Settings, farewell: float = FAREWELL_SECONDS
) -> AsyncIterator[Mapping[str, int]]:
    """Open the listeners for as long as the block runs; the value is a port of each."""
    runners = {name: make(gateway) for name, make in RUNNERS.items() if settings.listeners[name]}
    ports: dict[str, int] = {}
    try:
        for name, runner in runners.items():
            await runner.setup()
            for address in settings.listeners[name]:
                ports[name] = await open_listener(runner, name, address)
        yield ports
    finally:
        close_websockets(gateway)
        if "proxy" in runners:
            await say_farewell(gateway, runners["proxy"], farewell)
        await asyncio.gather(*(runner.cleanup() for runner in runners.values()))
        await gateway.close()


async def open_listener(runner: Runner, name: str, address: Address) -> int:
    """Listen on an address; return its port, which the system chose when it was 0."""
    site = web.TCPSite(runner, address.host, address.port)
    try:
        await site.start()
    except OSError as problem:
        reason = problem.strerror or problem
        raise CannotListen(f"cannot listen on {address} ({name}): {reason}") from None
    port = int(runner.addresses[-1][1])
    complain(f"{name} listens on {Address(address.host, port)}")
    return port


def close_websockets(gateway: Gateway) -> None:
    """Close WebSocket connections, which would otherwise delay the shutdown."""
    for transport in list(gateway.switched):
        transport.write(GOING_AWAY)
        transport.close()


async def say_farewell(gateway: Gateway, runner: Runner, seconds: float) -> None:
    """Take no new connections, and have clients leave those that they keep, before idle ones are closed.

    A connection that is closed while its client sends on it loses a request.
    """
    gateway.leaving = True
    for site in list(runner.sites):
        await site.stop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while runner.server is not None and runner.server.connections:
                await asyncio.sleep(0.02)


def proxy_runner(gateway: Gateway) -> Runner:
    """Return what serves the proxy listener."""
    server = web.Server(
        gateway.handle,
        access_log=None,
        auto_decompress=False,
        handler_cancellation=True,
        max_line_size=16384,
        max_field_size=16384,
    )
    return web.ServerRunner(server, shutdown_timeout=DRAIN_SECONDS)


def application_runner(make: Callable[[Gateway], web.Application], gateway: Gateway) -> Runner:
    """Return what serves one of the small listeners."""
    return web.AppRunner(make(gateway), access_log=None, shutdown_timeout=1.0)


RUNNERS: Mapping[str, Callable[[Gateway], Runner]] = {
    "proxy": proxy_runner,
    "admin": partial(application_runner, admin_application),
    "admin_gui": partial(application_runner, gui_application),
    "status": partial(application_runner, status_application),
}
