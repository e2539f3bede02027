"""Robust statistics, the Bayesian signed-rank test and power, compared with scipy, statsmodels and baycomp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import make
from numpy.testing import assert_allclose
from scipy import stats
from statsmodels.stats.power import TTestPower

from reports import statistics
from reports.charts import LineChart
from reports.document import Block, Document, Figure, Prose, Section, Table
from reports.formats.html import render
from reports.method_comparison import paired_strata
from reports.parts.robust import robust_blocks
from reports.run import ACCURACY, RunData

scores = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=4, max_size=12)


@settings(max_examples=40, deadline=None)
@given(scores, scores)
def test_the_probability_of_improvement_is_the_mann_whitney_statistic(one: list[float], two: list[float]) -> None:
    n = min(len(one), len(two))
    pairs = np.transpose([one[:n], two[:n]])
    expected = stats.mannwhitneyu(one[:n], two[:n]).statistic / n**2
    assert_allclose(statistics.probability_of_improvement([pairs]), expected)
    assert_allclose(statistics.probability_of_improvement([pairs[:, ::-1]]), 1 - expected)
    half = statistics.probability_of_improvement([pairs, np.full((4, 2), 0.3)])
    assert_allclose(half, (expected + 0.5) / 2)  # strata have equal weights


def test_the_interquartile_mean_ignores_the_ends() -> None:
    values = np.array([0.1, 0.4, 0.5, 0.6, 0.9, 0.5, 0.45, 0.55])
    assert_allclose(statistics.interquartile_mean([values[:3], values[3:]]), stats.trim_mean(values, 0.25))
    assert_allclose(statistics.interquartile_mean([[0.0, 0.4, 0.5, 0.6, 1.0]]), 0.5)


@settings(max_examples=30, deadline=None)
@given(scores)
def test_a_performance_profile_never_rises(values: list[float]) -> None:
    profile = statistics.performance_profile([values], np.linspace(0, 1, 30))
    assert (np.diff(profile) <= 0).all()
    assert profile[-1] == 0
    assert_allclose(statistics.performance_profile([values], [0.31]), [np.mean(np.array(values) > 0.31)])


def test_the_stratified_bootstrap_agrees_with_scipy_in_one_stratum() -> None:
    values = np.random.default_rng(2).normal(size=30)
    theirs = stats.bootstrap(
        (values,), lambda x, axis: stats.trim_mean(x, 0.25, axis=axis), method="percentile", random_state=1
    ).confidence_interval
    ours = statistics.stratified_interval(statistics.interquartile_mean, [values], resamples=9999)
    assert_allclose(ours, (theirs.low, theirs.high), atol=0.04)


def test_strata_are_resampled_separately() -> None:
    """Two strata without any spread inside them leave nothing to resample."""
    low, high = statistics.stratified_interval(statistics.interquartile_mean, [[0.2] * 5, [0.8] * 5])
    assert_allclose((low, high), 0.5)
    profile = statistics.stratified_interval(
        lambda strata: statistics.performance_profile(strata, [0.1, 0.5]), [[0.2] * 5, [0.8] * 5]
    )
    assert_allclose(profile, [[1, 0.5], [1, 0.5]])


@pytest.mark.parametrize("sizes", [(9,), (4, 20)])
def test_the_bootstrap_is_refused_with_too_few_runs(sizes: tuple[int, ...]) -> None:
    strata = [np.arange(size) / size for size in sizes]
    assert not statistics.can_bootstrap(strata)
    with pytest.raises(ValueError, match="at least 10 runs, 5 in each stratum"):
        statistics.stratified_interval(statistics.interquartile_mean, strata)


@pytest.mark.parametrize(
    ("differences", "region", "expected"),
    [
        # baycomp 1.0.3: SignedRankTest.probs(zeros, differences, region, nsamples=500000, random_state=0)[::-1]
        ([0.021, 0.0345, 0.008, -0.013, 0.031, 0.064, 0.017, 0.029], 0.01, (0.96868, 0.03051, 0.00081)),
        ([0.021, 0.0345, 0.008, -0.013, 0.031, 0.064, 0.017, 0.029], 0.02, (0.621454, 0.378546, 0.0)),
        ([-0.0052, 0.0123, -0.0041, 0.0064, 0.0011], 0.01, (0.003984, 0.996016, 0.0)),
        ([-0.051, -0.082, 0.0335], 0.01, (0.15352, 0.047394, 0.799086)),
        ([-0.051, -0.082, 0.0335], 0.02, (0.082138, 0.138722, 0.77914)),
    ],
)
def test_the_bayesian_signed_rank_test_agrees_with_baycomp(
    differences: list[float], region: float, expected: tuple[float, ...]
) -> None:
    ours = statistics.signed_rank_probabilities(differences, np.zeros(len(differences)), region, draws=100_000)
    assert_allclose(ours, expected, atol=0.006)
    flipped = statistics.signed_rank_probabilities(np.zeros(len(differences)), differences, region, draws=100_000)
    assert_allclose(flipped[::-1], expected, atol=0.006)


@pytest.mark.parametrize("ratio", [0.1, 0.2, 0.5, 0.75, 1.0, 1.5, 3.0])
def test_the_power_agrees_with_statsmodels(ratio: float) -> None:
    theirs = TTestPower().solve_power(effect_size=ratio, nobs=None, power=0.8, alpha=0.05)
    assert statistics.blocks_for_power(1.0, ratio) == np.ceil(theirs)


def test_power_at_its_limits() -> None:
    assert statistics.blocks_for_power(0.0, 0.03) == 2
    assert statistics.blocks_for_power(1.0, 0.03) is None


# -- on runs -----------------------------------------------------------------------------------------------------------


def run_of(seeds: int, **study: Any) -> RunData:
    def accuracy(trial: Mapping[str, Any]) -> dict[str, Any]:
        ahead = 0.08 if trial["method"] == "cosmo" else 0.0
        return {"accuracy": 0.4 + ahead + 0.01 * ((7 * trial["seed"] + 3 * (trial["method"] == "cpc")) % 5)}

    return make({"utd-mhad": {}}, methods=("cpc", "cmc", "cosmo"), seeds=seeds, spoil=accuracy, **study)


def blocks_of(seeds: int, kind: type[Block]) -> list[Any]:
    return [block for block in robust_blocks(run_of(seeds), "utd-mhad") if isinstance(block, kind)]


def test_a_table_compares_with_the_reference() -> None:
    (table,) = blocks_of(10, Table)
    assert [column.title for column in table.columns[:2]] == ["Method", "IQM (%)"]  # no "At", as nothing is swept
    cells = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert cells["CMC"] == ["42.0", "40.8 to 43.2", "10", "0.00", "< 0.01", "< 0.01", "> 0.99"]
    assert cells["Cosmo"][3:] == ["–"] * 4
    assert table.folded
    assert table.notes == ()


def test_few_seeds_have_no_bootstrap_interval_and_the_table_says_so() -> None:
    (table,) = blocks_of(5, Table)
    assert "95 % interval" not in [column.title for column in table.columns]
    assert "A bootstrap interval needs at least 10 scores" in table.notes[-1].text


def test_three_seeds_have_the_reason_only() -> None:
    assert blocks_of(3, Table) == []
    assert blocks_of(3, Figure) == []
    few, power = (block.text for block in blocks_of(3, Prose))
    assert few.endswith("performance profiles need at least 5.")
    assert "the paired differences from Cosmo have a standard deviation of" in power
    (_, unknown) = (block.text for block in blocks_of(2, Prose))
    assert "the number of seeds that a difference of 3 points needs is unknown" in unknown


def test_the_performance_profiles_are_lines_with_bands() -> None:
    (figure,) = blocks_of(10, Figure)
    assert isinstance(figure.chart, LineChart)
    cpc, cmc, cosmo = figure.chart.panels[0].series
    assert all(ours >= theirs for ours, theirs in zip(cosmo.y, cmc.y, strict=True))
    assert all(low <= y <= high for low, y, high in zip(cpc.low, cpc.y, cpc.high, strict=True))
    assert cosmo.counts == (10,) * len(cosmo.x)
    (without,) = blocks_of(5, Figure)
    assert "Bands" not in without.caption


def test_folds_are_the_strata() -> None:
    run = run_of(10)
    trials = run.trials.assign(fold=1 + run.trials["seed"] // 5, seed=run.trials["seed"] % 5)
    trials = trials[(trials["method"] != "cmc") | (trials["seed"] != 2)]
    folded, point = RunData(trials, run.study), run.points("utd-mhad")[0]
    strata = paired_strata(folded, "utd-mhad", point, ["cmc", "cosmo"], ACCURACY)
    assert [scores.shape for scores in strata] == [(4, 2), (4, 2)]
    assert_allclose(strata[0][:, 1] - strata[0][:, 0], 0.08)
    assert [len(scores) for scores in paired_strata(folded, "utd-mhad", point, ["cosmo"], ACCURACY)] == [5, 5]


def test_a_page_folds_the_table() -> None:
    (table,) = blocks_of(5, Table)
    page = render(Document("Title", "Subtitle", (), (Section("Robust comparison", "robust", (table,)),)))
    assert page.count('<details class="folded"><summary>Robust comparison of accuracy with Cosmo on utd-mhad<') == 1
