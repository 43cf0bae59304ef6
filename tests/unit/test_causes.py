"""The table of causes: what real programs print leads to the line that helps, and to no other."""

from __future__ import annotations

from devenv.backends.causes import CAUSES, GUESSES, excerpt, failed, helpful, hopeless, likely
from devenv.backends.kube.cards import CAUSES as CLUSTER
from devenv.stack.model import Unit
from tests.table import each_row

from .stacks import unit

WORDS = {
    "give it more: resources": (
        "OOMKilled",
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space',
        "    a=bytearray(10**9)\nMemoryError",
    ),
    "make it listen on 0.0.0.0": ("listens on 127.0.0.1 only",),
    "make it listen on 0.0.0.0 as well": ("listens on IPv6 and answers nothing on IPv4",),
    "is the number under port:": ("listens on port 3000, not on 8000",),
    "devenv up --remap-ports": (
        "Bind for 127.0.0.1:80 failed: port is already allocated",
        "failed to bind host port for 127.0.0.1:33962:172.17.0.3:5432/tcp: address already in use",
        "OSError: [Errno 98] Address already in use (while attempting to bind on address ('', 80))",
        "Error: listen EADDRINUSE: address already in use :::8000",
    ),
    "make that 0.0.0.0": (
        "    self.socket.bind(self.server_address)\nOSError: [Errno 99] Cannot assign requested address",
        "Error: listen EADDRNOTAVAIL: address not available 10.99.0.1:8000",
        "# Warning: Could not create server TCP listening socket 10.99.0.1:6379:"
        " bind: Cannot assign requested address",
        "listen tcp 10.99.0.1:80: bind: cannot assign requested address",
    ),
    "only root may listen on a port below 1024": (
        "    self.socket.bind(self.server_address)\nPermissionError: [Errno 13] Permission denied",
        "Error: listen EACCES: permission denied 0.0.0.0:80",
        "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)",
        "listen tcp :80: bind: permission denied",
    ),
    "the engine went away": ("ERROR: Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",),
    "the disk is full": ("write /x: no space left on device",),
    "the script does not begin with its interpreter (#!/bin/sh)": ("exec /w/nobang.sh: exec format error",),
    "put the longest value into a file": (
        "sh: 1: /bin/echo: Argument list too long",
        "OSError: [Errno 7] Argument list too long: 'true'",
        'exec: "sh": argument list too long',
    ),
    "a script has Windows line endings": (
        "env: 'bash\\r': No such file or directory",
        "/bin/sh^M: bad interpreter: No such file or directory",
        "bash: line 1: /w/crlf.sh: cannot execute: required file not found",
        "sleep: invalid time interval '900\\r'",
        "start.sh: line 2: $'\\r': command not found",
        "start.sh: 2: set: Illegal option -\r: not found",
    ),
    "or is a script with Windows line endings, or its first line (#!)": (
        "exec /w/crlf.sh: no such file or directory",
        "[FATAL tini (7)] exec /w/crlf.sh failed: No such file or directory",
        "sh: 1: /w/crlf.sh: not found",
        "sh: /w/crlf.sh: not found",
    ),
    "the command is not in the image": (
        'exec: "serve": executable file not found in $PATH',
        "[FATAL tini (8)] exec nosuch failed: No such file or directory",
        "sh: 1: nosuch: not found",
        "bash: line 1: nosuch: command not found",
    ),
    "the data is half made": ("the first start did not finish",),
    "MySQL wants caching_sha2_password": (
        "RuntimeError: 'cryptography' package is required for sha256_password or caching_sha2_password"
        " auth methods",
        "Error: ER_NOT_SUPPORTED_AUTH_MODE: Client does not support authentication protocol requested by"
        " server; consider upgrading MySQL client",
        "ERROR 2059 (HY000): Authentication plugin 'caching_sha2_password' cannot be loaded",
        "java.sql.SQLNonTransientConnectionException: Public Key Retrieval is not allowed",
        "ERROR 1524 (HY000): Plugin 'mysql_native_password' is not loaded",
    ),
    "user and root_password count only for new data": (
        'FATAL:  role "shop" does not exist',
        "ERROR 1045 (28000): Access denied for user 'root'@'127.0.0.1' (using password: YES)",
    ),
    "the store has no database of that name": (
        'FATAL:  database "shopp" does not exist',
        "Error: Unknown database 'nn'",
        "ERROR 1044 (42000): Access denied for user 'u'@'%' to database 'nn'",
    ),
    "the store has another user or password": (
        'FATAL:  password authentication failed for user "app"',
        "ERROR 1045 (28000): Access denied for user 'app'@'172.17.0.1' (using password: YES)",
        "NOAUTH Authentication required.",
        "AUTH failed: WRONGPASS invalid username-password pair or user is disabled.",
        "MongoServerError: Authentication failed.",
        "An error occurred (InvalidAccessKeyId) when calling the ListBuckets operation",
        "Connection.open: (403) ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN",
    ),
    "the data is of another version": (
        "FATAL:  database files are incompatible with server",
        "DETAIL:  The data directory was initialized by PostgreSQL version 18",
        "[ERROR] [MY-014061] [InnoDB] Invalid MySQL server downgrade: Cannot downgrade from 90702 to 80405.",
        '"msg":"Wrong mongod version","attr":{"error":"UPGRADE PROBLEM: Found an invalid',
        "# Can't handle RDB format version 80",
    ),
    "its data belongs to another user": (
        "[ERROR] [MY-013236] [Server] The designated data directory /var/lib/mysql/ is unusable.",
        "FATAL Unable to initialize backend: Unable to write to the backend",
        'FATAL:  data directory "/var/lib/postgresql/18/docker" has wrong ownership',
        "chown: changing ownership of '/data': Permission denied",
    ),
    "it writes where it may not": (
        "sh: 1: cannot create /x: Read-only file system",
        "OSError: [Errno 30] Read-only file system: '/x'",
        "Error: EROFS: read-only file system, open '/x'",
    ),
    "mysql+pymysql://": (
        "ModuleNotFoundError: No module named 'MySQLdb'",
        "ModuleNotFoundError: No module named 'psycopg2'",
    ),
    "a dependency is missing in the image": (
        "ModuleNotFoundError: No module named 'flask'",
        "Error: Cannot find module 'express'",
        "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'express' imported from /srv/a.js",
    ),
    "is this machine offline": (
        "curl: (6) Could not resolve host: example.org",
        "dial tcp: lookup example.org on 10.0.0.1:53: no such host",
    ),
    "what COPY names is not in the build's folder": (
        'failed to compute cache key: failed to calculate checksum of ref f86b2a6c::kl5cz: "/x": not found',
    ),
    "the base image's name is wrong": ("failed to solve: acme/base:1: not found",),
    "there is none for this processor": (
        "no matching manifest for linux/arm64/v8 in the manifest list entries",
        "no matching manifest for linux/arm64/v8 in the manifest list entries: no match for platform in manifest: not found",
    ),
    "look at USER in the Dockerfile": (
        "sh: 1: cannot create /srv/x: Permission denied",
        "PermissionError: [Errno 13] Permission denied: '/srv/x'",
        "open /srv/x: permission denied",
    ),
}
"""Part of what helps -> what programs printed: PostgreSQL, MySQL, Valkey, MinIO, Node, Python, shells, Docker."""

