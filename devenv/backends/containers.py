"""The engine's containers and images as values, each list in one request.

Talks to a local engine's socket directly: importing the SDK takes longer than `docker compose ps` does, and
reading is what people do most.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from devenv.backends import contexts, frames, unix_http, versions
from devenv.errors import ToolMissing
from devenv.plan.model import ObservedUnit
from devenv.stack import labels

Container = Mapping[str, Any]

FEW = 3  # images that are asked for one by one

SILENCE = 20.0  # seconds after which whoever follows a log makes sure that its container still runs

USUAL = "unix:///var/run/docker.sock"  # where the engine answers unless something names another place
OTHERS = (
    "{XDG_RUNTIME_DIR}/docker.sock",
    "{HOME}/.docker/run/docker.sock",
    "{HOME}/.docker/desktop/docker.sock",
    "{HOME}/.colima/default/docker.sock",
    "{HOME}/.orbstack/run/docker.sock",
    "{HOME}/.rd/docker.sock",
)
"""Sockets of a rootless Docker, and of desktops, of which some are told to leave the usual one alone."""


def all_containers(address: str) -> list[Container] | None:
    """Every container on the machine; None when the address is not a local socket.

    Raises `ToolMissing` when nothing answers.
    """
    answer = _ask(address, "/containers/json?all=true")
    return None if answer is None else list(answer)


def images(address: str, *, sizes: bool = False) -> list[Mapping[str, Any]] | None:
    """Every image on the machine, if `sizes` with what it shares with others; as above otherwise."""
    answer = _ask(address, "/images/json?shared-size=1" if sizes else "/images/json")
    return None if answer is None else list(answer)


@dataclass(frozen=True, slots=True)
class Local:
    """The images on this machine by name: their ids, which stand in for real ones, which were made here."""

    stand_ins: frozenset[str] = frozenset()
    ids: Mapping[str, str] = field(default_factory=dict)
    made: frozenset[str] = frozenset()

    def has_other(self, name: str, *, brought: str, held: str = "") -> bool:
        """Whether that name means another image here than on a cluster.

        `brought`: the id that the image had here when it was brought there. Where nothing tells, the id that
        the cluster has for it, `held`, compares with those of images that were made here.
        """
        canonical = _canonical(name)
        if brought:
            return self.ids.get(canonical, brought) != brought
        return bool(held) and canonical in self.made and self.ids[canonical] != held


def local(address: str) -> Local:
    """What this machine's images say of those that were brought to nodes; nothing where no engine answers."""
    try:
        listing = images(address) or ()
    except ToolMissing:
        return Local()
    named = [(name, image) for image in listing for name in image.get("RepoTags") or ()]
    return Local(
        frozenset(
            name for name, image in named if (image.get("Labels") or {}).get("devenv.standin") == "true"
        ),
        {name: str(image["Id"]) for name, image in named},
        # An image with a digest came from a registry, or lies where ids are of another kind than in a node.
        frozenset(name for name, image in named if not image.get("RepoDigests")),
    )


def image(address: str, name: str) -> Mapping[str, Any] | None:
    """An image's details; None when the image is not here or the address is not a local socket."""
    details = _ask(address, f"/images/{quote(name, safe='/:@')}/json")
    return None if details is None else dict(details)


