"""Why nobody reaches a port: told from a kernel's tables, as they were read in a container."""

from __future__ import annotations

from devenv.backends.causes import likely
from devenv.backends.listening import amiss, nowhere
from tests.table import each_row

TABLES = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F43 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 32322702 1 00 100 0 0 10 0
   1: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 32322699 1 00 100 0 0 10 0
   2: 0B00007F:A1B2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 32322600 1 00 100 0 0 10 0
   3: 0100007F:1F45 0100007F:1F40 01 00000000:00000000 00:00000000 00000000     0        0 32322601 1 00 100 0 0 10 0
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000001000000:1F41 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 0
   1: 00000000000000000000000000000000:1F42 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 0
   2: 0000000000000000FFFF00000100007F:1F44 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 0
"""

PORTS = {
    "127.0.0.1": (8000, "listens on 127.0.0.1 only", "make it listen on 0.0.0.0"),
    "::1": (8001, "listens on 127.0.0.1 only", "make it listen on 0.0.0.0"),
    "127.0.0.1 on an IPv6 socket": (8004, "listens on 127.0.0.1 only", "make it listen on 0.0.0.0"),
    "::, and nothing answers on IPv4": (
        8002,
        "listens on IPv6 and answers nothing on IPv4",
        "make it listen on 0.0.0.0",
    ),
    "any address": (8003, "", ""),
    "a connection, which listens to nobody": (8005, "listens on port 8002, 8003, not on 8005", ""),
    "another port": (80, "listens on port 8002, 8003, not on 80", ""),
}


@each_row(PORTS)
def test_why_nobody_reaches_a_port_is_told_with_what_helps(port: int, why: str, hint: str) -> None:
    assert amiss(TABLES, port) == why
    if hint.startswith("make"):
        assert hint in likely([why])
    elif why:
        assert "is the number under port:" in likely([why])


def test_a_container_that_listens_nowhere_or_tells_nothing_is_left_alone() -> None:
    assert amiss("", 80) == amiss("cat: not found", 80) == ""
    assert amiss("\n".join(line for line in TABLES.splitlines() if "0100007F" in line), 80) == ""


def test_that_nothing_listens_is_said_where_the_tables_were_read() -> None:
    heads = [line for line in TABLES.splitlines() if "local_address" in line]
    resolver = next(line for line in TABLES.splitlines() if "0B00007F" in line)
    assert nowhere("\n".join([*heads, resolver])) == "listens on no port"
    assert nowhere(TABLES) == nowhere("") == nowhere("cat: not found") == ""