GUESSED = {
    "the path needs a login": ("401 Unauthorized", "403 Forbidden: no", "statuscode: 403"),
    "the service has no such path": ("404 Not Found: no such page",),
    "On 127.0.0.1 or IPv6 only?": (
        "nothing listens on the port",
        "nothing answers on the port",
        'Startup probe failed: Get "http://10.244.12.213:8000/": dial tcp 10.244.12.213:8000: connect:'
        " connection refused",
    ),
    "gives it more time": ("api was not ready within 5 s",),
    "it ended well": ("ended with exit 0",),
}

FINAL = {
    'psql: error: FATAL:  database "shopp" does not exist': "cannot be entered",
    "Access denied for user 'app'@'%' (using password: YES)": "cannot be entered",
    "WRONGPASS invalid username-password pair": "cannot be entered",
    "Wrong mongod version": "cannot read its data",
    "connection refused": "",
    "ModuleNotFoundError: No module named 'flask'": "",
}


@each_row({words: (words, part) for part, rows in WORDS.items() for words in rows})
def test_what_a_program_prints_leads_to_what_helps(words: str, part: str) -> None:
    assert part in likely(["it starts", words, "it ended"])


@each_row({words: (words, part) for part, rows in GUESSED.items() for words in rows})
def test_a_guess_is_made_where_nothing_better_is_known(words: str, part: str) -> None:
    assert part in likely([words], GUESSES)
    assert likely([words]) == ""


