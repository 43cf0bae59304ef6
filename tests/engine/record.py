"""Writes down how a real engine answers, for the fake one to answer likewise: `python -m tests.engine.record`.

Needs a Docker engine and the image busybox:1.37. What differs from run to run is replaced by the fake.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docker.api.client import APIClient
from docker.errors import APIError

FILE = Path(__file__).with_name("recorded.json")
INFO = (
    "ServerVersion", "MemTotal", "NCPU", "Architecture", "OSType", "OperatingSystem", "DockerRootDir",
    "SystemTime", "HttpProxy", "HttpsProxy", "NoProxy", "RegistryConfig",
)  # fmt: skip
"""The parts of what an engine says of itself that devenv may read."""


def main() -> None:
    api = APIClient(version="auto")
    name = f"devenv-record-{uuid.uuid4().hex[:6]}"
    began = time.time() - 1
    container = api.create_container(
        "busybox:1.37",
        ["sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done"],
        name=name,
        labels={"devenv.record": name},
        volumes=["/data"],
        healthcheck={
            "test": ["CMD", "true"],
            "interval": 10**9,
            "start_interval": 10**8,
            "start_period": 10**9,
        },
        host_config=api.create_host_config(binds=[f"{name}:/data"]),
    )["Id"]
    recorded: dict[str, Any] = {"version": api.version(), "info": {key: api.info()[key] for key in INFO}}
    try:
        recorded["created"] = inspected(api, container)
        api.start(container)
        while api.inspect_container(container)["State"]["Health"]["Status"] != "healthy":
            time.sleep(0.05)
        recorded["running"] = inspected(api, container)
        (recorded["listed"],) = api.containers(filters={"label": f"devenv.record={name}"})
        api.restart(container, timeout=5)
        api.stop(container, timeout=5)
        recorded["exited"] = inspected(api, container)
        (recorded["listed exited"],) = api.containers(all=True, filters={"label": f"devenv.record={name}"})
        (recorded["volume"],) = api.volumes(filters={"name": name})["Volumes"]
        recorded["networks"] = [net for net in api.networks() if net["Name"] == "bridge"]
        recorded["image"] = next(
            image for image in api.images() if "busybox:1.37" in (image["RepoTags"] or ())
        )
        recorded["refusals"] = {
            "no container": refusal(lambda: api.inspect_container("no-such-container")),
            "not running": refusal(lambda: api.exec_create(container, ["true"])),
        }
    finally:
        api.remove_container(container, force=True)
        api.remove_volume(name)
    recorded["events"] = events(api, name, began)
    FILE.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def inspected(api: APIClient, container: str) -> Mapping[str, Any]:
    """The parts that devenv may read."""
    answer = api.inspect_container(container)
    return {
        key: answer[key] for key in ("Id", "Created", "State", "Name", "RestartCount", "Config", "Mounts")
    }


def refusal(ask: Any) -> list[Any]:
    try:
        ask()
    except APIError as error:
        return [error.response.status_code, error.response.json()]
    raise SystemExit("the engine did not refuse")


def events(api: APIClient, name: str, since: float) -> list[Any]:
    recorded: list[Any] = []
    stream = api.events(
        since=since,
        until=time.time() + 1,
        filters={"type": "container", "label": f"devenv.record={name}"},
        decode=True,
    )
    reading = threading.Thread(target=lambda: recorded.extend(stream))
    reading.start()
    reading.join(10)
    return recorded


if __name__ == "__main__":
    main()
