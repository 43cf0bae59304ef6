"""What a command in a pod ended with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devenv.backends.kube import terminal
from devenv.backends.kube.channels import STATUS, Channels


class Ended(Channels):
    """What came through a websocket that is closed."""

    def __init__(self, *came: tuple[int, bytes]) -> None:
        self.came = came

    def frames(self) -> Iterator[tuple[int, bytes]]:
        yield from self.came

    def close(self) -> None:
        """It is."""


SEVEN = b'{"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}}'


@pytest.mark.parametrize(
    ("came", "code"), [([(STATUS, SEVEN)], 7), ([(STATUS, b'{"status": "Success"}')], 0), ([], None)]
)
def test_a_connection_that_breaks_gives_no_exit_code(came: list[tuple[int, bytes]], code: int | None) -> None:
    assert terminal.run(Ended(*came), tty=False, interactive=False) == code