def test_every_row_of_the_table_is_met_and_no_two_say_the_same() -> None:
    for table, rows in ((CAUSES, WORDS), (GUESSES, GUESSED)):
        met = {likely([words], table) for words in sum(rows.values(), ())}
        assert met == {cause.hint for cause in table}
        assert len(met) == len(table)
    hints = [cause.hint for cause in (*CAUSES, *GUESSES, *CLUSTER)]
    assert len(set(hints)) == len(hints)


@each_row(FINAL.items())
def test_an_answer_that_no_waiting_mends_is_told_from_one_that_passes(answer: str, what: str) -> None:
    assert hopeless(answer) == what


def test_a_message_above_a_long_trace_stays_on_the_card() -> None:
    trace = [*(f"    at frame {number}" for number in range(30)), "  code: 'EADDRNOTAVAIL'"]
    assert excerpt(["it starts", "Error: listen EADDRNOTAVAIL: no", *trace]) == (
        "Error: listen EADDRNOTAVAIL: no",
        *trace[-14:],
    )
    assert excerpt([*trace, "OOMKilled"]) == (*trace[-14:], "OOMKilled")
    assert excerpt(["it starts", *trace[:-1]]) == tuple(trace[-16:-1])


VOLUMES = {
    "a shell": ("sh: 1: cannot create /data/x: Permission denied", True),
    "python": ("PermissionError: [Errno 13] Permission denied: '/data/x'", True),
    "node": ("Error: EACCES: permission denied, open '/data/x'", True),
    "go": ("failed to persist state: open /data/state.json: permission denied.", True),
    "mkdir": ("mkdir: cannot create directory '/data': Permission denied", True),
    "elsewhere": ("sh: 1: cannot create /srv/x: Permission denied", False),
    "a like name": ("sh: 1: cannot create /database/x: Permission denied", False),
    "read-only": ("sh: 1: cannot create /data/x: Read-only file system", False),
}


@each_row(VOLUMES)
def test_a_volume_of_another_user_is_told_from_other_folders(line: str, volume: bool) -> None:
    own = unit("{name: shop, services: {api: {image: api, volumes: {data: /data}}}}", "api")
    assert ("its volume belongs to another user" in helpful(own, ["it starts", line])) is volume


JAVA = """ERROR: java.lang.RuntimeException: Failed to execute start task.
\tat org.apache.activemq.console.command.StartCommand.runTask(StartCommand.java:92)
\tat java.base/java.lang.Class.getConstructor0(Class.java:3756)
\tat app//org.slf4j.Logger.<init>(Unknown Source) [slf4j.jar:2.0]
\tat jakarta.servlet.Filter$1.call(Filter.java:9) ~[servlet.jar:?]
Caused by: org.xml.sax.SAXParseException; lineNumber: 1; Cannot find the declaration of element 'beans'.
\t... 37 more
\t... 8 common frames omitted
    at Module._compile (node:internal/modules/cjs/loader:1554:14)"""


def test_of_a_java_trace_a_card_has_what_was_the_matter_and_not_where() -> None:
    lines = JAVA.splitlines()
    assert excerpt(lines) == (lines[0], lines[5], lines[8])


def test_nothing_is_made_up() -> None:
    assert likely(["all is well"]) == likely([]) == likely(["ended with exit 01"], GUESSES) == ""
    assert likely(["dial tcp [::1]:80: connect: cannot assign requested address"]) == ""


def test_what_a_check_looks_for_is_no_answer_to_it() -> None:
    """PostgreSQL's own check names the database that does not exist, whatever happened."""
    card = failed(
        Unit("db", "infra", "postgres:18"),
        "ended with exit 1",
        ["could not bind: Address already in use"],
        [("probe", "case $answer in *'database \"app\" does not exist'*) createdb ;; esac")],
    ).card
    assert "in use" in card.hint or "port" in card.hint
    assert "database" not in card.hint
