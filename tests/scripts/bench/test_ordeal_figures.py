"""The quantiles of the tables: values that were measured, the smallest that so many do not exceed."""

import pytest

from scripts.bench.ordeal.figures import Spread, cpu_busy_s


@pytest.mark.parametrize(("share", "found"), [(0.0, 1), (0.05, 1), (0.5, 10), (0.95, 19), (0.951, 20), (1.0, 20)])
def test_a_quantile_is_the_smallest_value_that_so_many_do_not_exceed(share: float, found: int) -> None:
    assert Spread([*map(float, range(20, 0, -1))]).quantile(share) == found


def test_a_row_counts_what_is_beyond_the_limit() -> None:
    assert Spread([1.0, 200.0, 201.0]).row(200.0) == {"n": 3, "p50": 200.0, "p95": 201.0, "max": 201.0, "beyond": 1}


def test_the_machines_work_only_grows() -> None:
    before = cpu_busy_s()
    sum(range(2_000_000))
    assert cpu_busy_s() >= before > 0
