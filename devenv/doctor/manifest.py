"""The manifest itself, and the secrets it names."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from devenv.doctor.verdict import Verdict, Wanted, failed, passed
from devenv.errors import ManifestInvalid


def judge(wanted: Wanted) -> Iterator[Verdict]:
    """Whether the manifest is one, and its secrets have values."""
    match wanted.invalid:
        case ManifestInvalid(problems=[first, *more]):
            text = f"{first}" + (f"; and {len(more)} more" if more else "")
            yield failed("manifest", text, "devenv plan   # shows every problem")
            return
        case None:
            pass
        case error:
            asked = error.hint.startswith("devenv doctor")  # which is what runs
            yield failed("manifest", error.what, "df -h ." if asked else error.hint or "devenv plan")
            return
    if wanted.stack is None:
        yield passed("manifest", "none here: only the machine is checked")
        return
    count = len(wanted.stack.units)
    text = f"{wanted.stack.name} on {wanted.backend}, {count} unit{'' if count == 1 else 's'}"
    yield passed("manifest", text)
    if wanted.secretless is not None and wanted.example:
        env = str(PurePosixPath(wanted.example).with_name(".env"))
        command = shlex.join(["install", "-m", "600", wanted.example, env])
        yield failed("secrets", f"{wanted.secretless.what}, and there is no .env", command, safe=True)
    elif wanted.secretless is not None:
        yield failed("secrets", wanted.secretless.what, wanted.secretless.hint)
    elif wanted.stack.secrets:
        yield passed("secrets", "all have values")
