"""Proxies, and the registries that images are still to come from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial

from devenv.backends import registries
from devenv.doctor.engine import Engine, Silence
from devenv.doctor.gathering import begun
from devenv.doctor.verdict import Verdict, Wanted, failed, passed, warned

LOCAL = ("localhost", "127.0.0.1")
CONFIGURE = "sudo systemctl edit docker   # [Service] Environment=HTTPS_PROXY={proxy}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registry did when it was asked; `trouble`: why it did not answer, `late`: or not yet.

    `ahead`: how far its clock is ahead of ours, in seconds.
    """

    trouble: str = ""
    ahead: float | None = None
    late: bool = False


def ask(hosts: Sequence[str]) -> Mapping[str, Future[Answer]]:
    """Begin to ask each registry for nothing in particular."""
    return {host: begun(partial(_ask, host)) for host in hosts}


def silent(seconds: float) -> Answer:
    """What stands for an answer that does not come in time."""
    return Answer(f"no answer within {seconds:g} s", late=True)


def ahead(answers: Mapping[str, Answer]) -> float | None:
    """How far the clock of one of the registries is ahead of ours, in seconds."""
    return next((answer.ahead for answer in answers.values() if answer.ahead is not None), None)


def _ask(host: str) -> Answer:
    from devenv.backends.registry import Registry, Unanswered  # what speaks HTTP takes long to import

    try:
        answer = Registry(host, "").greet()
    except Unanswered as error:
        return Answer(error.what)
    return Answer(ahead=_ahead(answer.headers.get("date"), time.time()))


def _ahead(date: str | None, now: float) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - now if date else None
    except ValueError:
        return None


def judge_registries(
    wanted: Wanted, answers: Mapping[str, Answer], engine: Engine | Silence | None
) -> Iterator[Verdict]:
    """Whether the registries answer; where the engine has a way of its own, silence is only a warning."""
    if (
        not answers
        and isinstance(engine, Engine)
        and wanted.stack is not None
        and wanted.backend == "compose"
    ):
        yield passed("registries", "every image is here, so none has to be asked")
    for host, answer in answers.items():
        if not answer.trouble:
            yield passed("registries", f"{host} answers")
            continue
        mirrored = host == registries.HUB and isinstance(engine, Engine) and engine.mirrored
        own_way = mirrored or (isinstance(engine, Engine) and engine.proxied)
        verdict = warned if own_way or answer.late else failed
        text = f"{host} does not answer: {answer.trouble}; images are still to come from it"
        hint = registries.refused(f"{host}/", "pulled", answer.trouble).hint
        look = f"curl -sv https://{registries.address_of(host)}/v2/"
        yield verdict("registries", text, look if hint.startswith("again") else hint)


def judge_proxies(environment: Mapping[str, str], engine: Engine | Silence | None) -> Iterator[Verdict]:
    """Whether a proxy of this shell is the engine's too, and leaves this machine's own addresses alone."""
    value = _variable(environment, "https_proxy") or _variable(environment, "http_proxy")
    if not value:
        return
    proxy = without_login(value)
    direct = {entry.strip() for entry in _variable(environment, "no_proxy").split(",")}
    if not direct & {*LOCAL, "*"}:
        text = f"{proxy} is asked for this machine's own addresses as well"
        yield warned("proxies", text, 'export NO_PROXY="localhost,127.0.0.1,::1,$NO_PROXY"')
    elif isinstance(engine, Engine) and not engine.proxied:
        text = f"this shell goes through {proxy}, and the engine that pulls images does not"
        yield warned("proxies", text, CONFIGURE.format(proxy=proxy))
    else:
        yield passed("proxies", proxy)


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.upper()) or ""


def without_login(url: str) -> str:
    """A proxy's address without the user and password in it."""
    scheme, sign, rest = url.rpartition("://")
    server = rest.rpartition("@")[2].partition("/")[0]  # a password may hold whatever else divides a URL
    return f"{scheme if sign else 'http'}://{server}"
