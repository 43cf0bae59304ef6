"""Services in other languages than Python, by what their Dockerfiles and lock files say."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Mapping

import pytest

from tests.e2e.process.conftest import Processes

pytestmark = pytest.mark.long

GO = """
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "one ", os.Args[1:]) })
	panic(http.ListenAndServe(os.Getenv("HOST")+":"+os.Getenv("PORT"), nil))
}
"""
NODE = """
require('http').createServer((request, response) => response.end(`a minute is ${require('ms')('1m')} ms`))
  .listen(process.env.PORT, process.env.HOST)
"""
PACKAGE = {"name": "web", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}}
LOCK = {
    "name": "web",
    "version": "1.0.0",
    "lockfileVersion": 3,
    "packages": {"": PACKAGE, "node_modules/ms": {"version": "2.1.3"}},
}


@pytest.fixture
def go() -> Mapping[str, str]:
    """Variables with which Go finds the standard library that it has compiled before."""
    if shutil.which("go") is None:
        pytest.skip("needs Go")
    asked = subprocess.run(["go", "env", "GOCACHE"], capture_output=True, text=True, check=True)
    return {"GOCACHE": asked.stdout.strip()}


def answer(checkout: Processes, unit: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{checkout.port(unit)}/", timeout=5) as response:
        return str(response.read().decode())


def test_a_program_of_go_is_built_as_its_dockerfile_builds_it(
    plain: Processes, go: Mapping[str, str]
) -> None:
    plain.manifest("services: {api: {build: ./api, port: 8080}}\n")
    plain.write("api/go.mod", "module example.org/api\n\ngo 1.21\n")
    plain.write("api/cmd/api/main.go", GO)
    dockerfile = """
        FROM golang:1.24 AS build
        COPY . .
        RUN CGO_ENABLED=0 go build -o /bin/api ./cmd/api
        FROM scratch
        COPY --from=build /bin/api /bin/api
        ENTRYPOINT ["/bin/api", "--listen=0.0.0.0:8080"]
        """
    plain.write("api/Dockerfile", dockerfile)
    plain.on("up", "-d", within=300, env=go)
    assert answer(plain, "api") == f"one [--listen=127.0.0.1:{plain.port('api')}]"
    assert plain.listening() == {"0100007F"}
    plain.write("api/cmd/api/main.go", GO.replace("one", "two").replace("panic", "fmt.Printl"))
    refused = plain.on("up", "-d", exits=1, within=300, env=go)
    assert "x api could not be built" in refused.stderr
    assert "undefined: fmt.Printl" in refused.stderr
    plain.write("api/cmd/api/main.go", GO.replace("one", "two"))
    plain.on("up", "-d", within=300, env=go)
    assert answer(plain, "api").startswith("two")


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js with npm")
def test_a_service_of_node_may_ask_for_no_package_at_all(plain: Processes) -> None:
    package = {"name": "web", "version": "1.0.0"}
    plain.write("web/package.json", json.dumps(package))
    plain.write("web/package-lock.json", json.dumps({**LOCK, "packages": {"": package}}))
    plain.write("web/server.js", NODE.replace("${require('ms')('1m')}", "60000"))
    plain.write("web/Dockerfile", 'FROM node:24\nCOPY . .\nRUN npm ci\nCMD ["node", "server.js"]\n')
    plain.manifest("services: {web: {build: ./web, port: 3000}}")
    plain.on("up", "-d")
    assert answer(plain, "web") == "a minute is 60000 ms"


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js with npm")
def test_a_service_of_node_has_what_its_lock_file_says(plain: Processes) -> None:
    plain.manifest("services: {web: {build: ./web, port: 3000}}\n")
    plain.write("web/server.js", NODE)
    plain.write("web/package.json", json.dumps(PACKAGE))
    plain.write("web/package-lock.json", json.dumps(LOCK))
    plain.write("web/Dockerfile", 'FROM node:24\nCOPY . .\nRUN npm ci\nCMD ["node", "server.js"]\n')
    plain.on("up", "-d", within=300)
    assert answer(plain, "web") == "a minute is 60000 ms"
    assert plain.listening() == {"0100007F"}


def test_what_only_an_image_has_is_said_with_what_to_write(plain: Processes) -> None:
    plain.manifest("services: {shop: {build: ./shop, port: 8080}}\n")
    plain.write("shop/pom.xml", "<project/>")
    plain.write("shop/Dockerfile", 'FROM temurin\nCOPY . .\nRUN mvn package\nCMD ["/opt/jdk/bin/java"]\n')
    refused = plain.on("up", "-d", exits=1)
    assert "shop runs /opt/jdk/bin/java, which is not on this machine" in refused.stderr
    assert 'services.shop: {host: "mvn -q spring-boot:run"}' in refused.stderr
