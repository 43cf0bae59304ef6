"""What a command in a pod ended with."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from devenv.backends.kube import terminal
from devenv.backends.kube.channels import STATUS, Channels, exit_code, lacks_program
from devenv.errors import DevenvError


class Ended(Channels):
    """What came through a websocket that is closed."""

    def __init__(self, *came: tuple[int, bytes]) -> None:
        self.came = came

    def frames(self) -> Iterator[tuple[int, bytes]]:
        yield from self.came

    def close(self) -> None:
        """It is."""


SEVEN = b'{"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}}'


def test_a_command_that_is_not_in_the_image_is_told_without_who_passed_that_on() -> None:
    message = (
        'Internal error occurred: error executing command in container: failed to start exec "7a": OCI runtime '
        "exec failed: exec failed: unable to start container process: exec: "
        '"bash": executable file not found in $PATH: unknown'
    )
    status = json.dumps({"status": "Failure", "message": message}).encode()
    with pytest.raises(DevenvError) as refused:
        exit_code(status)
    assert refused.value.why == 'exec: "bash": executable file not found in $PATH'
    assert lacks_program(refused.value.why)


@pytest.mark.parametrize(
    ("came", "code"), [([(STATUS, SEVEN)], 7), ([(STATUS, b'{"status": "Success"}')], 0), ([], None)]
)
def test_a_connection_that_breaks_gives_no_exit_code(came: list[tuple[int, bytes]], code: int | None) -> None:
    assert terminal.run(Ended(*came), tty=False, interactive=False) == code
