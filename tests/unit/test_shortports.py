from __future__ import annotations

from devenv.manifest.shortports import ShortPort, short_port
from tests.table import each_row


@each_row(
    {
        "80": ShortPort("80"),
        "8080:80": ShortPort("80", "8080"),
        "127.0.0.1:8080:80": ShortPort("80", "8080", "127.0.0.1"),
        "127.0.0.1::80": ShortPort("80", "", "127.0.0.1"),
        "[::1]:8080:80/udp": ShortPort("80", "8080", "[::1]", "udp"),
        "9000-9002:8000-8002": ShortPort("8000-8002", "9000-9002"),
        "${PORT:-8080}:80": ShortPort("80", "${PORT:-8080}"),
        "${HERE:-127.0.0.1}:${PORT}:${INNER:-80}": ShortPort("${INNER:-80}", "${PORT}", "${HERE:-127.0.0.1}"),
        "132/sctp": ShortPort("132", None, "", "sctp"),
        "80/tls": ShortPort("80/tls"),
    }.items()
)
def test_the_parts_of_a_short_port(text: str, port: ShortPort) -> None:
    assert short_port(text) == port
