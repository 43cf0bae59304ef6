"""Each row of a test is tried, and each that fails is named."""

from __future__ import annotations

import pytest

from tests.table import each_row


def test_every_row_that_fails_is_named() -> None:
    @each_row({"a": (1, 2), "b": (2, 2), "c": (3, 2)})
    def test(left: int, right: int) -> None:
        assert left == right

    with pytest.raises(ExceptionGroup, match="2 of 3 rows") as failed:
        test()
    assert [failure.__notes__ for failure in failed.value.exceptions] == [["row: a"], ["row: c"]]


def test_no_rows_is_no_success() -> None:
    with pytest.raises(AssertionError, match="no rows"):
        each_row({})(print)()
