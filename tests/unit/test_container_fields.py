"""As whom, where and with which rights a container runs: fields that Compose and Kubernetes both have."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from devenv.errors import UsageError
from devenv.render.bundle import Source
from devenv.render.compose import described
from devenv.render.compose import render as compose
from devenv.render.kubernetes.objects import of_unit
from devenv.render.kubernetes.parity import lost_of_machine
from devenv.render.process import described as process
from devenv.render.swarm import render as swarm
from tests import documents, schemas
from tests.table import each_row

from .stacks import fingerprints, problems, stack

ONE = "name: a\nservices:\n  api: {{image: x, port: 80{}}}\n"
EVERY = (
    ', user: "1000:1001", workdir: /srv, aliases: [backend], read_only: true, tmpfs: [/tmp, "/run:size=16m"]'
    ", shm: 256Mi, capabilities: {add: cap_net_admin, drop: [ALL]}, init: false, stop_signal: int"
)
BELOW = (
    ", no_new_privileges: true, ulimits: {nofile: 65536, memlock: {soft: 8, hard: -1}}, platform: linux/amd64"
    ", sysctls: {net.core.somaxconn: 1024, net.ipv4.tcp_syncookies: 0}, host_paths: {/logs: /var/log,"
    " /root/.aws: {path: ~/.aws, write: true}, /next: ../next}"
    ", hosts: {old: 10.0.0.1, older: 10.0.0.1, six: '::1', host.docker.internal: host-gateway}"
)


def spec(written: str) -> dict[str, Any]:
    app = stack(ONE.format(written))
    return described(app, app.unit("api"), Source())


def objects(written: str) -> list[dict[str, Any]]:
    app = stack(ONE.format(written))
    return of_unit(app, app.unit("api"), Source())


def test_compose_has_them_in_its_words() -> None:
    service = spec(EVERY)
    wanted = {
        "user": "1000:1001",
        "working_dir": "/srv",
        "read_only": True,
        "tmpfs": ["/tmp", "/run:size=16m"],
        "shm_size": 256 * 2**20,
        "cap_add": ["NET_ADMIN"],
        "cap_drop": ["ALL"],
        "stop_signal": "SIGINT",
    }
    assert {key: service.get(key) for key in wanted} == wanted
    assert "init" not in service
    aliases = service["networks"]["default"]["aliases"]
    assert {"backend", "backend.a.svc.cluster.local", "api.a"} <= {*aliases}


def test_compose_has_what_is_of_the_machine_below() -> None:
    service = spec(BELOW)
    wanted = {
        "security_opt": ["no-new-privileges:true"],
        "ulimits": {"nofile": 65536, "memlock": {"soft": 8, "hard": -1}},
        "platform": "linux/amd64",
        "sysctls": {"net.core.somaxconn": "1024", "net.ipv4.tcp_syncookies": "0"},
        "volumes": ["/var/log:/logs:ro", "~/.aws:/root/.aws", "../../../next:/next:ro"],
        "extra_hosts": [
            "old:10.0.0.1",
            "older:10.0.0.1",
            "six:::1",
            "host.docker.internal:host-gateway",
        ],
    }
    assert {key: service.get(key) for key in wanted} == wanted
    assert spec(", privileged: true")["privileged"] is True


def test_a_pod_has_of_it_what_any_node_has() -> None:
    pod = objects(BELOW)[-1]["spec"]["template"]["spec"]
    assert pod["hostAliases"] == [
        {"ip": "10.0.0.1", "hostnames": ["old", "older"]},
        {"ip": "::1", "hostnames": ["six"]},
    ]
    assert pod["securityContext"]["sysctls"] == [{"name": "net.ipv4.tcp_syncookies", "value": "0"}]
    assert pod["volumes"] == [{"name": "host-0", "hostPath": {"path": "/var/log"}}]
    (container,) = pod["containers"]
    assert container["volumeMounts"] == [{"name": "host-0", "mountPath": "/logs", "readOnly": True}]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_what_no_node_has_is_named() -> None:
    assert lost_of_machine(stack(ONE.format(BELOW))) == [
        "services.api.sysctls.net.core.somaxconn does nothing here: not every node allows it",
        "services.api.hosts.host.docker.internal does nothing here: no node has this machine's address",
        "services.api.host_paths./root/.aws does nothing here: ~/.aws is of this machine alone",
        "services.api.host_paths./next does nothing here: ../next is of this machine alone",
    ]


def test_a_privileged_pod_has_no_setting_that_the_cluster_rejects_beside_it() -> None:
    container = objects(", privileged: true, user: 7")[-1]["spec"]["template"]["spec"]["containers"][0]
    assert container["securityContext"] == {"privileged": True}


def test_a_swarm_says_what_it_lacks_of_it() -> None:
    below = BELOW.replace(" /root/.aws: {path: ~/.aws, write: true}, /next: ../next", "")
    bundle = swarm(stack(ONE.format(below)), Source())
    service = documents.load(bundle.files["stack.yaml"])["services"]["api"]
    assert (service["volumes"], "security_opt" in service) == (["/var/log:/logs:ro"], False)


def test_a_pod_has_the_same() -> None:
    alias, service, workload = objects(EVERY)
    assert (alias["metadata"]["name"], service["metadata"]["name"]) == ("backend", "api")
    assert alias["spec"] == service["spec"]
    pod = workload["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsUser"] == 1000
    assert pod["securityContext"]["runAsGroup"] == 1001
    assert "shareProcessNamespace" not in pod
    assert container["workingDir"] == "/srv"
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    memory = {mounted[volume["name"]]: volume["emptyDir"].get("sizeLimit", "") for volume in pod["volumes"]}
    assert memory == {"/tmp": "", "/run": "16Mi", "/dev/shm": str(256 * 2**20)}


def test_a_share_of_the_memory_of_a_machine_limits_no_pod() -> None:
    *_, workload = objects(', tmpfs: "/scratch:mode=1777,size=50%"')
    assert workload["spec"]["template"]["spec"]["volumes"] == [
        {"name": "memory-0", "emptyDir": {"medium": "Memory"}}
    ]


@each_row(
    [
        (written, version)
        for written in (EVERY, BELOW, ", user: root, privileged: true")
        for version in ("1.33", "1.37")
    ]
)
def test_the_objects_are_valid_by_kubernetes_own_schemas(written: str, version: str) -> None:
    for item in objects(written):
        schemas.validate(item, version)


@each_row(
    [
        ("", ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"]),
        (", user: 0", ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"]),
        (", user: 7", None),
        (", capabilities: {drop: all}", None),
        (", user: 7, capabilities: {add: [SYS_TIME]}", ["SYS_TIME"]),
        (
            ", capabilities: {drop: [KILL, SETUID], add: [CHOWN]}",
            ["DAC_OVERRIDE", "FOWNER", "NET_BIND_SERVICE", "SETGID", "CHOWN"],
        ),
    ]
)
def test_a_pod_keeps_what_root_needs_to_become_another_user_and_no_more(
    written: str, added: list[str] | None
) -> None:
    container = objects(written)[-1]["spec"]["template"]["spec"]["containers"][0]
    assert container["securityContext"]["capabilities"].get("add") == added


def test_the_name_of_a_user_is_refused_on_kubernetes_with_the_way_to_its_number() -> None:
    with pytest.raises(UsageError) as refused:
        objects(", user: node")
    assert refused.value.what == "services.api.user: node is a name, and Kubernetes takes numbers only"
    assert refused.value.hint.endswith("docker run --rm --entrypoint id x -u node")


def test_a_swarm_has_them_too() -> None:
    files = swarm(stack(ONE.format(EVERY)), Source()).files
    service = documents.load(files["stack.yaml"])["services"]["api"]
    assert (service["user"], service["stop_signal"], service["read_only"]) == ("1000:1001", "SIGINT", True)
    assert {mount["target"] for mount in service["volumes"]} == {"/tmp", "/run", "/dev/shm"}
    assert service["networks"]["default"]["aliases"][0] == "backend"


def test_a_plain_process_is_stopped_by_the_same_signal() -> None:
    app = stack(ONE.format(EVERY))
    assert process(app, app.unit("api"), Source())["ways"][0]["stop"] == "INT"


def test_a_job_like_a_service_runs_as_the_same_user_in_the_same_folder() -> None:
    app = stack(ONE.format(EVERY) + "jobs:\n  migrate: {like: api, command: m}\n")
    assert (app.unit("migrate").user, app.unit("migrate").workdir) == ("1000:1001", "/srv")


@each_row(
    [
        'user: "7"',
        "workdir: /srv",
        "aliases: [backend]",
        "read_only: true",
        "tmpfs: /tmp",
        "shm: 1Mi",
        "capabilities: {add: KILL}",
        "capabilities: {drop: KILL}",
        "init: false",
        "stop_signal: QUIT",
        "privileged: true",
        "no_new_privileges: true",
        "ulimits: {nofile: 9}",
        "sysctls: {net.core.somaxconn: 9}",
        "hosts: {old: 10.0.0.1}",
        "host_paths: {/logs: /var/log}",
        "platform: linux/arm64",
    ]
)
def test_each_of_them_makes_a_container_stale(written: str) -> None:
    before, after = (fingerprints(stack(ONE.format(text)))["api"] for text in ("", f", {written}"))
    assert before != after


@each_row(
    [
        (", aliases: [api]", "aliases[0]: api has that name anyway - remove it"),
        (
            ", aliases: [postgres], uses: [postgres]",
            "aliases[0]: infra.postgres has that name already - choose another one",
        ),
        (
            ", aliases: [my_api]",
            'aliases[0]: a name is lower-case letters, digits and hyphens (it becomes a host name) - write "my-api"',
        ),
        (", aliases: [a, a]", "aliases[1]: services.api has that name already - choose another one"),
        (", tmpfs: tmp", 'tmpfs[0]: "tmp" is not a path in a container - write an absolute path below /'),
        (
            ", tmpfs: [/data], volumes: {data: /data}",
            "tmpfs[0]: volume data has the path /data already - give one of them another path",
        ),
        (", workdir: srv", 'workdir: "srv" is not a path in a container - write an absolute path below /'),
        (", stop_signal: TERM now", "stop_signal: is not a signal - write SIGINT or SIGQUIT"),
        (", capabilities: {add: [7]}", "capabilities.add[0]: is not a capability - write NET_ADMIN"),
        (", ulimits: {nofiles: 9}", 'ulimits.nofiles: no limit "nofiles" - did you mean "nofile"?'),
        (
            ", ulimits: {nofile: {soft: 9, hard: 8}}",
            "ulimits.nofile: the soft limit 9 is above the hard one, 8 - raise hard, or lower soft",
        ),
        (
            ", sysctls: {somaxconn: 9}",
            'sysctls.somaxconn: "somaxconn" is not a setting of the kernel - write net.core.somaxconn',
        ),
        (
            ", hosts: {old: db.lan}",
            "hosts.old: is not an address - write 10.0.0.5, or host-gateway for this machine",
        ),
        (
            ", hosts: {old_db: 10.0.0.1}",
            "hosts.old_db: a host's name is lower-case letters, digits, dots and hyphens",
        ),
        (", platform: amd64", 'platform: "amd64" is not a platform - write linux/amd64'),
        (
            ", host_paths: {/etc/a: ./a}",
            'host_paths./etc/a: "./a" is in the project'
            " - write files: {/etc/a: ./a}, or reload: {sync: {./a: /etc/a}}",
        ),
        (", host_paths: {/a: ''}", "host_paths./a: is empty - write a path of this machine: /var/log"),
        (
            ", host_paths: {/a: ~me/a}",
            'host_paths./a: "~me/a" is the home of another user - write ~/..., or the whole path',
        ),
        (
            ", host_paths: {a: /b}",
            'host_paths.a: "a" is not a path in a container - write an absolute path below /',
        ),
        (
            ", host_paths: {/a: /b}, volumes: {a: /a}",
            "host_paths./a: volume a has the path /a already - give one of them another path",
        ),
        (", working_dir: /srv", "working_dir: unknown key - write workdir: /srv"),
    ]
)
def test_what_cannot_be_is_refused(written: str, why: str) -> None:
    found = problems(ONE.format(written))
    assert [problem.partition("services.api.")[2] for problem in found] == [why]
    assert found[0].startswith("3:")


def test_a_text_of_the_manifest_is_a_file_of_the_container_with_its_references_filled_in() -> None:
    text = """{"key": "${secret.KEY}", "own": "${api.url}", "literal": "$${x}"}"""
    app = stack(ONE.format(f", files: {{/etc/a.json: {{content: '{text}'}}, /etc/b: {{content: plain}}}}"))
    source = Source(secrets={"KEY": 'a"b'})
    files = compose(app, source).files
    filled = '{"key": "a\\"b", "own": "http://api:80", "literal": "${x}"}'
    assert (files["files/api/etc_a.json"], files["files/api/etc_b"]) == (filled, "plain")
    secret, config = of_unit(app, app.unit("api"), source)[:2]
    assert base64.b64decode(secret["data"]["etc_a.json"]).decode() == filled
    assert config["data"] == {"etc_b": "plain"}
    before, after = (
        fingerprints(stack(ONE.format(f", files: {{/b: {{content: {word}}}}}")))["api"]
        for word in ("one", "two")
    )
    assert before != after


@each_row(["{}", "{secret: A, content: b}"])
def test_a_file_has_one_source(source: str) -> None:
    (problem,) = problems(ONE.format(f", files: {{/a: {source}}}"))
    assert problem.endswith("a file of the project, {secret: NAME} or {content: TEXT} - write one of them")
