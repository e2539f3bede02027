from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from reports.statistics import mean, paired_difference, t_half_width, t_interval

shares = st.lists(st.floats(0, 1), min_size=3, max_size=12)


@given(shares, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_agrees_with_scipy(values: list[float], confidence: float) -> None:
    spread = stats.sem(values)
    expected = (
        stats.t.interval(confidence, len(values) - 1, np.mean(values), spread) if spread > 0 else (np.mean(values),) * 2
    )
    assert_allclose(t_interval(values, confidence), expected, atol=1e-12)


@given(shares, shares)
def test_the_paired_difference_agrees_with_scipy(one: list[float], two: list[float]) -> None:
    n = min(len(one), len(two))
    first, second = np.array(one[:n]), np.array(two[:n])
    centre, low, high = paired_difference(first, second)
    assert_allclose(centre, np.mean(first - second), atol=1e-12)
    if np.std(first - second) > 1e-9:
        expected = stats.ttest_rel(first, second).confidence_interval(0.95)
        assert_allclose((low, high), (expected.low, expected.high), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_t_intervals_have_nominal_coverage_and_bootstrap_intervals_do_not(n: int) -> None:
    """The fraction of intervals that contain the true mean 0, over 4000 samples of n runs."""
    random = np.random.default_rng(0)
    runs = random.normal(size=(n, 4000))
    low, high = t_interval(runs)
    assert_allclose(np.mean((low < 0) & (high > 0)), 0.95, atol=0.012)
    drawn = runs[random.integers(n, size=(n, 500)), :].mean(axis=0)  # 500 resamples of each
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    assert np.mean((low < 0) & (high > 0)) < {3: 0.8, 5: 0.87, 10: 0.93}[n]


def test_fewer_than_three_runs_have_no_interval() -> None:
    assert mean([0.4]) == 0.4
    assert np.isnan(t_half_width([0.4]))
    assert np.isnan(t_interval([0.4, 0.5])).all()
    assert np.isnan([mean([]), t_half_width([])]).all()
    centre, low, high = paired_difference([0.5], [0.4])
    assert_allclose(centre, 0.1)
    assert np.isnan([low, high]).all()


def test_later_axes_are_kept() -> None:
    runs = np.random.default_rng(1).random((4, 2, 3))
    low, high = t_interval(runs)
    assert low.shape == high.shape == mean(runs).shape == (2, 3)
    assert_allclose(low[1, 2], t_interval(runs[:, 1, 2])[0])
    assert t_half_width(runs[:1]).shape == (2, 3)


def test_nan_is_propagated() -> None:
    assert np.isnan([mean([0.1, np.nan]), t_half_width([0.1, np.nan, 0.2])]).all()


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="the same shape"):
        paired_difference([0.1, 0.2], [0.1])
    with pytest.raises(ValueError, match="between 0 and 1"):
        t_half_width([0.1, 0.2], confidence=95)
    with pytest.raises(ValueError, match="not a single number"):
        mean(0.5)
