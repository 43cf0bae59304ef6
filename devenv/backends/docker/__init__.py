"""The Docker engine through its SDK: lists, commands, logs, events. Only this package imports the SDK."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote

import docker.errors
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from devenv.backends import tls
from devenv.backends.containers import Container, in_network, log_query, running
from devenv.backends.docker.connection import CONNECTING, Refused, connected, speaks, with_labels
from devenv.backends.docker.events import Events
from devenv.backends.frames import log_lines
from devenv.stack.labels import BUILT_AS, LABEL

SILENCE = 300.0  # seconds after which the log of a remote engine is asked for again
GENERATED, ANONYMOUS = re.compile("[0-9a-f]{64}"), "com.docker.volume.anonymous"  # name and label of a volume
USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # of an image that has none
EARLY = (0.2, 3.0)
"""Seconds that a program may print before a busy engine writes down that it started; the most where it
has printed nothing since."""


class Engine:
    """One connection to the engine that the docker CLI would talk to."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.api = connected(address)
        self.events = Events(address, self.api, self.inspect, self.labelled)

    @speaks
    def version(self) -> str:
        """The engine's version."""
        return str(self.api.version()["Version"])

    @speaks
    def info(self) -> Mapping[str, Any]:
        """What the engine says of itself and its machine."""
        return dict(self.api.info())

    def close(self) -> None:
        """End listening and every connection."""
        self.events.close()
        self.api.close()

    # -- looking

    @speaks
    def containers(self) -> list[Container]:
        """Every container on the machine, running or not."""
        return list(self.api.containers(all=True))

    @speaks
    def labelled(self, /, **tags: str) -> list[Container]:
        """Containers with all of our labels `devenv.dev/KEY=VALUE`, the newest first."""
        return list(self.api.containers(all=True, filters=with_labels(tags)))

    @speaks
    def images(self) -> list[Mapping[str, Any]]:
        """Every image on the machine."""
        return list(self.api.images())

    @speaks
    def image(self, name: str) -> Mapping[str, Any]:
        """An image's details; empty when it is not on the machine."""
        try:
            return dict(self.api.inspect_image(name))  # type: ignore[no-untyped-call]
        except docker.errors.NotFound:
            return {}

    @speaks
    def in_registry(self, image: str) -> bool:
        """Whether the image's registry says that it has it, asked with the credentials that a push uses."""
        try:
            return bool(self.digest_in_registry(image))
        except Refused:
            return False

    @speaks
    def digest_in_registry(self, image: str, platform: str = "") -> str:
        """The digest that the image's registry has it under; empty where it has none that runs on a platform.

        Raises `Refused` with what the registry said, or with why it said nothing.
        """
        try:
            answer = self.api.inspect_distribution(image)  # type: ignore[no-untyped-call]
        except docker.errors.NotFound:
            return ""
        except docker.errors.APIError:
            raise
        except docker.errors.DockerException as error:  # of a program that keeps logins
            raise Refused(str(error)) from error
        return str(answer["Descriptor"]["digest"]) if _runs_on(platform, answer) else ""

    @speaks
    def log_tail(self, container: str, lines: int, *, began: int = 0) -> list[str]:
        """The last lines that a container printed, of the run that `began` then (ns) if that is known."""
        raw = b""
        for early in EARLY if began > 0 else (0.0,):
            since: Any = began / 1e9 - early if began > 0 else None
            try:
                raw = raw or self.api.logs(container, tail=lines, since=since)
            except docker.errors.APIError:
                return []
        return [line.rstrip() for line in raw.decode(errors="replace").splitlines()]

    @speaks
    def inspect(self, container: str) -> dict[str, Any]:
        return dict(self.api.inspect_container(container))

    def is_checked(self, container: str) -> bool:
        """Whether the engine checks a container's health, as its image or its file says."""
        return "Health" in self.inspect(container)["State"]

    @speaks
    def lives(self, container: str) -> bool:
        """Whether a process of a container that ran is still there; a busy engine tells of its end late.

        An engine that cannot list processes is believed that it runs.
        """
        try:
            return bool(self.api.top(container)["Processes"])
        except docker.errors.APIError as error:
            return error.status_code not in (404, 409)  # removed, or not running

    def in_network(self, container: str) -> tuple[str, str]:
        """Its address and its machine's in the same network; empty for one that has none, or is gone."""
        try:
            return in_network(self.inspect(container))
        except Refused:
            return "", ""

    def last_check(self, container: str) -> str:
        """The last output of a container's health check in this run; "" for a container that is gone."""
        return next(reversed(self.checks(container)), "")

    @speaks
    def checks(self, container: str) -> Sequence[str]:
        """What the last checks of a container's health printed that ended in this run."""
        try:
            state = self.api.inspect_container(container)["State"]
        except docker.errors.NotFound:
            return ()
        began = datetime.fromisoformat(state["StartedAt"])
        checks = state.get("Health", {}).get("Log") or ()
        return [str(check["Output"]) for check in checks if datetime.fromisoformat(check["Start"]) >= began]

    def ran_out_of_memory(self, container: str) -> bool:
        """Whether the kernel killed it for using too much memory; the event may come late."""
        try:
            return bool(self.inspect(container)["State"].get("OOMKilled"))
        except Refused:  # removed meanwhile
            return False

    @speaks
    def has_file(self, container: str, path: str) -> bool:
        """Whether there is such a file in a container, which need not run, or in its volumes."""
        try:
            self.api.get_archive(container, path)
        except docker.errors.NotFound:
            return False
        return True

    @speaks
    def has_program(self, container: str, program: str) -> bool:
        """Whether a command that is run in a container finds this program."""
        config = self.api.inspect_container(container)["Config"]
        if "/" in program:
            return self.has_file(container, posixpath.join(config["WorkingDir"] or "/", program))
        path = next((entry for entry in config["Env"] or () if entry.startswith("PATH=")), USUAL_PATH)
        folders = path.removeprefix("PATH=").split(":")
        return any(self.has_file(container, posixpath.join("/", folder, program)) for folder in folders)

    @speaks
    def image_has_file(self, image: str, path: str, labels: Mapping[str, str]) -> bool:
        """Whether there is such a file in an image: looked up in a container that never starts.

        `labels` tell whose that is, should this be interrupted before it is removed.
        """
        created = self.api.create_container(image, ["sh"], labels=dict(labels))
        try:
            return self.has_file(created["Id"], path)
        finally:
            self.api.remove_container(created["Id"], v=True, force=True)

    # -- doing

    @speaks
    def unpack(self, container: str, folder: str, tar: Iterable[bytes]) -> None:
        """Unpack a tar in a folder of a container. Raises `Refused`."""
        self.api.put_archive(container, folder, iter(tar))  # a list would be taken for a form

    @speaks
    def start(self, container: str) -> None:
        """Start a container. Raises `Refused` with the engine's reason."""
        self.api.start(container)
        self.events.begin(container)

    @speaks
    def unpause(self, container: str) -> None:
        """Resume a paused container."""
        self.api.unpause(container)

    @speaks
    def restart(self, container: str) -> None:
        """Stop and start a container."""
        self.api.restart(container)
        self.events.begin(container)

    @speaks
    def stop(self, container: str) -> None:
        """Stop a container, giving it the time it asks for; gone already is fine."""
        with suppress(docker.errors.NotFound):
            self.api.stop(container)

    @speaks
    def remove(self, container: str) -> None:
        """Stop a container, giving it the time it asks for, and remove it with its volumes that have no name.

        Gone already is fine.
        """
        with suppress(docker.errors.NotFound):
            self.api.stop(container)
            volumes = [mount.get("Name", "") for mount in self.api.inspect_container(container)["Mounts"]]
            try:
                self.api.remove_container(container, force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise
                self.api.wait(container, condition="removed")  # somebody else removes it
            for volume in filter(GENERATED.fullmatch, volumes):
                self._remove_anonymous(volume)

    def _remove_anonymous(self, volume: str) -> None:
        """Remove what a container took over from the one before it: the engine holds that for named."""
        with suppress(docker.errors.APIError):  # it is gone with its container, or another one has it
            if ANONYMOUS in (self.api.inspect_volume(volume)["Labels"] or {}):
                self.api.remove_volume(volume)

    @speaks
    def forget_builds(self, owner: Mapping[str, str], *, keep: int, latest: str) -> None:
        """Remove all but the images with these labels that were tagged last, as far as nothing uses them.

        Tagged, not created: what comes out of the builder's cache is as old as when it was first made.
        """
        owned = self.api.images(filters={"label": [f"{key}={value}" for key, value in owner.items()]})
        builds = {
            tag
            for image in owned  # images that others built from ours inherit these labels, under other names
            for tag in image["RepoTags"] or ()
            if tag == image["Labels"].get(LABEL + BUILT_AS)
        }
        for name in sorted(builds, key=self._tagged, reverse=True)[keep:]:
            if name != latest:
                with suppress(docker.errors.APIError):
                    self.api.remove_image(name)

    def _tagged(self, image: str) -> str:
        try:
            details = self.api.inspect_image(image)  # type: ignore[no-untyped-call]
            return str(details["Metadata"]["LastTagTime"])
        except docker.errors.APIError:  # removed meanwhile
            return ""

    @speaks
    def volumes(self, /, **tags: str) -> list[str]:
        """Names of volumes with all of our labels."""
        volumes = self.api.volumes(filters=with_labels(tags))["Volumes"] or ()
        return sorted(volume["Name"] for volume in volumes)

    @speaks
    def remove_volume(self, name: str) -> None:
        """Remove a volume and what is in it."""
        self.api.remove_volume(name)

    @speaks
    def remove_networks(self, /, **tags: str) -> None:
        """Remove the networks with all of our labels."""
        for network in self.api.networks(filters=with_labels(tags)):
            self.api.remove_network(network["Id"])

    # -- commands

    def new_exec(self, container: str, argv: Sequence[str], *, user: str = "") -> str:
        """Prepare a command with its stdin open; returns its id. Raises `Refused`."""
        try:
            command = self.api.exec_create(container, list(argv), stdin=True, user=user)
        except docker.errors.APIError as error:
            raise Refused(str(error.explanation or error)) from error
        return str(command["Id"])

    @speaks
    def start_exec(self, id: str) -> Any:
        """Start a command; returns the connection that carries its bytes."""
        connection = self.api.exec_start(id, socket=True)
        return tls.shared(getattr(connection, "_sock", connection))

    def exec_exit_code(self, id: str) -> int | None:
        """What a command ended with; None while it runs, and where its container is gone."""
        try:
            code = self.api.exec_inspect(id)["ExitCode"]
        except docker.errors.APIError:
            return None
        return None if code is None else int(code)

    # -- logs

    def log(
        self, container: str, *, follow: bool, tail: int | None, since: int | None
    ) -> Iterator[list[bytes]]:
        """`containers.log` for an engine that is not at a local socket: a long silence ends it."""
        api = self.api  # its own `logs` reads each line by itself
        url = f"{api.base_url}/v{api.api_version}/containers/{quote(container)}/logs"
        query = log_query(follow=follow, tail=tail, since=since)
        with (
            suppress(RequestException, HTTPError, OSError),
            api.get(f"{url}?{query}", stream=True, timeout=(CONNECTING, SILENCE)) as response,
        ):
            if response.status_code == 200:
                pieces = response.raw.stream(1 << 16)
                yield from log_lines(pieces, response.headers.get("Content-Type", ""))

    @speaks
    def runs(self, container: str) -> bool:
        """Whether a container is there and runs."""
        try:
            return running(self.api.inspect_container(container)["State"])
        except docker.errors.NotFound:
            return False


def _runs_on(platform: str, answer: Mapping[str, Any]) -> bool:
    """Whether what a registry has is for `OS/ARCH`, as far as it says; variants of a processor are alike."""
    rows = answer.get("Platforms") or ()
    wanted = platform.split("/")[:2]
    return not platform or not rows or any([row["os"], row["architecture"]] == wanted for row in rows)
