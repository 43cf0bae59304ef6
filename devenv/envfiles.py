"""Files of variables, such as `.env`."""

from __future__ import annotations

from pathlib import Path

from devenv.errors import UsageError


def read_env(file: Path) -> dict[str, str]:
    """The variables of an env file; nothing is expanded. A missing file has none.

    Raises `UsageError` for one that cannot be read.
    """
    if not file.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        values = dotenv_values(file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror or "").lower() if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot read {file}", why=why) from error
    return {key: value for key, value in values.items() if value is not None}