def details(address: str, wanted: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """The details of those images that are here, by name; as above otherwise."""
    if len(wanted) > FEW:  # most of many may be missing
        wanted = named(images(address) or (), wanted)
    answers = {name: image(address, name) for name in wanted}
    return {name: answer for name, answer in answers.items() if answer}


def version(address: str) -> str | None:
    """The engine's version, `Podman 4.9.3` for one that is no Docker; None and `ToolMissing` as above."""
    answer = _ask(address, "/version")
    if answer is None:
        return None
    parts = [str(part.get("Name")) for part in answer.get("Components") or ()]
    return ("Podman " if "Podman Engine" in parts else "") + str(answer["Version"])


def info(address: str) -> Mapping[str, Any] | None:
    """What the engine says of itself and its machine; None and `ToolMissing` as above."""
    answer = _ask(address, "/info")
    return None if answer is None else dict(answer)


def runs(address: str, container: str) -> bool | None:
    """Whether a container is there and runs; None and `ToolMissing` as above."""
    if not address.startswith("unix://"):
        return None
    details = _ask(address, f"/containers/{quote(container)}/json")
    return details is not None and running(details["State"])


def running(state: Mapping[str, Any]) -> bool:
    """Whether a container has a run now; the engine holds one for running that waits for its next."""
    return bool(state["Running"]) and not state["Restarting"]


def log(
    address: str,
    container: str,
    *,
    follow: bool,
    tail: int | None,
    since: int | None,
    silence: float = SILENCE,
    goes_on: Callable[[], bool] = lambda: True,
) -> Iterator[list[bytes]] | None:
    """Batches of a container's lines with their times; with `follow` until its run ends.

    None as above. They end where the container is not there, or the engine goes away, and where `goes_on`
    denies, after a silence, that more may come.
    """
    if not address.startswith("unix://"):
        return None
    resource = f"/containers/{quote(container)}/logs?{log_query(follow=follow, tail=tail, since=since)}"
    return _log(address.removeprefix("unix://"), resource, silence, goes_on)


def _log(path: str, resource: str, silence: float, goes_on: Callable[[], bool]) -> Iterator[list[bytes]]:
    with suppress(OSError), unix_http.get(path, resource, quiet=silence, goes_on=goes_on) as response:
        if response.status == 200:
            yield from frames.log_lines(response.pieces(), response.headers.get("content-type", ""))


def log_query(*, follow: bool, tail: int | None, since: int | None) -> str:
    """The query for a container's log; `since` in seconds since the epoch."""
    query = {"stdout": 1, "stderr": 1, "timestamps": 1, "follow": int(follow)}
    return urlencode(query | {"tail": "all" if tail is None else tail, "since": since or 0})


def _ask(address: str, resource: str) -> Any:
    if not address.startswith("unix://"):
        return None
    try:
        status, body = unix_http.fetch(address.removeprefix("unix://"), resource)
        return json.loads(body) if status == 200 else None
    except (unix_http.BadAnswer, ValueError) as error:
        message = f"what answers at {address} is no Docker engine"
        raise ToolMissing(message, why=str(error), hint="docker context ls") from error
    except OSError as error:
        raise unreachable(address, str(error)) from error


def reach(address: str) -> None:
    """Raises `ToolMissing` when nothing answers at a local socket; the SDK would leave a connection open."""
    if address.startswith("unix://"):
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine:
                engine.connect(address.removeprefix("unix://"))
        except OSError as error:
            raise unreachable(address, str(error)) from error


def absent(environment: Mapping[str, str] = os.environ) -> str:
    """The usual socket, if no engine is there, and where else one is; "" if one may be, or if it is named."""
    path = USUAL.removeprefix("unix://")
    if address(environment) != USUAL or _listens(path) is not False:
        return ""
    other = elsewhere(environment)
    return f"{path}, though at {other}" if other else path


def elsewhere(environment: Mapping[str, str] = os.environ) -> str:
    """The address of an engine that answers where a rootless Docker or a desktop has its own; "" for none."""
    folders = {"HOME": os.path.expanduser("~"), **environment}
    paths = (path.format_map(folders) for path in OTHERS if path[1 : path.index("}")] in folders)
    return next((f"unix://{path}" for path in paths if _listens(path)), "")


def _listens(path: str) -> bool | None:
    """Whether somebody listens at a socket; None for one that does not let us in."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine:
            engine.connect(path)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return False
    except OSError:
        return None
    return True


def address(environment: Mapping[str, str] = os.environ) -> str:
    """The engine the docker CLI talks to: DOCKER_HOST, else the current context, else the usual socket."""
    if host := environment.get("DOCKER_HOST"):
        return host
    context = contexts.current(environment)
    return context.address if context else USUAL


def described(version: str, address: str) -> str:
    """`Docker 28.5.2`, with the address if it is not the usual one. Raises `ToolMissing` if it is too old."""
    if version.startswith("Podman"):
        raise ToolMissing(
            f"{version} answers at {address}",
            why="devenv needs Docker itself, 25 or newer",
            hint="devenv up -b process   needs no engine",
        )
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < versions.DOCKER:
        raise ToolMissing(
            f"the Docker engine is {version}", why="devenv needs 25 or newer", hint="update Docker"
        )
    engine = f"Docker {version.partition('+')[0]}"
    return engine if address == USUAL else f"{engine} at {address}"


def named(images: Iterable[Mapping[str, Any]], wanted: Iterable[str]) -> frozenset[str]:
    """Those of the wanted images that are among these."""
    names = {
        name
        for image in images
        for name in [*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())]
    }
    return frozenset(image for image in wanted if _canonical(image) in names)


def _canonical(image: str) -> str:
    """An image's name as the engine lists it: without Docker Hub's prefix, with its tag."""
    name = image.removeprefix("docker.io/").removeprefix("library/")
    if "@" in name:
        return re.sub(r":[^:@/]+@", "@", name)
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


START = (
    "start Docker Desktop, or: sudo systemctl start docker   (to install: https://docs.docker.com/get-docker)"
)


def unreachable(address: str, why: str, environment: Mapping[str, str] = os.environ) -> ToolMissing:
    """The error for an engine that does not answer."""
    if "Permission denied" in why:
        return ToolMissing(
            f"no right to talk to the Docker engine at {address}",
            hint="sudo usermod -aG docker $USER   then log in again",
        )
    if address.startswith("ssh:"):
        place = urlsplit(address)
        return ToolMissing(
            "devenv reaches no Docker engine through ssh by itself",
            where=address,
            hint=f"ssh -fNL /tmp/docker.sock:{place.path or '/var/run/docker.sock'} {place.netloc}   "
            "then: export DOCKER_HOST=unix:///tmp/docker.sock",
        )
    if refused := _refused_by_tls(why):
        return ToolMissing(
            f"the Docker engine at {address} cannot be talked to with TLS as it is set up here",
            why=refused,
            hint="export DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=FOLDER   # with ca.pem, cert.pem, key.pem",
        )
    return ToolMissing(f"no Docker engine answers at {address}", hint=another(address, environment) or START)


def _refused_by_tls(why: str) -> str:
    """What TLS is at odds about, in words; "" where it is not."""
    if "HTTP request to an HTTPS server" in why:
        return "it wants TLS, and neither DOCKER_TLS_VERIFY nor a Docker context says so"
    refused = re.search(r"\[SSL[^]]*\] ([^(]+)", why)
    return refused[1].strip() if refused else ""


def another(address: str, environment: Mapping[str, str] = os.environ) -> str:
    """What leads from an address without an engine to one that has one, or that is the usual one."""
    if environment.get("DOCKER_HOST") == address:
        return "start that engine, or: unset DOCKER_HOST   # it names that address"
    if address != USUAL:
        return "docker context use default   # another one is in use"
    other = elsewhere(environment)
    return other and f"export DOCKER_HOST={other}   # an engine answers there"


ONE_OFF = "com.docker.compose.oneoff"
"""Compose's label of what runs beside a unit's own container."""


def one_off(container: Container) -> bool:
    """Whether it is a container of `devenv run`."""
    return bool(container["Labels"].get(ONE_OFF) == "True")


def observed_unit(container: Container) -> ObservedUnit:
    """A container of ours as a value."""
    tags = labels.read(container["Labels"])
    status = container.get("Status", "")
    exit_code = re.match(r"Exited \((\d+)\)", status)
    return replace(
        ObservedUnit.from_labels(tags, id=container["Id"], state=container["State"]),
        healthy=_health(status),
        exit_code=int(exit_code[1]) if exit_code else 0,
        image=container["Image"],
        # The engine lists a container's image by its id once the name means another one.
        image_moved=container["Image"].startswith("sha256:"),
        volumes=tuple(sorted(_kept(container, tags.stack))),
        in_network=in_network(container),
        # Containers inherit their image's labels.
        stand_in=container["Labels"].get("devenv.standin") == "true",
    )


def in_network(container: Container) -> tuple[str, str]:
    """A container's address, and its engine's machine's in the same network; empty where it has none."""
    networks = ((container.get("NetworkSettings") or {}).get("Networks") or {}).values()
    pairs = ((network.get("IPAddress") or "", network.get("Gateway") or "") for network in networks)
    return next((pair for pair in pairs if all(pair)), ("", ""))


def _kept(container: Container, stack: str) -> Iterator[str]:
    """Its volumes that outlive it: named after the stack, as those without a name are not."""
    for mount in container.get("Mounts") or ():
        if mount["Type"] == "volume" and mount["Name"].startswith(f"{stack}_"):
            yield mount["Name"]


def _health(status: str) -> bool | None:
    """From `Up 3 minutes (healthy)`, `(unhealthy)` or `(health: starting)`; None where nobody checks."""
    if "(healthy)" in status:
        return True
    return False if "(unhealthy)" in status or "(health: starting)" in status else None


def published(container: Container) -> Iterator[int]:
    """The ports of this machine that a container holds."""
    for port in container.get("Ports") or ():
        if "PublicPort" in port:
            yield int(port["PublicPort"])


def owner(container: Container) -> str:
    """Who a container belongs to, for messages."""
    tags = labels.read(container["Labels"])
    name = container["Names"][0].lstrip("/") if container.get("Names") else container["Id"][:12]
    if tags.stack:
        return f"{tags.unit or name} of the stack {tags.stack}"
    project = container["Labels"].get("com.docker.compose.project")
    return f"container {name}" + (f" of the Compose project {project}" if project else "")
