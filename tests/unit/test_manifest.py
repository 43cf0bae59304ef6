"""What is refused, and how: every problem at its place, all at once, with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from devenv.errors import ManifestInvalid
from devenv.manifest import source
from devenv.manifest.fields import cores, seconds, size
from devenv.manifest.models import Manifest, schema
from devenv.manifest.parse import parse
from devenv.manifest.rules import RULES
from devenv.manifest.rules.scope import KindFacts, Scope
from devenv.manifest.source import Finding
from devenv.stack.kinds.catalogue import Facts
from tests import documents
from tests.table import each_row

from .stacks import CATALOGUE, editor, manifest, problems

ROOT = Path(__file__).resolve().parents[2]

OK = "  ok: {image: x}\n"

UNROUTED = "no service has a route - write route: /   for a service, or remove it"

BROKEN = {
    "metrics at no path": (
        "name: a\nservices:\n  api: {image: x, port: 80, metrics: {path: metrics}}\n",
        ["3:39: services.api.metrics.path: is not a path - write /metrics"],
    ),
    "metrics at no port": (
        "name: a\nservices:\n  api: {image: x, port: 80, metrics: admn}\n  b: {image: x, metrics: /metrics}\n",
        [
            '3:29: services.api.metrics.port: no port "admn" - it has: http',
            "4:17: services.b.metrics: b has no port to ask - add port:",
        ],
    ),
    "what takes no traces": (
        "name: a\ntracing: postgres\nservices:\n  api: {image: x}\n",
        ["2:1: tracing.to: postgres takes no traces - one of: jaeger, otel-collector"],
    ),
    "an unknown key": (
        "name: a\nservices:\n  api: {image: x, comand: y}\n",
        ['3:19: services.api.comand: unknown key - did you mean "command"?'],
    ),
    "an image as the context": (
        "name: a\nservices:\n  api: {build: 'docker-image://acme/api:1'}\n",
        [
            "3:9: services.api.build.context: the context is a folder, with the Dockerfile in it - COPY --from=source,"
            " with additional_contexts: {source: docker-image://acme/api:1}"
        ],
    ),
    "a login in a URL": (
        "name: a\nservices:\n  api: {build: 'https://me:t0ken@git.test/api.git#main'}\n",
        [
            "3:9: services.api.build.context: a login in a URL is seen by everybody"
            " - git@HOST:NAME.git, and build.ssh: default for your key"
        ],
    ),
    "two words for one store": (
        "name: a\nservices:\n  api: {image: x, uses: [redis, valkey]}\n",
        [
            "3:33: services.api.uses[1]: valkey and redis are two words for one store"
            " - write redis, or name both: infra: {redis: {}, valkey: {}}"
        ],
    ),
    "a request that nothing takes": (
        "name: a\nservices:\n  api: {image: x}\nsmoke: [api/]\n",
        ["4:9: smoke[0]: api has no port to ask - add port: to services.api"],
    ),
    "a key written twice": (
        "name: a\nname: b\n",
        ["2:1: name: written twice - YAML would silently keep the last one"],
    ),
    "a wrong type": (
        'name: a\nservices:\n  api: {image: x, port: "80"}\n',
        ['3:19: services.api.port: expected a whole number, found the text "80" - remove the quotes'],
    ),
    "an alias that is another unit": (
        "name: a\nservices:\n" + OK + "  api: {image: x, aliases: [ok]}\n",
        ["4:29: services.api.aliases[0]: services.ok has that name already - choose another one"],
    ),
    "a value that is none": (
        "name: a\nservices:\n  api: {image: x, env: {A: }}\n",
        [
            '3:25: services.api.env.A: has no value - write ${env.A} for this machine\'s, or "" if it is to be empty'
        ],
    ),
    "no name": ("services:\n" + OK, ["1:1: name: is missing"]),
    "a name with an underscore": (
        "name: a\nservices:\n  my_api: {image: x}\n",
        [
            "3:3: services.my_api: a name is lower-case letters, digits and hyphens (it becomes a host name)"
            ' - write "my-api"'
        ],
    ),
    "a name that is too long": (
        f"name: a\nservices:\n  {'a' * 64}: {{image: x}}\n",
        [f"3:3: services.{'a' * 64}: a name has at most 63 characters, this one has 64"],
    ),
    "one name for two things": (
        "name: a\nservices:\n  db: {image: x}\ninfra:\n  db: {kind: postgres}\n",
        ["5:3: infra.db: services.db has that name already - rename one of them"],
    ),
    "a store of no kind with the name of a service": (
        "name: a\nservices:\n  front: {image: x}\ninfra:\n  front:\n",
        [
            '5:3: infra.front: no infra kind "front" - `devenv kinds` lists the kinds',
            "5:3: infra.front: services.front has that name already - rename one of them",
        ],
    ),
    "neither build nor image": (
        "name: a\nservices:\n  api: {port: 80}\n",
        [
            "3:3: services.api: has neither build nor image"
            " - build: ./folder-with-a-Dockerfile, or image: name:tag"
        ],
    ),
    "no name of an image": (
        "name: a\nservices:\n  a: {image: 'nginx:'}\n  b: {image: Nginx}\n"
        f"  c: {{image: 'r.io:5000/a/b_c/d--e:1.2_x@sha256:{'0' * 64}'}}\ninfra: {{postgres: {{image: postgis/}}}}\n",
        [
            '3:7: services.a.image: "nginx:" is not the name of an image - name:tag in lower-case letters: nginx:1.27',
            '4:7: services.b.image: "Nginx" is not the name of an image - name:tag in lower-case letters: nginx:1.27',
            '6:20: infra.postgres.image: "postgis/" is not the name of an image'
            " - name:tag in lower-case letters: nginx:1.27",
        ],
    ),
    "build and image": (
        "name: a\nservices:\n  api: {build: ., image: x}\n",
        ["3:19: services.api.image: cannot be combined with build - keep one of them"],
    ),
    "what is used is not there": (
        "name: a\nservices:\n  api: {image: x, uses: [postgers]}\n",
        ['3:26: services.api.uses[0]: no service, job or infra kind "postgers" - did you mean "postgres"?'],
    ),
    "a cycle": (
        "name: a\nservices:\n  a: {image: x, uses: [b]}\n  b: {image: x, uses: [c]}\n"
        "  c: {image: x, uses: [a]}\n",
        ["3:17: services.a.uses: a cycle: a -> b -> c -> a - remove one of them"],
    ),
    "one that uses itself": (
        "name: a\nservices:\n  a: {image: x, uses: [a]}\n",
        ["3:24: services.a.uses[0]: uses itself - remove it"],
    ),
    "a part of what has none": (
        "name: a\nservices:\n  a: {image: x, uses: [mailpit/b]}\n",
        ['3:24: services.a.uses[0]: "mailpit" has no parts - write "mailpit"'],
    ),
    "one port for two": (
        "name: a\nservices:\n  a: {image: x, port: 80, publish: 8080}\n"
        "  b: {image: x, port: 80, publish: 8080}\n",
        ["4:27: services.b.publish: services.a is published on 8080 already - change one of them"],
    ),
    "one route for two": (
        "name: a\nservices:\n  a: {image: x, port: 80, route: /x}\n  b: {image: x, port: 80, route: /x}\n",
        ["4:27: services.b.route[0]: services.a has the route /x already - keep one of them"],
    ),
    "a route that is no path": (
        "name: a\nservices:\n  a: {image: x, port: 80, route: x}\n",
        ['3:27: services.a.route[0]: "x" is not a path - write "/x"'],
    ),
    "a route without a port": (
        "name: a\nservices:\n  a: {image: x, route: /}\n",
        ["3:17: services.a.route: a service with a route needs a port - add port:"],
    ),
    "a port name that is not there": (
        "name: a\nservices:\n  a: {image: x, ports: {http: 80}, publish: {htp: 1}}\n",
        ['3:46: services.a.publish.htp: no port "htp" - did you mean "http"?'],
    ),
    "a port out of range": (
        "name: a\nservices:\n  a: {image: x, port: 70000}\n",
        [
            "3:17: services.a.port: 70000 is out of range - should be less than or equal to 65535",
        ],
    ),
    "two probes": (
        "name: a\nservices:\n  a: {image: x, port: 80, health: {http: /, tcp: 80}}\n",
        ["3:27: services.a.health: needs one of http, tcp, grpc, exec, and has http and tcp"],
    ),
    "a time that is none": (
        "name: a\nservices:\n  a: {image: x, grace: soon}\n",
        ["3:17: services.a.grace: is not a duration - write 500ms, 2s or 1m30s"],
    ),
    "a context outside": (
        "name: a\nservices:\n  a: {build: ../other}\n",
        [
            '3:7: services.a.build.context: "../other" is outside the project'
            " - write a path beside or below devenv.yaml",
            '3:7: services.a.build.dockerfile: "../other/Dockerfile" is outside the project'
            " - write a path beside or below devenv.yaml",
        ],
    ),
    "an absolute file": (
        "name: a\nservices:\n  a: {image: x, files: {/etc/a: /etc/passwd}}\n",
        [
            '3:25: services.a.files./etc/a: "/etc/passwd" is outside the project'
            " - write a path beside or below devenv.yaml"
        ],
    ),
    "a target that climbs": (
        "name: a\nservices:\n  a: {image: x, volumes: {data: /x/../../etc}}\n",
        [
            '3:27: services.a.volumes.data: "/x/../../etc" is not a path in a container - write an absolute path below /'
        ],
    ),
    "a reference to nothing": (
        'name: a\nservices:\n  a: {image: x, env: {A: "${oders.url}"}}\n  orders: {image: x, port: 80}\n',
        ['3:23: services.a.env.A: ${oders.url}: no service or store "oders" - did you mean "orders"?'],
    ),
    "a reference without a name": (
        'name: a\nservices:\n  a: {image: x, env: {A: "${HOME}"}}\n',
        [
            "3:23: services.a.env.A: ${HOME} is not a known reference"
            " - write ${env.HOME}, ${secret.HOME} if it is one, or $${ for what the shell fills in"
        ],
    ),
    "an attribute that is not there": (
        'name: a\nservices:\n  a: {image: x, uses: [valkey], env: {A: "${valkey.user}"}}\n',
        [
            '3:39: services.a.env.A: ${valkey.user}: valkey has no "user"'
            " - it has: address, appendonly, database, host, maxmemory, memory, password, policy, port,"
            " public_address, public_host, public_port, public_url, queue, url, version"
        ],
    ),
    "a reference without an end": (
        'name: a\nservices:\n  a: {image: x, env: {A: "${a.url"}}\n',
        ['3:23: services.a.env.A: "${a.url" is not closed - close it with }, or write $${ for a literal ${'],
    ),
    "a kind that is not there": (
        "name: a\ninfra:\n  db: {kind: postgress}\n",
        ['3:8: infra.db.kind: no infra kind "postgress" - did you mean "postgres"?'],
    ),
    "a version that a kind does not run": (
        'name: a\ninfra:\n  mongo: {version: "3.4"}\n',
        [
            "3:11: infra.mongo.version: the kind mongo does not support version 3.4:"
            " its check needs mongosh, which comes with 5 - use 5.0 or newer, or run the old version as a service"
        ],
    ),
    "an address that is no URL": (
        "name: a\ninfra:\n  mongo: {external: db.local}\n",
        ["3:11: infra.mongo.external: is not a URL - write SCHEME://USER:PASSWORD@HOST:PORT/NAME"],
    ),
    "an option that a kind has not": (
        "name: a\ninfra:\n  postgres: {databse: x}\n",
        ['3:14: infra.postgres.databse: unknown key - did you mean "database"?'],
    ),
    "an option of the wrong type": (
        "name: a\ninfra:\n  postgres: {database: [x]}\n",
        ["3:14: infra.postgres.database: expected text"],
    ),
    "seed where there is none": (
        "name: a\ninfra:\n  valkey: {seed: x.sql}\n",
        ["3:12: infra.valkey.seed: valkey has no seed - remove it"],
    ),
    "a job like nothing": (
        "name: a\nservices:\n  api: {image: x}\njobs:\n  j: {like: apy}\n",
        ['5:7: jobs.j.like: no service "apy" - did you mean "api"?'],
    ),
    "a profile of nothing": (
        "name: a\nservices:\n  api: {image: x}\nprofiles: {lite: [apy]}\n",
        ['4:19: profiles.lite[0]: no service, job or store "apy" - did you mean "api"?'],
    ),
    "a tab": (
        "name: a\nservices:\n\tapi: {image: x}\n",
        ["3:1: found character that cannot start any token - indent with spaces, not tabs"],
    ),
    "no YAML": (
        "name: a\nservices: [\n",
        ["3:1: did not find expected node content"],
    ),
    "an empty file": ("", ["1:1: the file is empty - begin with `services:`"]),
    "a list": ("- a\n", ["1:1: a manifest is a mapping - begin with `services:`"]),
    "the Nix tool's file": (
        "inputs:\n  nixpkgs:\n    url: github:x\n",
        [
            "1:1: inputs: this is the configuration of the Nix tool that is also called devenv"
            " - name the stack's manifest with -f FILE or DEVENV_FILE"
        ],
    ),
    "a tag": (
        "name: !!python/object:os.system a\n",
        ["1:7: name: the tag 'tag:yaml.org,2002:python/object:os.system' means nothing here"],
    ),
    "a character that nobody sees": ("name: a\x07b\n", ["1:1: a character YAML does not allow: '\\x07'"]),
    "two documents": ("name: a\n---\nname: b\n", ["2:1: but found another document"]),
    "a key that is a list": ("name: a\n? [a, b]\n: c\n", ["2:3: a key has to be plain text"]),
    "a merge of nothing": (
        "name: a\nservices:\n  s: {<<: 5, image: x}\n",
        ["3:11: services.s: `<<` takes a mapping"],
    ),
    "an alias to what it stands in": (
        "name: a\nservices: &a {b: *a}\n",
        ["2:11: aliases that expand without end"],
    ),
    "a value in want of quotes": (
        "name: a\nservices:\n  api: image: x\n",
        [
            "3:13: mapping values are not allowed in this context"
            " - is a line above indented differently, or does a value with ': ' need quotes?"
        ],
    ),
    "text where a service belongs": (
        "name: a\nservices:\n  api: x\n",
        ['3:3: services.api: expected a mapping, found the text "x"'],
    ),
    "no value at all": ("name: a\nservices:\n", ["2:1: services: expected a mapping, found nothing"]),
    "a number where text belongs": (
        "name: a\nservices:\n  api: {image: 5}\n",
        ["3:9: services.api.image: expected text, found the number 5 - put it in quotes"],
    ),
    "what may be of two types and is neither": (
        'name: a\nservices:\n  api: {image: x, port: 80, publish: "80", command: {a: b}, reload: {restart: 5}}\n',
        [
            '3:29: services.api.publish: expected a whole number or a mapping, found the text "80" - remove the quotes',
            "3:44: services.api.command: expected text or a list, found a mapping",
            "3:70: services.api.reload.restart: expected true or false or a list, found the number 5",
        ],
    ),
    "a word that is none of the known ones": (
        "name: a\nbackend: podman\n",
        ["2:1: backend: cannot be 'podman' - one of 'compose', 'minikube', 'kube' or 'process'"],
    ),
    "a key of a file's secret": (
        "name: a\nservices:\n  api: {image: x, files: {/a: {secrt: KEY}}}\n",
        ['3:32: services.api.files./a.secrt: unknown key - did you mean "secret"?'],
    ),
    "a key that no neighbour resembles": (
        "name: a\nservices:\n  api: {image: x, health: {hosts: a}}\n",
        [
            "3:28: services.api.health.hosts: unknown key - known here: every, exec, grpc, http, tcp, timeout, within",
        ],
    ),
    "a namespace that is no name": (
        "name: a\nnamespace: 1_\n",
        [
            "2:1: namespace: a name is lower-case letters, digits and hyphens (it becomes a host name)"
            " - begin with a letter"
        ],
    ),
    "a service that is called like the gateway": (
        "name: a\nservices:\n  kong: {image: x, port: 80, route: /}\n",
        [
            "3:3: services.kong: the gateway has that name already"
            " - rename it, or the gateway: infra: {gateway: {kind: kong}}"
        ],
    ),
    "a service that is called like a part of a store": (
        "name: a\nservices:\n  minio-buckets: {image: x, uses: [minio]}\n",
        ["3:3: services.minio-buckets: minio runs a unit of that name already - rename it"],
    ),
    "an image without a name": (
        'name: a\nservices:\n  api: {image: " "}\n',
        ["3:9: services.api.image: is empty"],
    ),
    "a command with half a quote": (
        "name: a\nservices:\n  api: {image: x, command: it's, entrypoint: \"say 'yes\"}\n",
        [
            "3:19: services.api.command: not a command: no closing quotation - close the quotes, or write it as a list",
            "3:34: services.api.entrypoint: not a command: no closing quotation - close the quotes, or write it as a list",
        ],
    ),
    "port and ports": (
        "name: a\nservices:\n  api: {image: x, port: 80, ports: {Http: 80}}\n",
        [
            "3:29: services.api.ports: cannot be combined with port - keep one of them",
            "3:37: services.api.ports.Http: a port name is at most 15 lower-case letters, digits, hyphens",
        ],
    ),
    "a published port without one in the container": (
        "name: a\nservices:\n  api: {image: x, publish: 80}\n",
        ["3:19: services.api.publish: there is no port to publish - add port:"],
    ),
    "a host port that is none": (
        "name: a\nservices:\n  api: {image: x, port: 80, publish: 0}\n",
        ["3:29: services.api.publish: 0 is not a port - 1 to 65535"],
    ),
    "one port for a service and a store": (
        "name: a\nservices:\n  api: {image: x, port: 80, publish: 99}\ninfra:\n  postgres: {publish: {sql: 99}}\n",
        ["5:24: infra.postgres.publish.sql: services.api is published on 99 already - change one of them"],
    ),
    "a port name that a store has not": (
        "name: a\ninfra:\n  minio: {publish: {konsole: 99}}\n",
        ['3:21: infra.minio.publish.konsole: no port "konsole" - did you mean "console"?'],
    ),
    "a part that is no name": (
        "name: a\nservices:\n  api: {image: x, uses: [postgres/a b]}\n",
        ['3:26: services.api.uses[0]: "a b" is not a name of a database - use letters, digits, _ and -'],
    ),
    "a part of a service": (
        "name: a\nservices:\n  a: {image: x, uses: [b/c]}\n  b: {image: x}\n",
        ['3:24: services.a.uses[0]: "b" has no parts - write "b"'],
    ),
    "two cycles, one through a job": (
        "name: a\nservices:\n  a: {image: x, uses: [j]}\n  b: {image: x, uses: [c]}\n  c: {image: x, uses: [b]}\n"
        "jobs:\n  j: {image: x, uses: [a]}\n",
        [
            "3:17: services.a.uses: a cycle: a -> j -> a - remove one of them",
            "4:17: services.b.uses: a cycle: b -> c -> b - remove one of them",
        ],
    ),
    "a route that is half an expression": (
        'name: a\nservices:\n  a: {image: x, port: 80, route: "~/("}\n',
        [
            '3:27: services.a.route[0]: Kong refuses the path "~/(": unclosed group',
        ],
    ),
    "a probe of nothing": (
        "name: a\nservices:\n  a: {image: x, health: {}}\n",
        ["3:17: services.a.health: needs one of http, tcp, grpc, exec, and has none"],
    ),
    "a probe without a port": (
        "name: a\nservices:\n  a: {image: x, health: up}\n",
        [
            '3:17: services.a.health: "up" is not a path - write "/up"',
            "3:17: services.a.health: an HTTP probe asks the service's port, and there is none - add port:",
        ],
    ),
    "less memory than none": (
        "name: a\nservices:\n  a: {image: x, resources: {memory: -1, cpu: 0}}\n",
        [
            "3:29: services.a.resources.memory: is not an amount of memory - write 256Mi or 1Gi",
            "3:41: services.a.resources.cpu: is not an amount of CPU - write 500m or 0.5",
        ],
    ),
    "a Dockerfile, a build secret and a seed outside": (
        "name: a\nservices:\n  a: {build: {context: ., dockerfile: ../Dockerfile, secrets: {npm: ../.npmrc, t: $TOKEN}}}\n"
        "infra:\n  postgres: {seed: [a.sql, /b.sql]}\n",
        [
            '3:27: services.a.build.dockerfile: "./../Dockerfile" is outside the project'
            " - write a path beside or below devenv.yaml",
            '3:64: services.a.build.secrets.npm: "../.npmrc" is outside the project'
            " - write a path beside or below devenv.yaml",
            '5:28: infra.postgres.seed[1]: "/b.sql" is outside the project - write a path beside or below devenv.yaml',
        ],
    ),
    "volumes that join to one name": (
        "name: a\nservices:\n  api: {image: x, volumes: {cache-data: /v}}\n"
        "  api-cache: {image: x, volumes: {data: /v}}\n  my: {image: x, uses: [my-db], volumes: {db-data: /v}}\n"
        "infra: {my-db: {kind: postgres}}\n",
        [
            "4:35: services.api-cache.volumes.data: the volume api-cache-data belongs to api already"
            " - rename it, or both would share one volume",
            "5:43: services.my.volumes.db-data: the volume my-db-data belongs to my-db already"
            " - rename it, or both would share one volume",
        ],
    ),
    "names of which Kubernetes makes no pod": (
        f"name: a\nservices:\n  {'s' * 53}: {{image: x, volumes: {{a: /a, b: /b}}}}\n  {'t' * 63}: {{image: x}}\n"
        f"jobs:\n  {'j' * 52}: {{image: x, volumes: {{{'v' * 11}: /v, {'v' * 10}: /w}}}}\n"
        f"  {'k' * 60}: {{image: x, volumes: {{vv: /v}}}}\n"
        f"infra:\n  {'p' * 53}: {{kind: postgres}}\n  {'m' * 63}: {{kind: mailpit}}\n",
        [
            f"3:3: services.{'s' * 53}: with volumes a name has at most 52 characters, this one has 53"
            " - choose a shorter name, or Kubernetes cannot create its pod",
            f"6:78: jobs.{'j' * 52}.volumes.{'v' * 11}: its full name {'j' * 52}-{'v' * 11}"
            " may have at most 63 characters, this one has 64 - choose a shorter name",
            f"9:3: infra.{'p' * 53}: with volumes a name has at most 52 characters, this one has 53"
            " - choose a shorter name, or Kubernetes cannot create its pod",
        ],
    ),
    "a build secret that is only partly one, or another thing, and an id with a comma": (
        "name: a\nservices:\n  a: {build: {context: ., secrets: {n: 'x-${secret.N}', m: '$9', s: '${stack.name}', "
        "'a,b': $T}}}\n",
        [
            '3:37: services.a.build.secrets.n: "x-${secret.N}" is not a build secret'
            " - write a file of the project, or a whole secret: ${secret.NAME}",
            '3:57: services.a.build.secrets.m: "$9" is not a build secret'
            " - write a file of the project, or a whole secret: ${secret.NAME}",
            '3:66: services.a.build.secrets.s: "${stack.name}" is not a build secret'
            " - write a file of the project, or a whole secret: ${secret.NAME}",
            '3:86: services.a.build.secrets.a,b: "a,b" is not an id of a build secret'
            " - letters, digits, dots, hyphens and _",
        ],
    ),
    "a kong.yml outside": (
        "name: a\ngateway: {extra: ../kong.yml}\n",
        [
            '2:11: gateway.extra: "../kong.yml" is outside the project - write a path beside or below devenv.yaml'
        ],
    ),
    "reloading out of the project and into nowhere": (
        "name: a\nservices:\n  a: {image: x, reload: {sync: {../a: /b, ./c: d}}}\n",
        [
            '3:33: services.a.reload.sync.../a: "../a" is outside the project - write a path beside or below devenv.yaml',
            '3:43: services.a.reload.sync../c: "d" is not a path in a container - write an absolute path below /',
        ],
    ),
    "a volume over everything": (
        "name: a\nservices:\n  a: {image: x, volumes: {Data: /}}\n",
        [
            '3:27: services.a.volumes.Data: "/" is not a path in a container - write an absolute path below /',
            "3:27: services.a.volumes.Data: a volume's name is lower-case letters, digits, hyphens",
        ],
    ),
    "variables and secrets that a shell could not name": (
        'name: a\nservices:\n  a: {image: x, env: {"A B": x}, secrets: [A-B], files: {/f: {secret: "c d"}}}\n',
        [
            '3:23: services.a.env.A B: "A B" is not a name of an environment variable'
            " - use letters, digits, _, dots and hyphens",
            '3:44: services.a.secrets[0]: "A-B" is not a name of a secret - use letters, digits and _',
            '3:63: services.a.files./f.secret: "c d" is not a name of a secret - use letters, digits and _',
        ],
    ),
    "stores of an environment that nobody runs": (
        "name: a\nservices:\n  a: {image: x, uses: [postgres, valkey, mysql]}\nenvironments:\n"
        "  prod: {context: c, infra: {mysql: {external: {secret: s, host: h}}}}\n  test: {context: d}\n",
        [
            "5:22: environments.prod.infra: does not say where postgres and valkey come from"
            " - write infra: {postgres: deploy, valkey: deploy}   or external: {secret: NAME} instead of deploy",
            "5:38: environments.prod.infra.mysql.external: is either a Secret or a host"
            " - write {secret: NAME} or {host: NAME}",
            "6:3: environments.test.infra: does not say where postgres, valkey and mysql come from"
            " - write infra: {postgres: deploy, valkey: deploy, mysql: deploy}   or external: {secret: NAME} instead of deploy",
        ],
    ),
    "two environments that are one release": (
        "name: a\nservices:\n  a: {image: x}\nenvironments:\n  prod: {context: c}\n  test: {context: c}\n",
        [
            "6:10: environments.test.context: leads to the namespace a of c, which is prod's - name another namespace:"
        ],
    ),
    "charts of other people that are not locked": (
        "name: a\nservices:\n  a: {image: x}\nenvironments:\n  prod:\n    context: c\n    charts:\n"
        "      a: {chart: 'oci://x/y', version: 1.2.3}\n"
        "      kong: {chart: 'oci://x/kong', version: ^3.0.0}\n"
        "      pg: {chart: cloudnative-pg, version: '1.2'}\n"
        "      nats: {chart: x/nats, repo: nats.io, version: 1.2.3-rc.1, values: ../n.yaml}\n",
        [
            "8:7: environments.prod.charts.a: a is the release of the stack itself - give this one another name",
            '9:37: environments.prod.charts.kong.version: "^3.0.0" is not one version: what is promoted must be the same each time - write it in full: 3.0.0',
            '10:12: environments.prod.charts.pg.chart: "cloudnative-pg" is no address of a chart - write oci://HOST/PATH, or repo: https://... beside it',
            '10:35: environments.prod.charts.pg.version: "1.2" is not one version: what is promoted must be the same each time - write it in full: 3.0.0',
            "11:14: environments.prod.charts.nats.chart: with repo: it is a name there, without a slash",
            '11:29: environments.prod.charts.nats.repo: "nats.io" is no address of a repository - write https://...',
            '11:65: environments.prod.charts.nats.values: "../n.yaml" is outside the project - write a path beside or below devenv.yaml',
        ],
    ),
    "a chart without a version": (
        "name: a\nservices:\n  a: {image: x}\nenvironments:\n  prod: {context: c, charts: {b: {chart: 'oci://x/y'}}}\n",
        [
            "5:31: environments.prod.charts.b.version: is missing",
        ],
    ),
    "a Secret that two operators make": (
        "name: a\nservices:\n  a: {image: x}\nenvironments:\n"
        "  prod: {context: c, secrets: {external: {store: vault}, sealed: sealed.yaml}}\n  test: {context: d, secrets: {}}\n",
        [
            "5:22: environments.prod.secrets: is either external or sealed - write {external: {store: NAME}} or {sealed: FILE}",
            "6:22: environments.test.secrets: is either external or sealed - write {external: {store: NAME}} or {sealed: FILE}",
        ],
    ),
    "a route that an Ingress cannot express": (
        "name: a\nservices:\n  a: {image: x, port: 1, route: {path: /a, strip: true}}\n"
        "environments:\n  prod: {context: c, gateway: ingress}\n",
        [
            "3:26: services.a.route[0]: an Ingress, which environments.prod.gateway chooses, cannot express strip"
            " (of /a) - choose gateway: deploy or kong or {httproute: NAME} there, or remove it"
        ],
    ),
    "what of an environment is for routes, without any": (
        "name: a\nservices:\n  a: {image: x}\n"
        "environments:\n  e: {context: c, host: a.b, gateway: ingress, registry: r.b, ingress: {class: nginx, annotations: {a: b}}}\n",
        [
            f"5:{column}: environments.e.{key}: has no effect: {why}"
            for column, key, why in (
                (19, "host", UNROUTED),
                (30, "gateway", UNROUTED),
                (48, "registry", "nothing is built, so nothing is pushed - remove it"),
                (73, "ingress.class", UNROUTED),
                (87, "ingress.annotations", UNROUTED),
            )
        ],
    ),
    "settings of an Ingress that nobody makes": (
        "name: a\nservices:\n  a: {image: x, port: 1, route: /}\nenvironments:\n"
        "  d: {context: c, ingress: {tls: t}}\n"
        "  h: {context: d, gateway: {httproute: p}, ingress: {class: nginx}}\n",
        [
            "5:29: environments.d.ingress.tls: has no effect: without host: there is no Ingress"
            " - write host: NAME beside it, or remove it",
            "6:54: environments.h.ingress.class: has no effect: HTTPRoutes need no Ingress"
            " - remove it; certificates and addresses are the Gateway's",
        ],
    ),
    "places of stores that are not there, or have no volume": (
        "name: a\nlogs: {}\nservices:\n  a: {image: x, port: 1, route: /, uses: [memcached]}\nenvironments:\n"
        "  d: {context: c, infra: {memcached: {deploy: {size: 5Gi}}, fluent-bit: deploy}}\n"
        "  k: {context: d, infra: {memcached: deploy, kong: {external: {host: k}}}}\n"
        "  i: {context: e, infra: {memcached: deploy, kong: deploy}, gateway: ingress}\n",
        [
            "6:39: environments.d.infra.memcached.deploy: has no effect: memcached has no volume"
            " - write memcached: deploy",
            "6:61: environments.d.infra.fluent-bit: has no effect: a cluster collects logs by itself - remove it",
            "7:46: environments.k.infra.kong: has no effect: gateway: says what serves the routes"
            " - remove it, and choose there",
            "8:46: environments.i.infra.kong: has no effect: an Ingress serves the routes, and kong is not there"
            " - remove it, or gateway: ingress",
        ],
    ),
    "an Ingress that a load balancer does not have": (
        "name: a\nservices:\n  a: {image: x, port: 1, route: /}\n"
        "environments:\n  prod: {context: c, gateway: loadbalancer, ingress: {class: nginx, tls: t}}\n",
        [
            f"5:{column}: environments.prod.ingress.{name}: has no effect: gateway: loadbalancer makes no Ingress"
            " - remove it; annotations of the load balancer stand in ingress: {annotations: ...}"
            for column, name in ((55, "class"), (69, "tls"))
        ],
    ),
    "overrides of an environment that change nothing": (
        "name: a\nservices:\n  a: {image: x}\n  b: {build: .}\nenvironments:\n"
        "  prod: {context: c, services: {a: {build: {target: t}, autoscale: {min: 3, max: 2}}, b: {image: y, autoscale: {max: 2}, resources: {cpu: 1}}}}\n",
        [
            "6:37: environments.prod.services.a.build: a is not built - remove it",
            "6:57: environments.prod.services.a.autoscale: a asks for no CPU, of which the target is a share"
            " - write resources: {cpu: 500m}",
            "6:57: environments.prod.services.a.autoscale: min 3 is more than max 2",
            "6:91: environments.prod.services.b.image: b is built, so the image is the one that is pushed"
            " - remove it",
        ],
    ),
    "references in an environment": (
        "name: a\nservices:\n  a: {image: x, port: 1, route: /}\nenvironments:\n"
        "  prod: {context: c, host: '${a.host}', services: {a: {env: {X: '${b.url}', Y: '${a.url}'}}},"
        " values: {x: '${y}'}}\n",
        [
            '5:22: environments.prod.host: "${a.host}" is not replaced here - write the value itself',
            '5:62: environments.prod.services.a.env.X: ${b.url}: no service or store "b"',
        ],
    ),
    "names of variables, wherever they may stand": (
        "name: a\nservices:\n  a: {build: {args: {A=B: x}}, env: {..a: x}}\ninfra:\n  valkey: {env: {1A: x}}\n"
        'environments:\n  prod: {context: c, services: {a: {env: {"A\\n": x}}}, infra: {valkey: deploy}}\n',
        [
            '3:22: services.a.build.args.A=B: "A=B" is not a name of an environment variable'
            " - use letters, digits, _, dots and hyphens",
            '3:38: services.a.env...a: "..a" is not a name of an environment variable'
            " - use letters, digits, _, dots and hyphens",
            '5:18: infra.valkey.env.1A: "1A" is not a name of an environment variable'
            " - use letters, digits, _, dots and hyphens",
            '7:43: environments.prod.services.a.env.A\n: "A\n" is not a name of an environment variable'
            " - use letters, digits, _, dots and hyphens",
        ],
    ),
    "names with a line break": (
        'name: "a\\n"\nservices:\n  "b\\n": {image: x}\n',
        [
            "1:1: name: a name is lower-case letters, digits and hyphens (it becomes a host name)"
            ' - write "a"',
            "3:3: services.b\n: a name is lower-case letters, digits and hyphens (it becomes a host name)"
            ' - write "b"',
        ],
    ),
    "two port names with one number": (
        "name: a\nservices:\n  a: {image: x, ports: {http: 80, web: 80}}\n",
        ["3:35: services.a.ports.web: http has the number 80 already - keep one of the names"],
    ),
    "two things on one path": (
        "name: a\nservices:\n  a: {image: x, volumes: {d: /d, e: /d/}, files: {/f: ./f, /f/: ./g}}\n"
        "  b: {image: x, volumes: {f: /f}, files: {/f: ./f}}\n"
        "jobs:\n  j: {like: b, volumes: {g: /f}, files: {/f: ./g}}\n",
        [
            "3:34: services.a.volumes.e: volume d has the path /d already - give one of them another path",
            "3:60: services.a.files./f/: another file has the path /f already - keep one of them",
            "4:27: services.b.volumes.f: a file has the path /f already - give one of them another path",
            "6:26: jobs.j.volumes.g: a file has the path /f already - give one of them another path",
        ],
    ),
    "one name for the volumes of two": (
        "name: a\nservices:\n  a: {image: x, volumes: {d: /d}}\n  b: {image: x, volumes: {d: /d}}\n",
        [
            "4:27: services.b.volumes.d: a has a volume of that name"
            " - one for both: volumes: {d: {}} at the top level; one for each: another name here"
        ],
    ),
    "what nobody starts": (
        "name: a\nservices:\n  a: {image: x, uses: [j]}\njobs:\n  j: {image: x, manual: true}\n"
        "  k: {image: x, manual: true, uses: [j]}\n  l: {image: x, uses: j}\n",
        [
            "3:24: services.a.uses[0]: j is only started by hand, so this would wait for it forever"
            " - remove manual: from j, or j from uses:",
            "7:17: jobs.l.uses[0]: j is only started by hand, so this would wait for it forever"
            " - remove manual: from j, or j from uses:",
        ],
    ),
    "a NUL byte in a text and in a key": (
        'name: a\nservices:\n  a: {build: "./a\\0pi", env: {"A\\0": x}}\n',
        [
            "3:14: services.a.build: a NUL byte cannot stand in a text",
            "3:31: services.a.env: a NUL byte cannot stand in a key",
        ],
    ),
    "tags that say what is not so": (
        "name: a\nservices: !!set {a: }\njobs: !x {}\ninfra: {valkey: {memory: !!int x}}\n",
        [
            "2:11: services: the tag 'tag:yaml.org,2002:set' means nothing here",
            "3:7: jobs: the tag '!x' means nothing here",
            '4:26: infra.valkey.memory: "x" is not what its tag says - remove the tag',
        ],
    ),
    "a port of a protocol that there is not": (
        "name: a\nservices:\n  a: {image: x, port: 8125/sctp}\n",
        ['3:17: services.a.port: expected a whole number, found the text "8125/sctp"'],
    ),
    "more than a program can be given": (
        f"name: a\nservices:\n  a:\n    image: x\n    env:\n      A: {'x' * 131069}\n      B: {'x' * 131070}\n"
        f"    command:\n      - {'x' * 200000}\njobs:\n  j:\n    image: x\n    command: {'x' * 200000}\n",
        [
            "7:7: services.a.env.B: 128 KiB is more than Linux passes to a program (128 KiB) - put it into a file, with files:",
            "9:9: services.a.command[0]: 195 KiB is more than Linux passes to a program (128 KiB)"
            " - put it into a file, with files:",
            "13:5: jobs.j.command: 195 KiB is more than Linux passes to a program (128 KiB) - put it into a file, with files:",
        ],
    ),
    "paths that name nothing": (
        'name: a\nservices:\n  a: {build: "", files: {/f: ""}}\n  b: {build: {dockerfile: ""}}\n'
        'infra: {postgres: {seed: " "}}\ngateway: {extra: ""}\n',
        [
            "3:7: services.a.build.context: is empty - write a path beside or below devenv.yaml",
            "3:26: services.a.files./f: is empty - write a path beside or below devenv.yaml",
            "4:15: services.b.build.dockerfile: is empty - write a path beside or below devenv.yaml",
            "5:20: infra.postgres.seed[0]: is empty - write a path beside or below devenv.yaml",
            "6:11: gateway.extra: is empty - write a path beside or below devenv.yaml",
        ],
    ),
    "amounts that there are not": (
        "name: a\nservices:\n  a: {image: x, resources: {cpu: 1e308, memory: 99999999999999999999Gi}}\n"
        f"  b: {{image: x, resources: {{cpu: {'9' * 400}, memory: {'9' * 5000}}}, grace: {'9' * 5000}s}}\n",
        [
            "3:29: services.a.resources.cpu: is not an amount of CPU - write 500m or 0.5",
            "3:41: services.a.resources.memory: is more memory than there is - write 256Mi or 1Gi",
            "4:29: services.b.resources.cpu: is not an amount of CPU - write 500m or 0.5",
            "4:436: services.b.resources.memory: is more memory than there is - write 256Mi or 1Gi",
            "4:5447: services.b.grace: is not a duration - write 500ms, 2s or 1m30s",
        ],
    ),
    "a fragment with what devenv does itself": (
        "name: a\nservices:\n  a: {image: x, compose: {build: .}}\n",
        [
            "3:27: services.a.compose.build: has no effect here: devenv sets it itself"
            " - write it under build:, with additional_contexts: for what services share"
        ],
    ),
    "objects of Kubernetes with nothing to change": (
        "name: a\nservices:\n  a: {image: x, kubernetes: {Deployment: }}\n",
        ["3:30: services.a.kubernetes.Deployment: expected a mapping, found nothing"],
    ),
    "a kind that nothing resembles": (
        "name: a\ninfra:\n  db: {}\n",
        ['3:3: infra.db: no infra kind "db" - `devenv kinds` lists the kinds'],
    ),
    "a word for a kind that is nearly right": (
        "name: a\nservices: {a: {image: x, uses: [reddis]}}\ninfra: {db: {kind: postgresq}}\n",
        [
            '2:33: services.a.uses[0]: no service, job or infra kind "reddis" - did you mean "redis"?',
            '3:14: infra.db.kind: no infra kind "postgresq" - did you mean "postgresql"?',
        ],
    ),
    "a list where a store wants text, and text in a list": (
        "name: a\ninfra:\n  postgres: {user: true}\n  minio: {buckets: [{a: b}]}\n",
        [
            "3:14: infra.postgres.user: expected text",
            "4:11: infra.minio.buckets: expected a list of texts - write it as [one, another]",
        ],
    ),
    "an environment of nothing": (
        "name: a\nservices:\n  api: {image: x, uses: [valkey]}\n"
        "environments:\n  prod: {context: c, services: {apy: {}}, infra: {valky: deploy, valkey: depoy}}\n",
        [
            '5:33: environments.prod.services.apy: no service "apy" - did you mean "api"?',
            '5:51: environments.prod.infra.valky: no infra "valky" - did you mean "valkey"?',
            "5:66: environments.prod.infra.valkey: cannot be 'depoy'"
            " - one of 'deploy', {external: ...} or {deploy: ...}",
        ],
    ),
    "a stack whose name no release can have": (
        f"name: {'a' * 54}\nservices:\n  api: {{image: x}}\nenvironments:\n  prod: {{context: c}}\n",
        ["1:1: name: has 54 characters; with environments: at most 53, as Helm has it"],
    ),
    "a gateway of an environment that is none": (
        "name: a\nservices:\n  api: {image: x}\n"
        "environments:\n  prod: {context: c, gateway: nginx}\n  test: {context: d, gateway: {http: x}}\n",
        [
            "5:22: environments.prod.gateway: cannot be 'nginx'"
            " - one of 'deploy', 'loadbalancer', 'ingress', 'kong' or {httproute: ...}",
            "6:22: environments.test.gateway.httproute: is missing",
            '6:32: environments.test.gateway.http: unknown key - did you mean "httproute"?',
        ],
    ),
    "a store that names a store": (
        'name: a\ninfra:\n  postgres: {user: "${postgres.database}"}\n',
        [
            "3:14: infra.postgres.user: ${postgres.database}: a store's options cannot refer to a store"
            " - refer to a secret, a service or the stack, or have a kind of your own use it: docs/kinds.md"
        ],
    ),
    "references to what has no address": (
        'name: a\nservices:\n  a: {image: x, env: {A: "${b.url}", B: "${j.host}", C: "${mongo.url}"}}\n  b: {image: x}\n'
        "jobs:\n  j: {image: x}\n",
        [
            "3:23: services.a.env.A: ${b.url}: b has no port - add port:",
            "3:38: services.a.env.B: ${j.host}: j is a job, which has no address",
            '3:54: services.a.env.C: ${mongo.url}: no service or store "mongo" - write uses: [mongo]',
        ],
    ),
    "references where nothing fills them in": (
        'name: a\nservices:\n  a: {build: "./${stack.name}", volumes: {d: "/${stack.name}"}}\n'
        'infra:\n  postgres: {seed: "${stack.name}.sql"}\n',
        [
            '3:7: services.a.build.context: "${stack.name}" is not replaced here - write the value itself',
            '3:43: services.a.volumes.d: "${stack.name}" is not replaced here - write the value itself',
            '5:14: infra.postgres.seed[0]: "${stack.name}" is not replaced here - write the value itself',
        ],
    ),
    "a secret where everybody sees it": (
        'name: a\nservices:\n  a: {image: x, port: 80, health: "/?key=${secret.KEY}"}\n',
        [
            "3:27: services.a.health.http: ${secret.KEY}: a secret would be seen here"
            " - use secrets in env, files, commands and gateway plugins"
        ],
    ),
    "two makers of an environment's secret": (
        "name: a\nenvironments: {p: {context: c, secrets: {external: {store: s}, sealed: f.yaml}}}\n",
        [
            "2:32: environments.p.secrets: is either external or sealed"
            " - write {external: {store: NAME}} or {sealed: FILE}"
        ],
    ),
    "what is of the machine below": (
        "name: a\nservices:\n  a: {image: x, ulimits: {x: 1}, hosts: {A: 10.0.0.1}, platform: x, host_paths: {/a: a}}\n",
        [
            '3:27: services.a.ulimits.x: no limit "x"',
            "3:42: services.a.hosts.A: a host's name is lower-case letters, digits, dots and hyphens",
            '3:56: services.a.platform: "x" is not a platform - write linux/amd64',
            '3:82: services.a.host_paths./a: "a" is in the project'
            " - write files: {/a: a}, or reload: {sync: {a: /a}}",
        ],
    ),
    "a secret without a name, anywhere": (
        'name: a\ngateway: {consumers: {me: {key: "${secret.}"}}}\n',
        ['2:28: gateway.consumers.me.key[0]: "" is not a name of a secret - use letters, digits and _'],
    ),
}


@each_row(BROKEN)
def test_a_broken_manifest_says_where_what_and_how_to_mend_it(text: str, messages: list[str]) -> None:
    assert problems(text) == messages


@each_row({rule.__name__: rule for rule in RULES})
def test_every_rule_is_broken_by_some_row(rule: Callable[[Scope], Iterator[Finding]]) -> None:
    assert any((scope := shape(text)) and any(rule(scope)) for text, _ in BROKEN.values())


@cache
def shape(text: str) -> Scope | None:
    """A manifest that is well-shaped at least, with no rule applied."""
    try:
        return Scope(Manifest.model_validate(source.read(text, file="x").value), Facts(CATALOGUE))
    except (ManifestInvalid, ValidationError):
        return None


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file() -> None:
    messages = problems(
        """\
        name: De_mo
        services:
          api:
            bild: ./api
            port: "8000"
            uses: [postgers, b]
            env: {URL: "${postgres.ur}"}
          b:
            image: x
            uses: [api]
            health: {every: 5x}
        """
    )
    assert [line.split(": ")[1] for line in messages] == [
        "name",
        "services.api.bild",
        "services.api.port",
        "services.api.uses",
        "services.api.uses[0]",
        "services.api.env.URL",
        "services.b.health.every",
    ]


def test_a_nul_byte_is_found_where_it_stands() -> None:
    with pytest.raises(ManifestInvalid, match="devenv.yaml:2:1: a NUL byte"):
        source.read("name: a\nb\0c: 1\n", file="devenv.yaml")


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ManifestInvalid, match="devenv.yaml:6:5: aliases that expand without end"):
        source.read("\n".join(lines), file="devenv.yaml")


def test_a_manifest_may_not_be_bottomless() -> None:
    with pytest.raises(ManifestInvalid, match="nested too deeply"):
        source.read("[" * 5000 + "]" * 5000, file="devenv.yaml")


def test_text_stays_text() -> None:
    values = source.read(
        "{norway: no, time: 22:22, day: 2024-01-01, on: on, octal: 010, v: 9.10, n: 12, t: true, e: }",
        file="x",
    ).value
    assert {key: value for key, value in values.items() if key != "v"} == {
        "norway": "no",
        "time": "22:22",
        "day": "2024-01-01",
        "on": "on",
        "octal": "010",
        "n": 12,
        "t": True,
        "e": None,
    }
    assert values["v"].text == "9.10"


def test_merge_keys_and_aliases_work_as_in_yaml() -> None:
    values = source.read("base: &base {a: 1, b: 2}\nuse: {<<: *base, b: 3}\n", file="x").value
    assert values["use"] == {"a": 1, "b": 3}


def test_what_begins_with_x_is_the_users_own_and_anchors_may_stand_there() -> None:
    parsed = manifest("""
        name: a
        x-env: &env {LOG_LEVEL: debug, x-trace: on}
        x-limits: &limits {resources: {memory: 64Mi}, x-note: y}
        services:
          web: {<<: *limits, image: x, env: {<<: *env, ROLE: web}}
          api: {<<: [*limits], image: x, port: 80, health: {http: /, x-why: z}}
        infra:
          valkey: {x-note: n}
    """)
    assert parsed.services["web"].env == {"LOG_LEVEL": "debug", "x-trace": "on", "ROLE": "web"}
    assert parsed.services["api"].resources.memory == 64 * 2**20


def test_variables_may_have_dots_and_hyphens() -> None:
    names = ("spring.datasource.url", "node-env", "_", ".x", "-x", "a..b")
    parsed = manifest(
        f"name: a\nservices:\n  api: {{image: x, env: {{{', '.join(f'{n}: v' for n in names)}}}}}\n"
    )
    assert tuple(parsed.services["api"].env) == names


SHORT = {
    "build": ("build: ./api", "build: {context: ./api}"),
    "route": ("image: x, port: 80, route: /a", "image: x, port: 80, route: [{path: /a}]"),
    "health": ("image: x, port: 80, health: /h", "image: x, port: 80, health: {http: /h}"),
    "uses": ("image: x, uses: postgres", "image: x, uses: [postgres]"),
    "plugin": (
        "image: x, port: 80, route: {path: /, plugins: [cors]}",
        "image: x, port: 80, route: {path: /, plugins: [{cors: {}}]}",
    ),
    "port names": ("image: x, port: 80", "image: x, ports: {http: 80}"),
}


@pytest.mark.parametrize(("short", "long"), SHORT.values(), ids=SHORT)
def test_what_is_written_short_is_what_is_written_long(short: str, long: str) -> None:
    first, second = (
        manifest(f"name: a\nservices:\n  api: {{{text}}}\n").services["api"] for text in (short, long)
    )
    fields = set(type(first).model_fields) - {"port", "ports"}
    assert {key: getattr(first, key) for key in fields} == {key: getattr(second, key) for key in fields}
    assert first.named_ports == second.named_ports


@each_row(
    [("500ms", 0.5), ("2s", 2.0), ("1.5s", 1.5), ("1m30s", 90.0), ("2m", 120.0), (3, 3.0), (0.25, 0.25)]
)
def test_durations_are_seconds(text: object, value: float) -> None:
    assert seconds(text) == value


@each_row(["", "5", "5h", "s", "-1s", "1s 2s", "2s500", "25h", 86401, -1, True, None, "1e3s"])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(PydanticCustomError, match="is not a duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("256Mi", 256 << 20),
        ("1Gi", 1 << 30),
        ("512m", 512 << 20),
        ("1G", 10**9),
        (1024, 1024),
        ("64MB", 64 * 10**6),
    ],
)
def test_sizes_are_bytes(text: object, value: int) -> None:
    assert size(text) == value


@each_row(["", "Mi", "1Ti", "-1Mi", "1 2Mi", -1, True, None, "lots"])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(PydanticCustomError, match="is not an amount of memory"):
        size(text)


@pytest.mark.parametrize(("text", "value"), [("500m", 0.5), ("2", 2.0), (0.5, 0.5), (1, 1.0)])
def test_cpu_is_in_cores(text: object, value: float) -> None:
    assert cores(text) == value


@each_row(["", "m", "-1", 0, -1, True, None, "1 core"])
def test_what_is_no_cpu_is_refused(text: object) -> None:
    with pytest.raises(PydanticCustomError, match="is not an amount of CPU"):
        cores(text)


def test_the_schema_describes_every_field() -> None:
    def undescribed(value: object, path: str = "") -> list[str]:
        match value:
            case {"properties": properties, **rest}:
                missing = [
                    f"{path}.{name}" for name, field in properties.items() if "description" not in field
                ]
                return missing + undescribed(rest, path)
            case dict():
                return [name for key, field in value.items() for name in undescribed(field, f"{path}/{key}")]
        return []

    missing = undescribed(schema())
    assert [name for name in missing if not name.startswith("/$defs/Plugin")] == []


EXAMPLES = sorted((*ROOT.glob("examples/*/devenv.yaml"), *ROOT.glob("tests/examples/*/devenv.yaml")))


@each_row([*EXAMPLES])
def test_editors_find_nothing_wrong_with_an_example(file: Path) -> None:
    document = source.read(file.read_text(), file=file.name).value
    assert [error.message for error in editor().iter_errors(document)] == []


@pytest.mark.parametrize(
    "text",
    [
        "services: {api: {image: x, comand: y}}",
        "services: {api: {image: x, port: '80'}}",
        "services: {api: {image: x, health: {within: [5]}}}",
        "backend: podman",
    ],
)
def test_editors_find_what_devenv_would_refuse(text: str) -> None:
    document = documents.load(text)
    assert list(editor().iter_errors(document))


@pytest.mark.parametrize(
    ("folder", "name"),
    [("demo", "demo"), ("My App_2", "my-app-2"), ("x" * 80, "x" * 63)],
)
def test_a_stack_without_a_name_is_called_after_its_folder(folder: str, name: str) -> None:
    text = "services:\n" + OK
    assert parse(text, file="devenv.yaml", kinds={}, folder=folder)[0].name == name


@pytest.mark.parametrize(
    ("folder", "name"), [("2024", "stack-2024"), ("3d-printer", "stack-3d-printer"), ("Проект", "stack")]
)
def test_a_folder_that_cannot_be_a_name_is_answered_with_one_that_can(folder: str, name: str) -> None:
    with pytest.raises(ManifestInvalid) as refused:
        parse("services:\n" + OK, file="d.yaml", kinds={}, folder=folder)
    assert str(refused.value) == (
        f'd.yaml:1:1: name: is missing, and the folder "{folder}" cannot be one - write name: {name}'
    )


def test_parts_of_a_kind_of_which_kubernetes_makes_no_pod_are_refused() -> None:
    services = ("search", "kb", "search-has-long-parts")
    facts = KindFacts({}, frozenset(), services=services, stores=frozenset({"search", "kb"}))
    names = ["s" * 50, "t" * 54, "u" * 49, "v" * 48]
    infra = "".join(f"  {name}: {{kind: search}}\n" for name in names)
    with pytest.raises(ManifestInvalid) as raised:
        parse(
            f"name: a\nservices: {{ok: {{image: x}}}}\ninfra:\n{infra}",
            file="d.yaml",
            kinds={"search": facts},
        )
    volumes, pod = (
        "with volumes a name has at most 52 characters",
        "choose a shorter name, or Kubernetes cannot create its pod",
    )
    assert str(raised.value).splitlines() == [
        f"d.yaml:4:3: infra.{'s' * 50}: {volumes}, its unit {'s' * 50}-kb has 53 - {pod}",
        f"d.yaml:5:3: infra.{'t' * 54}: {volumes}, its unit {'t' * 54}-kb has 57 - {pod}",
        f"d.yaml:5:3: infra.{'t' * 54}: {volumes}, this one has 54 - {pod}",
        f"d.yaml:6:3: infra.{'u' * 49}: a name has at most 63 characters,"
        f" its unit {'u' * 49}-has-long-parts has 64 - choose a shorter name",
    ]
