"""Files of variables whose lines are plain are read without the library, and mean the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest

from devenv.envfiles import odd_lines, read_env
from tests.table import each_row


@each_row(
    {
        "plain": ("# a comment\nA=1\n\nB_2=x/y+z==:@.-\nA=2\nEMPTY=\n", {"A": "2", "B_2": "x/y+z==:@.-", "EMPTY": ""}),
        "quotes": ("A=1\nB='two words'\n", {"A": "1", "B": "two words"}),
        "a comment behind": ("A=1 # one\n", {"A": "1"}),
        "a name alone": ("A=1\nB\n", {"A": "1"}),
        "export": ("export A=1\n", {"A": "1"}),
        "no end": ("A=1\nB=2", {"A": "1", "B": "2"}),
        "other letters": ("A=Größe\n", {"A": "Größe"}),
        "nothing": ("", {}),
        "Windows": ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
    }
)  # fmt: skip
def test_it_means_the_same(text: str, values: dict[str, str]) -> None:
    from dotenv import dotenv_values

    with NamedTemporaryFile() as file:
        file.write(text.encode())
        file.flush()
        theirs = dotenv_values(file.name, interpolate=False)
        assert read_env(Path(file.name)) == values
    assert values == {key: value for key, value in theirs.items() if value is not None}


def test_lines_that_say_nothing_are_left_out_and_named_by_us_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (file := tmp_path / ".env").write_text("A=1\nLOG LEVEL\nB='two words'\n=3\n")
    assert read_env(file) == {"A": "1", "B": "two words"}
    assert odd_lines(file) == [2, 4]
    assert odd_lines(tmp_path / "none") == []
    assert capfd.readouterr().err == ""


def test_the_mark_of_an_encoding_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n", encoding="utf-8-sig")
    assert read_env(tmp_path / ".env") == {"A": "1"}


@pytest.mark.programs
def test_plain_lines_need_no_library(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# made by devenv\nPASSWORD=s3cr3t_\n")
    code = "import sys; from pathlib import Path; from devenv.envfiles import read_env; read_env(Path('.env')); print('dotenv' in sys.modules)"
    asked = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert asked.stdout == "False\n"
