"""A stand-in for Fluent Bit: the few inputs, filters and outputs of its YAML that devenv's default pipeline uses.

It refuses what it does not know, so that a pipeline is never half followed.
"""

from __future__ import annotations

import glob
import json
import re
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import yaml

Record = dict[str, Any]


class Tail:
    """Follows files from their beginning; how far it came is kept, as Fluent Bit's `db` does."""

    def __init__(self, settings: Record, parsers: dict[str, Record]) -> None:
        self.settings, self.parser = settings, parsers.get(settings.get("parser", ""), {})
        self.kept = Path(settings["db"])
        self.offsets: dict[str, int] = {}
        self.back()

    def records(self) -> Iterator[Record]:
        """What is new in the files, a record for each whole line."""
        for path in sorted(glob.glob(self.settings["path"])):
            with open(path, "rb") as file:
                file.seek(self.offsets.get(path, 0))
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self.offsets[path] = self.offsets.get(path, 0) + len(line)
                    text = line.decode(errors="replace").rstrip("\n")
                    as_json = self.parser.get("format") == "json" or text.startswith("{")
                    record = json.loads(text) if as_json else of_cri(text)
                    yield {**record, self.settings["path_key"]: path}

    def back(self) -> None:
        """Begin again where it was when it was last remembered."""
        self.offsets = json.loads(self.kept.read_text()) if self.kept.exists() else {}

    def keep(self) -> None:
        """Remember how far it came."""
        self.kept.write_text(json.dumps(self.offsets))


def of_cri(line: str) -> Record:
    """A line as Kubernetes' runtimes write it."""
    moment, stream, _, text = line.split(" ", 3)
    return {"time": moment, "stream": stream, "log": text}


def accessed(record: Record, key: str) -> Any:
    """What `$attrs['a/b']` or `service` names."""
    parts = [key] if not key.startswith("$") else re.findall(r"\['([^']+)'\]|\$?([\w.]+)", key)
    value: Any = record
    for part in parts:
        name = part if isinstance(part, str) else part[0] or part[1]
        value = value.get(name) if isinstance(value, dict) else None
    return value


def filtered(record: Record, step: Record, parsers: dict[str, Record]) -> Record | None:
    """The record after a filter; None where it is dropped."""
    match step["name"]:
        case "grep":
            key, pattern = step["regex"].split(" ", 1)
            return record if re.search(pattern, str(accessed(record, key) or "")) else None
        case "nest":
            inner = record.pop(step["nested_under"], {})
            return {**record, **inner}
        case "parser":
            pattern = parsers[step["parser"]]["regex"].replace("(?<", "(?P<")
            text = str(record.pop(step["key_name"], ""))
            match = re.search(pattern, text)
            return {**record, **(match.groupdict() if match else {step["key_name"]: text})}
        case "modify":
            for pair in step.get("add", ()):
                key, value = pair.split(" ", 1)
                record.setdefault(key, value)
            for pair in step.get("rename", ()):
                old, new = pair.split(" ", 1)
                if old in record:
                    record[new] = record.pop(old)
            for key in step.get("remove", ()):
                record.pop(key, None)
            return record
    raise SystemExit(f"this stand-in has no filter {step['name']}")


def send(records: list[Record], output: Record) -> None:
    """Pass records on. Raises `OSError` where the store does not answer."""
    match output["name"]:
        case "stdout":
            for record in records:
                print(json.dumps(record), flush=True)
        case "es" | "opensearch":
            create = json.dumps({"create": {"_index": output["index"]}})
            lines = "".join(f"{create}\n{json.dumps(record)}\n" for record in records)
            url = f"http://{output['host']}:{output['port']}/_bulk"
            request = urllib.request.Request(url, lines.encode(), {"Content-Type": "application/x-ndjson"})
            with urllib.request.urlopen(request, timeout=10) as response:
                if json.load(response)["errors"]:
                    print("the store refused records", file=sys.stderr, flush=True)
        case name:
            raise SystemExit(f"this stand-in has no output {name}")


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/v1/health" else 404)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


def main() -> None:
    paths = [word.partition("=")[2] for word in sys.argv[1:] if word.startswith("--config=")]
    config = yaml.safe_load(Path(paths[-1]).read_text())
    parsers = {parser["name"]: parser for parser in config.get("parsers", ())}
    pipeline = config["pipeline"]
    tails = [Tail(settings, parsers) for settings in pipeline["inputs"]]
    server = HTTPServer(("0.0.0.0", config["service"]["http_port"]), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("this is a stand-in of devenv's tests, not Fluent Bit", file=sys.stderr, flush=True)
    while True:
        for tail in tails:
            follow(tail, pipeline, parsers)
        time.sleep(1)


def follow(tail: Tail, pipeline: Record, parsers: dict[str, Record]) -> None:
    """Pass on what is new; what no store took is passed on again."""
    ready: list[Record] = []
    for each in tail.records():
        record: Record | None = each
        for step in pipeline["filters"]:
            if record is not None and step["match"] in ("*", tail.settings["tag"]):
                record = filtered(record, step, parsers)
        if record is not None:
            ready.append({"@timestamp": record.pop("time", None), **record})
    try:
        for output in pipeline["outputs"] if ready else ():
            send(ready, output)
    except OSError as error:
        print(f"{output['name']}: {error}", file=sys.stderr, flush=True)
        tail.back()
    else:
        tail.keep()


main()
