"""What devenv asks of the `docker` program, of an engine that is `tests.engine.fake`: create, exec and run."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests import documents


def ask(verb: str, resource: str, body: Any = None) -> Any:
    """One request to the engine. Ends the program with the engine's reason when that refuses."""
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(os.environ["DOCKER_HOST"].removeprefix("unix://"))
    connection.request(verb, resource, json.dumps(body))
    response = connection.getresponse()
    raw = response.read()
    answer = json.loads(raw or b"{}")
    if response.status >= 400:
        raise SystemExit(f"Error response from daemon: {answer['message']}")
    return answer


def main(argv: Sequence[str]) -> None:
    match argv:
        case ["compose", "-f", file, "up", *rest]:
            names = [word for word in rest if not word.startswith("--") and word != "never"]
            project = documents.load(Path(file).read_text(encoding="utf-8"))
            create(project, names, anew="--force-recreate" in rest)
        case ["compose", "-f", file, "run", *rest]:
            rest = [word for word in rest if word not in ("--rm", "--no-deps", "-T")]
            name, *command = rest[rest.index("--name") + 2 :]
            service = documents.load(Path(file).read_text(encoding="utf-8"))["services"][name]
            execute(command or made_of(service)["Cmd"], made_of(service)["Env"])
        case ["exec", *rest]:
            name, *command = [word for word in rest if word not in ("-i", "-t")]
            state = ask("GET", f"/containers/{name}/json")["State"]["Status"]
            if state != "running":
                raise SystemExit(f"Error response from daemon: container {name} is not running")
            execute(command, {})
        case ["compose", "version", "--short"]:
            print("2.40.3-3")
        case ["buildx", "version"]:
            print("github.com/docker/buildx 0.29.1+ds1 0.29.1+ds1-4")
        case _:
            raise SystemExit(f"the fake docker program has no {argv}")


def execute(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    try:
        os.execvpe(argv[0], list(argv), {**os.environ, **environment})
    except OSError as error:
        print(f"OCI runtime exec failed: exec: {argv[0]!r}: {error.strerror}", file=sys.stderr)
        raise SystemExit(127) from error


def create(project: Mapping[str, Any], names: Sequence[str], *, anew: bool) -> None:
    """As `up --no-start` does it: what is there and as it should be stays."""
    for name, volume in (project.get("volumes") or {}).items():
        ask("POST", "/volumes/create", {"Name": volume.get("name", name), "Labels": volume.get("labels", {})})
    for name in names:
        wanted = made_of(project["services"][name])
        digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
        mine = {"com.docker.compose.project": project["name"], "com.docker.compose.service": name}
        wanted["Labels"] |= mine | {"com.docker.compose.config-hash": digest}
        filters = quote(json.dumps({"label": [f"{key}={value}" for key, value in mine.items()]}))
        existing = ask("GET", f"/containers/json?all=true&filters={filters}")
        same = (
            []
            if anew
            else [
                container
                for container in existing
                if container["Labels"]["com.docker.compose.config-hash"] == digest
            ]
        )
        for container in existing:
            if container not in same:
                ask("DELETE", f"/containers/{container['Id']}")
        if not same:
            ask("POST", f"/containers/create?name={project['name']}-{name}-1", wanted)


def made_of(service: Mapping[str, Any]) -> dict[str, Any]:
    """A service of a Compose file as the API has it."""
    check = (service.get("healthcheck") or {}).get("test") or ["NONE"]
    return {
        "Image": service["image"],
        "Cmd": [word.replace("$$", "$") for word in service["command"]],
        "Env": {
            key: str(value).replace("$$", "$") for key, value in (service.get("environment") or {}).items()
        },
        "Labels": {key: str(value).replace("$$", "$") for key, value in service["labels"].items()},
        "Healthcheck": check[1:] if check[0] == "CMD" else [],
        "Tty": bool(service.get("tty")),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
