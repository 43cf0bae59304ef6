"""Programs that somebody asks for and a unit does not have."""

from __future__ import annotations

from devenv.errors import DevenvError

NOT_FOUND = 127  # as shells end where a program is not there


class NoProgram(DevenvError):
    """The unit has no such program."""

    exit_code = NOT_FOUND


def no_program(unit: str, program: str, *, contained: bool = True) -> NoProgram:
    """The error of a program that is not there; `contained`: in the image, and not on this machine."""
    if contained and program == "sh":
        return NoProgram(
            f"the image of {unit} has no shell",
            hint=f"devenv exec {unit} PROGRAM   runs a program that it has",
        )
    hint = (
        f"devenv exec {unit}   opens a shell there" if contained else f"install {program}, or put it on PATH"
    )
    return NoProgram(f"{unit} has no program {program}", hint=hint)
