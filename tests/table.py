"""A test of many rows, where a case of pytest's own for each would take longer than all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def each_row(rows: Mapping[str, Any] | Iterable[Any]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Call the test with each row, and let it fail with all that fail. A tuple is spread over its parameters."""

    def decorated(test: Callable[..., None]) -> Callable[[], None]:
        def every_row() -> None:
            named = [*rows.items()] if isinstance(rows, Mapping) else [(repr(row), row) for row in rows]
            assert named, "no rows"
            failures = []
            for name, row in named:
                try:
                    test(*row) if isinstance(row, tuple) else test(row)
                except Exception as failure:
                    failure.add_note(f"row: {name}")
                    failures.append(failure)
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(named)} rows", failures)

        every_row.__name__, every_row.__doc__ = test.__name__, test.__doc__
        every_row.__module__, every_row.__qualname__ = test.__module__, test.__qualname__
        return every_row

    return decorated
