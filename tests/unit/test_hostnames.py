"""A host name that nothing in the stack has: what was probably meant, by what clients really print."""

from __future__ import annotations

from devenv.backends.causes import OFFLINE, likely
from devenv.backends.hostnames import explained, unresolved
from devenv.errors import Card
from tests.table import each_row

from .stacks import stack

CLIENTS = {
    "psql": 'psql: error: could not translate host name "dbb" to address: Name or service not known',
    "psycopg": "psycopg.OperationalError: failed to resolve host 'dbb': [Errno -2] Name or service not known",
    "urllib3": "NameResolutionError: Failed to resolve 'dbb' ([Errno -2] Name or service not known)",
    "node": "Error: getaddrinfo ENOTFOUND dbb",
    "node, no answer": "Error: getaddrinfo EAI_AGAIN dbb",
    "node, fetch": "  [cause]: Error: getaddrinfo ENOTFOUND dbb",
    "curl": "curl: (6) Could not resolve host: dbb",
    "busybox": "wget: bad address 'dbb'",
    "ping": "ping: bad address 'dbb'",
    "wget": "wget: unable to resolve host address ‘dbb’",
    "go": "dial tcp: lookup dbb on 127.0.0.11:53: no such host",
    "go, no answer": "dial tcp: lookup dbb on 127.0.0.11:53: server misbehaving",
    "java": "Caused by: java.net.UnknownHostException: dbb",
    "java, why": "java.net.UnknownHostException: dbb: Name or service not known",
    "mysql": "ERROR 2005 (HY000): Unknown MySQL server host 'dbb' (-2)",
    "mariadb": "ERROR 2005 (HY000): Unknown server host 'dbb' (-2)",
    "php": "PHP Warning: php_network_getaddresses: getaddrinfo for dbb failed: Name does not resolve",
    "nginx": 'nginx: [emerg] host not found in upstream "dbb:8000" in /etc/nginx/conf.d/default.conf:3',
    "valkey-cli": "Could not connect to Valkey at dbb:6379: Name or service not known",
    "redis-py": "redis.exceptions.ConnectionError: Error -2 connecting to dbb:6379. Name or service not known.",
    "pymongo": "pymongo.errors.ServerSelectionTimeoutError: dbb:27017: [Errno -2] Name or service not known",
    "mongosh": "Last error: dial tcp: lookup dbb on 10.255.255.53:53: no such host }, ] }",
}
NONE = (
    "getaddrinfo ENOTFOUND api.example.org",
    "curl: (6) Could not resolve host: api.example.org",
    "dial tcp: lookup api.example.org on 127.0.0.11:53: no such host",
    "socket.gaierror: [Errno -2] Name or service not known",
    "dial tcp 10.0.0.1:5432: connect: connection refused",
)

SHOP = stack(
    """
    name: shop
    services:
      api: {image: "api:1", port: 80, uses: [db]}
      web: {image: "web:1", port: 80}
    infra:
      db: {kind: postgres}
    """
)


def hint(line: str, *, unit: str = "api", was: str = "devenv logs api") -> str:
    return explained(Card(unit, "ended with exit 1", output=("it starts", line), hint=was), SHOP).hint


@each_row(CLIENTS)
def test_every_client_says_which_host_it_did_not_find(line: str) -> None:
    assert unresolved(["it starts", line]) == "dbb"
    assert hint(line, was=likely([line])) == 'nothing here is called "dbb": did you mean "db"?'


@each_row({line: line for line in NONE})
def test_a_host_elsewhere_is_none_of_ours(line: str) -> None:
    assert unresolved([line]) == ""
    assert hint(line, was=OFFLINE) == OFFLINE


def test_what_is_meant_is_a_unit_by_its_name_or_kind_or_one_that_need_not_run() -> None:
    assert hint("ping: bad address 'postgres'") == 'nothing here is called "postgres": did you mean "db"?'
    assert hint("ping: bad address 'queue'") == 'nothing here is called "queue": there are db, web'
    assert hint("ping: bad address 'web'") == '"web" need not run yet: uses: [web] starts it before api'
    assert hint("ping: bad address 'db'") == "devenv logs api"  # it does run: something else is the matter


def test_a_better_cause_goes_first() -> None:
    card = Card("api", "ran out of memory", output=("ping: bad address 'dbb'", "OOMKilled"), hint="more")
    assert explained(card, SHOP) == card
